//! `enqueue`: take a message, make it safe, say its id.

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
use crate::output::console::{Console, ProgressBarUse};
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::{DryRun, Session};
use crate::spool::QueueState;
use crate::spool::draft::UnsyncedMessage;
use crate::submission::batch;
use crate::submission::compose::{self, MessageComposer};
use crate::submission::input::{self, StandardInput};
use crate::submission::limits::check_room;
use crate::submission::options::{HeaderUse, SubmissionOptions};
use crate::submission::resolve::AddressResolver;
use crate::sys::signals::{HangupMeaning, Signals};
use crate::values::time::Timestamp;

/// What `enqueue` is asked to do.
#[derive(Clone, Debug)]
pub struct EnqueueOptions {
    /// What the sender asks for.
    pub submission: SubmissionOptions,
    /// Whether and how long this process sees to the delivery.
    pub effort: EnqueueEffort,
    /// Where messages come from.
    pub source: MessageSource,
    /// Whether anything is really queued.
    pub dry_run: DryRun,
    /// In what form results are printed.
    pub format: OutputFormat,
}

/// What the caller wants beyond a place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnqueueEffort {
    /// Nothing.
    Queue,
    /// One attempt.
    Attempt,
    /// The outcome, waited for as long as this, or as long as it takes.
    Outcome(Option<Duration>),
}

/// Where messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageSource {
    /// One from standard input.
    Stdin,
    /// Many from an mbox on standard input.
    Mbox,
    /// Many from a Maildir.
    Maildir(std::path::PathBuf),
}

/// Takes in one message or many.
pub fn run(session: &Session, options: &EnqueueOptions) -> Result<ExitStatus> {
    let submission = &options.submission;
    if let Some(name) = &submission.transport {
        session.settings.known_transport(name)?;
    }
    if let AfterSent::Sent(folder) = &submission.after_sent
        && !std::path::Path::new(folder).join("new").is_dir()
    {
        return refuse(RefusalKind::Usage, format!("{folder} is no Maildir, so no sent copy could be filed there"));
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
            // Whatever comes of the attempt, the message is queued, and that is what was asked.
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
}

/// Says that a message was accepted. That the caller does not listen changes nothing about it.
fn print_accepted(form: OutputFormat, envelope: &Envelope, size: u64, state: QueueState) -> Result<()> {
    let mut out = print::stdout();
    let told = match form {
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
            },
        ),
    };
    if told.and_then(|()| Ok(out.flush()?)).is_err() {
        print::error(&format!("{} is queued, but its id could not be printed", envelope.id));
    }
    Ok(())
}

#[derive(Serialize)]
struct RouteLine<'a> {
    address: &'a str,
    r#type: &'a str,
    transports: Vec<&'a str>,
}

/// Says who would be asked to take each recipient.
fn dry_run(session: &Session, options: &EnqueueOptions) -> Result<ExitStatus> {
    let mut recipients = options.submission.recipients.clone();
    if options.submission.header == HeaderUse::Recipients {
        let signals = Signals::listen(HangupMeaning::Stops)?;
        let head = input::head(&mut StandardInput::new(&signals), HeaderUse::Recipients)?;
        recipients.extend(compose::header_recipients(&head)?);
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
            candidates.iter().map(|place| session.settings.transports[*place].name.as_str()).collect();
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
