//! `enqueue`: take a message, make it safe, say its id.

pub mod wait;

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::delivery::context::Engine;
use crate::exit::{Exit, refuse};
use crate::inbox::attempt::attempt_and_file;
use crate::mail::address::Address;
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::{AfterSent, Envelope, without_duplicates};
use crate::output::console::{Bar, Voices};
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::{Rehearsal, Session};
use crate::spool::State;
use crate::spool::draft::Placed;
use crate::submission::batch;
use crate::submission::compose::{self, Composer};
use crate::submission::input::{self, Stdin};
use crate::submission::limits::check_room;
use crate::submission::options::{HeaderUse, SubmissionOptions};
use crate::submission::resolve::Resolver;
use crate::sys::signals::{Hangup, Signals};
use crate::values::time::Timestamp;

/// What `enqueue` is asked to do.
#[derive(Clone, Debug)]
pub struct EnqueueOptions {
    /// What the sender asks for.
    pub submission: SubmissionOptions,
    /// Whether and how long this process sees to the delivery.
    pub effort: Effort,
    /// Where messages come from.
    pub from: From,
    /// Whether anything is really queued.
    pub rehearsal: Rehearsal,
    /// In what form results are printed.
    pub form: OutputFormat,
}

/// What the caller wants beyond a place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Nothing.
    Queue,
    /// One attempt.
    Attempt,
    /// The outcome, waited for as long as this, or as long as it takes.
    Outcome(Option<Duration>),
}

/// Where messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// One from standard input.
    Stdin,
    /// Many from an mbox on standard input.
    Mbox,
    /// Many from a Maildir.
    Maildir(std::path::PathBuf),
}

/// Takes in one message or many.
pub fn run(session: &Session, options: &EnqueueOptions) -> Result<Exit> {
    let submission = &options.submission;
    if let Some(name) = &submission.transport {
        session.settings.known_transport(name)?;
    }
    if let AfterSent::Sent(folder) = &submission.after_sent
        && !std::path::Path::new(folder).join("new").is_dir()
    {
        return refuse(Exit::Usage, format!("{folder} is no Maildir, so no sent copy could be filed there"));
    }
    if submission.recipients.is_empty() && submission.header == HeaderUse::None {
        return refuse(Exit::Data, compose::NO_RECIPIENT);
    }
    if options.rehearsal == Rehearsal::Yes {
        return rehearse(session, options);
    }
    let spool = session.spool()?;
    check_room(session, &spool)?;
    let signals = Signals::listen(Hangup::Stops)?;
    let composer = Composer { session, options: submission, spool: &spool, mint: &session.mint };
    let mut accepted = |envelope: &Envelope, size| tell(options.form, envelope, size, submission.begin.state());
    match &options.from {
        From::Stdin => one(&composer, options, &signals),
        From::Mbox => batch::mbox(&composer, &signals, &mut accepted),
        From::Maildir(path) => batch::maildir(&composer, &signals, path, &mut accepted),
    }
}

fn one(composer: &Composer<'_>, options: &EnqueueOptions, signals: &Signals) -> Result<Exit> {
    let (session, spool) = (composer.session, composer.spool);
    let (draft, envelope) = composer.take_in(&mut Stdin::new(signals))?;
    let size = draft.size();
    Placed::commit(vec![composer.place(draft, &envelope)?])?;
    tell(options.form, &envelope, size, options.submission.begin.state())?;
    let voices = Voices::new(session.voice, OutputFormat::Text, Bar::IfUseful, 1);
    let engine = Engine::new(session, spool, signals, &voices);
    match options.effort {
        Effort::Queue => Ok(Exit::Ok),
        Effort::Attempt => {
            // Whatever comes of the attempt, the message is queued, and that is what was asked.
            if let Err(error) = attempt_and_file(&engine, &envelope.id, session.reach) {
                print::problem(&format!("{error:#}; the message stays queued"));
            }
            Ok(Exit::Ok)
        }
        Effort::Outcome(limit) => wait::outcome(&engine, &envelope.id, limit, session.reach),
    }
}

#[derive(Serialize)]
struct Accepted<'a> {
    id: &'a str,
    state: &'static str,
    size: u64,
    sender: &'a str,
    recipients: Vec<&'a Address>,
    not_before: Option<Timestamp>,
    deliver_by: Option<Timestamp>,
}

/// Says that a message was accepted. That the caller does not listen changes nothing about it.
fn tell(form: OutputFormat, envelope: &Envelope, size: u64, state: State) -> Result<()> {
    let mut out = print::output();
    let told = match form {
        OutputFormat::Text => writeln!(out, "{}", envelope.id).map_err(Into::into),
        OutputFormat::Json => print::json(
            &mut out,
            &Accepted {
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
        print::problem(&format!("{} is queued, but its id could not be printed", envelope.id));
    }
    Ok(())
}

#[derive(Serialize)]
struct Route<'a> {
    address: &'a str,
    r#type: &'a str,
    transports: Vec<&'a str>,
}

/// Says who would be asked to take each recipient.
fn rehearse(session: &Session, options: &EnqueueOptions) -> Result<Exit> {
    let mut recipients = options.submission.recipients.clone();
    if options.submission.header == HeaderUse::Recipients {
        let signals = Signals::listen(Hangup::Stops)?;
        let head = input::head(&mut Stdin::new(&signals), HeaderUse::Recipients)?;
        recipients.extend(compose::header_recipients(&head)?);
    }
    let recipients = recipients.into_iter().map(Recipient::from).collect();
    let recipients = without_duplicates(Resolver::new(&session.settings).recipients(without_duplicates(recipients))?);
    if recipients.is_empty() {
        return refuse(Exit::Data, compose::NO_RECIPIENT);
    }
    let mut out = print::output();
    for Recipient { address, .. } in &recipients {
        let candidates = session.settings.candidates(address, options.submission.transport.as_deref());
        let transports: Vec<&str> =
            candidates.iter().map(|place| session.settings.transports[*place].name.as_str()).collect();
        match options.form {
            OutputFormat::Json => {
                let line = Route { address: address.text(), r#type: address.kind().as_str(), transports };
                print::json(&mut out, &line)?;
            }
            OutputFormat::Text if transports.is_empty() => {
                print::line(&mut out, &format!("{address}: no transport takes it"))?
            }
            OutputFormat::Text => print::line(&mut out, &format!("{address}: {}", transports.join(", then ")))?,
        }
    }
    Ok(Exit::Ok)
}
