//! `enqueue`: accepts a message, makes it durable and prints its id.

pub mod wait;

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::delivery::context::DeliveryContext;
use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::inbox::attempt::attempt_and_file;
use crate::mail::address::Address;
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::{AfterSent, Envelope, without_duplicates};
use crate::mail::message::header::{Header, InputSupply};
use crate::output::console::{Console, ProgressBarUse};
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::{DryRun, Session};
use crate::spool::QueueState;
use crate::spool::draft::UnsyncedMessage;
use crate::submission::batch;
use crate::submission::compose::{self, HeaderRecipients, MessageComposer};
use crate::submission::input::{self, StandardInput};
use crate::submission::limits::check_room;
use crate::submission::options::{HeaderUse, SubmissionOptions};
use crate::submission::resolve::AddressResolver;
use crate::sys::signals::{HangupMeaning, Signals};
use crate::values::quoting::quoted;
use crate::values::time::Timestamp;

/// Options of `enqueue`.
#[derive(Clone, Debug)]
pub struct EnqueueOptions {
    /// Envelope options of every message.
    pub submission: SubmissionOptions,
    /// Delivery in the same process.
    pub effort: EnqueueEffort,
    /// Source of the messages.
    pub source: MessageSource,
    /// Dry run: print the transports and queue nothing.
    pub dry_run: DryRun,
    /// Output format of the results.
    pub format: OutputFormat,
}

/// Delivery in the same process, after a message is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnqueueEffort {
    /// No attempt.
    Queue,
    /// One attempt (`--now`).
    Attempt,
    /// Attempts until the outcome is known (`--wait`), for at most this long; `None` means without a limit.
    Outcome(Option<Duration>),
}

/// Source of the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageSource {
    /// One message on standard input.
    Stdin,
    /// An mbox on standard input.
    Mbox,
    /// A Maildir.
    Maildir(std::path::PathBuf),
}

/// Queues one message or many, and prints an id for each.
///
/// # Errors
///
/// A refusal if an option is wrong or a message cannot be accepted. Messages whose id was printed stay queued.
pub fn run(session: &Session, options: &EnqueueOptions) -> Result<ExitStatus> {
    let submission = &options.submission;
    if let Some(name) = &submission.transport {
        session.settings.known_transport(name)?;
    }
    if let AfterSent::Sent(folder) = &submission.after_sent
        && !std::path::Path::new(folder).join("new").is_dir()
    {
        return refuse(
            RefusalKind::Usage,
            format!("{} is not a Maildir; --sent needs one for the copy", quoted(folder)),
        );
    }
    if submission.recipients.is_empty() && submission.header == HeaderUse::None {
        return refuse(RefusalKind::BadData, compose::NO_RECIPIENT);
    }
    if options.dry_run == DryRun::Yes {
        return dry_run(session, options);
    }
    let spool = session.spool()?;
    check_room(session, &spool)?;
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let composer = MessageComposer { session, options: submission, spool: &spool, ids: &session.ids };
    let mut accepted =
        |envelope: &Envelope, size| print_accepted(options.format, envelope, size, submission.initial_state.state());
    match &options.source {
        MessageSource::Stdin => one(&composer, options, &signals),
        MessageSource::Mbox => batch::mbox(&composer, &signals, &mut accepted),
        MessageSource::Maildir(path) => batch::maildir(&composer, &signals, path, &mut accepted),
    }
}

fn one(composer: &MessageComposer<'_>, options: &EnqueueOptions, signals: &Signals) -> Result<ExitStatus> {
    let (session, spool) = (composer.session, composer.spool);
    let (draft, envelope) = composer.read_message(&mut StandardInput::new(signals))?;
    let size = draft.size();
    // Everything that can refuse comes before the commit: an error after it would report an accepted message as refused.
    let console = Console::new(session.verbosity, OutputFormat::Text, ProgressBarUse::IfUseful, 1);
    let context = DeliveryContext::new(session, spool, signals, &console)?;
    UnsyncedMessage::commit(vec![composer.place(draft, &envelope)?])?;
    print_accepted(options.format, &envelope, size, options.submission.initial_state.state())?;
    match options.effort {
        EnqueueEffort::Queue => Ok(ExitStatus::Ok),
        EnqueueEffort::Attempt => {
            // The message is queued. An error status would make the caller submit it a second time.
            if let Err(error) = attempt_and_file(&context, &envelope.id, session.network) {
                print::error(&format!("{error:#}; the message stays queued"));
            }
            Ok(ExitStatus::Ok)
        }
        EnqueueEffort::Outcome(limit) => wait::outcome(&context, &envelope.id, limit, session.network),
    }
}

