//! `receive`: accepts mail and files it in the store.
//!
//! A message is filed in the store at once, and the exit status says that it is durable there. If that is not possible now,
//! or if a watch is running that does it, the message is made durable in `in/new`: from then on mspool is responsible for it.

use std::path::Path;

use anyhow::{Result, anyhow};

use crate::delivery::context::DeliveryContext;
use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::inbox::accept;
use crate::inbox::correlate::SentMailIndex;
use crate::inbox::fetch;
use crate::inbox::file;
use crate::inbox::in_place;
use crate::inbox::pending;
use crate::mail::address::{Address, Sender};
use crate::mail::envelope::{Envelope, WayTrust};
use crate::mail::message::header::{Header, InputSupply};
use crate::output::arrivals::ArrivalConsole;
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::spool::QueueState;
use crate::spool::draft::UnsyncedMessage;
use crate::spool::queue_file::UnusableFile;
use crate::submission::input::{self, StandardInput};
use crate::submission::limits::check_room;
use crate::submission::loops;
use crate::submission::options::HeaderUse;
use crate::sys::signals::{HangupMeaning, Signals};

/// Options of `receive` for a message on standard input.
#[derive(Clone, Debug)]
pub struct ReceiveOptions {
    /// Mailbox of the message; `None` means the address of this user.
    pub mailbox: Option<Address>,
    /// Envelope sender; `None` means the one that the message names.
    pub sender: Option<Sender>,
    /// Trust in the way on which the message came.
    pub way: WayTrust,
    /// Output format of the results.
    pub format: OutputFormat,
}

/// Receives one message from standard input, and files it unless a watch is running.
///
/// # Errors
///
/// An error means that the message was not received. Once it is durable, failures are only printed.
pub fn run(session: &Session, options: &ReceiveOptions) -> Result<ExitStatus> {
    let spool = session.spool()?;
    check_room(session, &spool)?;
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let mailbox = match &options.mailbox {
        Some(mailbox) => mailbox.clone(),
        None => accept::own_mailbox(session)?,
    };
    let mut input = StandardInput::new(&signals);
    let head = input::head(&mut input, HeaderUse::None)?;
    if head.bytes.is_empty() {
        return refuse(RefusalKind::BadData, "the message is empty; nothing was received");
    }
    let header = Header::scan(&head.bytes, InputSupply::End);
    loops::check_received(header.as_ref())?;
    if let Some(header) = &header {
        let named =
            if options.mailbox.is_some() { accept::MailboxChoice::Named } else { accept::MailboxChoice::Assumed };
        accept::check_delivered_before(session, header, &mailbox, named)?;
    }
    let sender = options.sender.clone().unwrap_or_else(|| accept::sender_of(&head, header.as_ref()));
    let envelope = Envelope {
        way: options.way,
        ..accept::new_envelope(session, mailbox, sender, loops::inherited(&spool)?, None)
    };
    let draft = accept::write_draft(&spool, &envelope, &head, &mut input, session.settings.queue.message_limit)?;
    if pending::is_watch_running(&spool)? {
        UnsyncedMessage::commit(vec![draft.rename_into(QueueState::Received, None)?])?;
        return Ok(ExitStatus::Ok);
    }
    let received = draft.unqueued().map_err(|unusable| match unusable {
        UnusableFile::Path(error) => error.into(),
        unusable => anyhow!("the message that was just written {unusable}"),
    })?;
    let console = ArrivalConsole::new(session.verbosity, options.format);
    let context = DeliveryContext::new(session, &spool, &signals, &console)?;
    file::file_unqueued(&context, &mut SentMailIndex::default(), received)?;
    // The message is durable: an error status now would make the caller deliver it a second time. Other runs may have been
    // interrupted before they filed their messages.
    if let Err(error) = pending::file_all(&context) {
        print::error(&format!("{error:#}"));
    }
    Ok(ExitStatus::Ok)
}

/// Fetches mail from the named sources, or from all without a name; at most `limit` messages per source.
///
/// # Errors
///
/// A refusal with [`RefusalKind::Interrupted`] after a signal; the errors of [`fetch::chosen_sources`].
pub fn poll(session: &Session, names: &[String], limit: Option<usize>, format: OutputFormat) -> Result<ExitStatus> {
    let sources = fetch::chosen_sources(session, names)?;
    let spool = session.spool()?;
    check_room(session, &spool)?;
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let console = ArrivalConsole::new(session.verbosity, format);
    let context = DeliveryContext::new(session, &spool, &signals, &console)?;
    let status = fetch::fetch_all(session, &context, &sources, limit)?;
    pending::file_all(&context)?;
    if let Some(signal) = signals.stop_requested() {
        return refuse(
            RefusalKind::Interrupted(signal),
            format!("interrupted by signal {signal}; the remaining messages stay at their source"),
        );
    }
    Ok(status)
}

/// Processes new messages in the `new` directory of the Maildir `store`, without receiving them.
///
/// # Errors
///
/// A refusal with [`RefusalKind::Usage`] if `store` is not a Maildir, or is the store of mspool.
pub fn in_place(session: &Session, store: &Path, format: OutputFormat) -> Result<ExitStatus> {
    let store = std::path::absolute(store)?;
    if !store.join("new").is_dir() {
        return refuse(
            RefusalKind::Usage,
            format!("{} is not a Maildir: it has no directory \"new\"", store.display()),
        );
    }
    if store == session.settings.store {
        return refuse(
            RefusalKind::Usage,
            format!("{} is the store of mspool; its mail was processed when it was received", store.display()),
        );
    }
    let spool = session.spool()?;
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let console = ArrivalConsole::new(session.verbosity, format);
    in_place::look_at_all(session, &DeliveryContext::new(session, &spool, &signals, &console)?, &store)
}
