//! `receive`: take mail in, make it safe, file it in the store.
//!
//! A message is first made durable in `in/new`, and from then on it is ours. Filing it, with hooks and all, is done by
//! whoever comes by: the run that received it, the next flush, or a watch.

use std::path::Path;

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::inbox::accept;
use crate::inbox::fetch;
use crate::inbox::in_place;
use crate::inbox::pending;
use crate::mail::address::{Address, Sender};
use crate::mail::envelope::id::QueueId;
use crate::mail::message::header::{Header, InputSupply};
use crate::output::arrivals::ArrivalConsole;
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::spool::draft::UnsyncedMessage;
use crate::spool::{QueueState, Spool};
use crate::submission::input::{self, StandardInput};
use crate::submission::limits::check_room;
use crate::submission::loops;
use crate::submission::options::HeaderUse;
use crate::sys::signals::{HangupMeaning, Signals};

/// What `receive` is asked to do with a message on its standard input.
#[derive(Clone, Debug)]
pub struct ReceiveOptions {
    /// The mailbox that it is for, if the caller says so.
    pub mailbox: Option<Address>,
    /// The envelope sender, if the caller says so.
    pub sender: Option<Sender>,
    /// In what form results are printed.
    pub format: OutputFormat,
}

/// Takes one message from standard input.
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
    let envelope = accept::new_envelope(session, mailbox, sender, loops::inherited(&spool)?, None);
    let draft = accept::write_draft(&spool, &envelope, &head, &mut input, session.settings.queue.message_limit)?;
    UnsyncedMessage::commit(vec![draft.rename_into(QueueState::Received, None)?])?;
    // From here on the message is safe: any status but 0 would make the caller send it a second time.
    if let Err(error) = file_received(session, &spool, &signals, options, &envelope.id) {
        print::error(&format!("{error:#}; the message is safe in the spool, and the next run files it"));
    }
    Ok(ExitStatus::Ok)
}

/// Files a message that was received, and what others have left, unless a watch is running that does it.
fn file_received(
    session: &Session,
    spool: &Spool,
    signals: &Signals,
    options: &ReceiveOptions,
    id: &QueueId,
) -> Result<()> {
    if pending::is_watch_running(spool)? {
        return Ok(());
    }
    let console = ArrivalConsole::new(session.verbosity, options.format);
    let context = DeliveryContext::new(session, spool, signals, &console)?;
    pending::file_one(&context, id)?;
    if let Err(error) = pending::file_all(&context) {
        print::error(&format!("{error:#}"));
    }
    Ok(())
}

/// Asks these sources, or all, for mail.
pub fn poll(session: &Session, names: &[String], limit: Option<usize>, form: OutputFormat) -> Result<ExitStatus> {
    let sources = fetch::chosen_sources(session, names)?;
    let spool = session.spool()?;
    check_room(session, &spool)?;
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let verbosity = ArrivalConsole::new(session.verbosity, form);
    let context = DeliveryContext::new(session, &spool, &signals, &verbosity)?;
    let end = fetch::fetch_all(session, &context, &sources, limit)?;
    pending::file_all(&context)?;
    if let Some(signal) = signals.stop_requested() {
        return refuse(
            RefusalKind::Interrupted(signal),
            format!("stopped by signal {signal}; what was not fetched stays where it is"),
        );
    }
    Ok(end)
}

/// Looks at everything in a Maildir's `new` that it has not looked at before, and leaves it there.
pub fn in_place(session: &Session, store: &Path, form: OutputFormat) -> Result<ExitStatus> {
    let store = std::path::absolute(store)?;
    if !store.join("new").is_dir() {
        return refuse(RefusalKind::Usage, format!("{} is no Maildir", store.display()));
    }
    if store == session.settings.store {
        return refuse(
            RefusalKind::Usage,
            format!("{} is filled by this program; its mail was looked at", store.display()),
        );
    }
    let spool = session.spool()?;
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let verbosity = ArrivalConsole::new(session.verbosity, form);
    in_place::look_at_all(session, &DeliveryContext::new(session, &spool, &signals, &verbosity)?, &store)
}