#[derive(Serialize)]
struct AcceptedLine<'a> {
    id: &'a str,
    state: &'static str,
    size: u64,
    sender: &'a str,
    recipients: Vec<&'a Address>,
    not_before: Option<Timestamp>,
    deliver_by: Option<Timestamp>,
    expires: Option<Timestamp>,
}

/// Prints the id of an accepted message. A closed standard output is no error: the message is queued.
fn print_accepted(format: OutputFormat, envelope: &Envelope, size: u64, state: QueueState) -> Result<()> {
    let mut out = print::stdout();
    let printed = match format {
        OutputFormat::Text => writeln!(out, "{}", envelope.id).map_err(Into::into),
        OutputFormat::Json => print::json(
            &mut out,
            &AcceptedLine {
                id: envelope.id.as_str(),
                state: state.word(),
                size,
                sender: envelope.sender.as_str(),
                recipients: envelope.recipients.iter().map(|recipient| &recipient.address).collect(),
                not_before: envelope.not_before,
                deliver_by: envelope.deliver_by,
                expires: envelope.expires,
            },
        ),
    };
    if printed.and_then(|()| Ok(out.flush()?)).is_err() {
        print::error(&format!("{} is queued, but its id cannot be printed on standard output", envelope.id));
    }
    Ok(())
}

#[derive(Serialize)]
struct RouteLine<'a> {
    address: &'a str,
    r#type: &'a str,
    transports: Vec<&'a str>,
}

/// Prints the transports of each recipient, in the order in which they are tried.
fn dry_run(session: &Session, options: &EnqueueOptions) -> Result<ExitStatus> {
    let mut recipients = options.submission.recipients.clone();
    if options.submission.header == HeaderUse::Recipients {
        let signals = Signals::listen(HangupMeaning::Stops)?;
        let head = input::head(&mut StandardInput::new(&signals), HeaderUse::Recipients)?;
        let read = Header::scan(&head.bytes, InputSupply::End).map(|header| HeaderRecipients::read(&header));
        let HeaderRecipients { addresses, bad } = read.unwrap_or_default();
        recipients.extend(addresses);
        match bad.first() {
            Some(first) if recipients.is_empty() => return refuse(RefusalKind::BadData, first.to_string()),
            _ => bad.iter().for_each(|bad| print::error(&format!("{bad}; it would fail with 5.1.3"))),
        }
    }
    let recipients = recipients.into_iter().map(Recipient::from).collect();
    let recipients =
        without_duplicates(AddressResolver::new(&session.settings).recipients(without_duplicates(recipients))?);
    if recipients.is_empty() {
        return refuse(RefusalKind::BadData, compose::NO_RECIPIENT);
    }
    let mut out = print::stdout();
    for Recipient { address, .. } in &recipients {
        let candidates = session.settings.candidates(address, options.submission.transport.as_deref());
        let transports: Vec<&str> =
            candidates.iter().map(|index| session.settings.transports[*index].name.as_str()).collect();
        match options.format {
            OutputFormat::Json => {
                let line = RouteLine { address: address.text(), r#type: address.kind().as_str(), transports };
                print::json(&mut out, &line)?;
            }
            OutputFormat::Text if transports.is_empty() => {
                print::line(&mut out, &format!("{address}: no transport takes it"))?
            }
            OutputFormat::Text => print::line(&mut out, &format!("{address}: {}", transports.join(", then ")))?,
        }
    }
    Ok(ExitStatus::Ok)
}
