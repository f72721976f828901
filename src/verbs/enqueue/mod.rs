//! `enqueue`: take a message, make it safe, say its id.

pub mod batch;
pub mod compose;
pub mod intake;
pub mod wait;

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::mail::address::{Address, Sender};
use crate::mail::envelope::{AfterSent, Envelope, Priority, without_duplicates};
use crate::mail::recipient::Recipient;
use crate::mail::request::{BodyType, EnvelopeId, Notify, Ret};
use crate::mail::time::Timestamp;
use crate::spool::draft::{Draft, Placed};
use crate::spool::{Spool, State};
use crate::sys::signals::{Hangup, Signals};

use super::exit::{Exit, refuse};
use super::flush::voices::{Bar, Voices};
use super::flush::{attempt_one, known_transport};
use super::resolve::Resolver;
use super::say;
use super::session::{Form, Session};
use compose::Composer;
use intake::{Input, Stdin};

/// What `enqueue` is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The envelope sender, if the caller gave one.
    pub sender: Option<Sender>,
    /// Where reports go instead of to the sender.
    pub report_to: Option<Sender>,
    /// The recipients that were given.
    pub recipients: Vec<Address>,
    /// Whether the header names recipients too.
    pub header: HeaderUse,
    /// What is put into the header.
    pub completion: Completion,
    /// How many bits the caller says its bytes have.
    pub body: Option<BodyType>,
    /// Not to be attempted before.
    pub not_before: Option<Timestamp>,
    /// Of no use after.
    pub deliver_by: Option<Timestamp>,
    /// On what reports are wanted.
    pub notify: Option<Notify>,
    /// What is asked for single recipients.
    pub requests: Vec<Recipient>,
    /// Whom readers are asked to tell that they have read it.
    pub mdn_to: Option<Sender>,
    /// How much of the message a report carries.
    pub ret: Option<Ret>,
    /// The sender's name for the message.
    pub envid: Option<EnvelopeId>,
    /// Whose turn it is among messages that are due.
    pub priority: Priority,
    /// What becomes of the message afterwards.
    pub after_sent: AfterSent,
    /// Where the message begins.
    pub begin: Begin,
    /// The only transport to be used.
    pub transport: Option<String>,
    /// Whether and how long this process sees to the delivery.
    pub effort: Effort,
    /// Where messages come from.
    pub from: From,
    /// Whether anything is really queued.
    pub rehearsal: Rehearsal,
    /// In what form results are printed.
    pub form: Form,
}

impl Options {
    /// One message from standard input for these recipients, and nothing asked beyond that.
    pub fn new(sender: Option<Sender>, recipients: Vec<Address>, completion: Completion) -> Options {
        Options {
            sender,
            report_to: None,
            recipients,
            header: HeaderUse::None,
            completion,
            body: None,
            not_before: None,
            deliver_by: None,
            notify: None,
            requests: Vec::new(),
            mdn_to: None,
            ret: None,
            envid: None,
            priority: Priority::Normal,
            after_sent: AfterSent::Default,
            begin: Begin::Queued,
            transport: None,
            effort: Effort::Queue,
            from: From::Stdin,
            rehearsal: Rehearsal::No,
            form: Form::Text,
        }
    }
}

/// What the header of a message is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderUse {
    /// Nothing: every byte stays as it is.
    None,
    /// It names recipients; what it lacks is put in.
    Recipients,
}

/// What is put into the header of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Nothing.
    None,
    /// What a submission agent completes: `Date` and `Message-ID`; and `Bcc` goes.
    Submission,
    /// What sendmail(1) completes: `From` with this name too, and a trace.
    Sendmail(Option<String>),
    /// The trace of a message that came by SMTP, and what a submission agent completes.
    Smtp {
        /// Where it came from.
        from: String,
        /// The protocol (RFC 3848).
        with: &'static str,
    },
}

/// Where a message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// In the queue.
    Queued,
    /// Set aside, until it is released.
    Held,
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

/// Whether anything is really queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    /// It is.
    No,
    /// It is not; what would be done is said.
    Yes,
}

/// Free inodes below which no mail is taken.
const INODE_RESERVE: u64 = 1000;

/// Takes in one message or many.
pub fn run(session: &Session, options: &Options) -> Result<Exit> {
    if let Some(name) = &options.transport {
        known_transport(&session.settings, name)?;
    }
    if let AfterSent::Sent(folder) = &options.after_sent
        && !std::path::Path::new(folder).join("new").is_dir()
    {
        return refuse(Exit::Usage, format!("{folder} is no Maildir, so no sent copy could be filed there"));
    }
    if options.recipients.is_empty() && options.header == HeaderUse::None {
        return refuse(Exit::Data, compose::NO_RECIPIENT);
    }
    if options.rehearsal == Rehearsal::Yes {
        return rehearse(session, options);
    }
    let spool = session.spool()?;
    check_room(session, &spool)?;
    let signals = Signals::listen(Hangup::Stops)?;
    let composer = Composer { session, options, spool: &spool, mint: &session.mint };
    match &options.from {
        From::Stdin => one(&composer, &signals),
        From::Mbox => batch::mbox(&composer, &signals),
        From::Maildir(path) => batch::maildir(&composer, &signals, path),
    }
}

fn one(composer: &Composer<'_>, signals: &Signals) -> Result<Exit> {
    let (session, options, spool) = (composer.session, composer.options, composer.spool);
    let mut input = Stdin::new(signals);
    let (draft, envelope) = composer.take_in(&mut input)?;
    let size = draft.size();
    let placed = place(session, options, draft, &envelope)?;
    Placed::commit(vec![placed])?;
    tell(options.form, &envelope, size, begin_state(options))?;
    match options.effort {
        Effort::Queue => Ok(Exit::Ok),
        Effort::Attempt => {
            let voices = Voices::new(session.voice, Form::Text, Bar::IfUseful, 1);
            let engine = session.engine(spool, signals, &voices);
            // Whatever comes of the attempt, the message is queued, and that is what was asked.
            if let Err(error) = attempt_one(&engine, &envelope.id, session.reach) {
                say::problem(&format!("{error:#}; the message stays queued"));
            }
            Ok(Exit::Ok)
        }
        Effort::Outcome(limit) => {
            let voices = Voices::new(session.voice, Form::Text, Bar::IfUseful, 1);
            let engine = session.engine(spool, signals, &voices);
            wait::outcome(&engine, &envelope.id, limit, session.reach)
        }
    }
}

fn begin_state(options: &Options) -> State {
    match options.begin {
        Begin::Queued => State::New,
        Begin::Held => State::Hold,
    }
}

/// Renames a complete draft to its place.
pub fn place<'s>(session: &Session, options: &Options, draft: Draft<'s>, envelope: &Envelope) -> Result<Placed<'s>> {
    let due = envelope.wakes(session.now()).filter(|_| options.begin == Begin::Queued);
    Ok(draft.place(begin_state(options), due)?)
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
fn tell(form: Form, envelope: &Envelope, size: u64, state: State) -> Result<()> {
    let mut out = say::output();
    let told = match form {
        Form::Text => writeln!(out, "{}", envelope.id).map_err(Into::into),
        Form::Json => say::json(
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
        say::problem(&format!("{} is queued, but its id could not be printed", envelope.id));
    }
    Ok(())
}

/// Refuses mail while too little room is left.
pub fn check_room(session: &Session, spool: &Spool) -> Result<()> {
    let room = spool.room()?;
    let reserve = session.settings.queue.reserve;
    if room.bytes < reserve {
        return refuse(
            Exit::TryAgain,
            format!(
                "too little space: {} bytes are free on the spool's filesystem, and {reserve} must stay free; nothing was queued",
                room.bytes
            ),
        );
    }
    match room.inodes {
        Some(inodes) if inodes < INODE_RESERVE => refuse(
            Exit::TryAgain,
            format!("too few inodes: {inodes} are free on the spool's filesystem; nothing was queued"),
        ),
        _ => Ok(()),
    }
}

#[derive(Serialize)]
struct Route<'a> {
    address: &'a str,
    r#type: &'a str,
    transports: Vec<&'a str>,
}

/// Says who would be asked to take each recipient.
fn rehearse(session: &Session, options: &Options) -> Result<Exit> {
    let mut recipients = options.recipients.clone();
    if options.header == HeaderUse::Recipients {
        let signals = Signals::listen(Hangup::Stops)?;
        let head = intake::head(&mut Stdin::new(&signals), HeaderUse::Recipients)?;
        recipients.extend(compose::header_recipients(&head)?);
    }
    let recipients = recipients.into_iter().map(Recipient::from).collect();
    let recipients = without_duplicates(Resolver::new(&session.settings).recipients(without_duplicates(recipients))?);
    if recipients.is_empty() {
        return refuse(Exit::Data, compose::NO_RECIPIENT);
    }
    let mut out = say::output();
    for Recipient { address, .. } in &recipients {
        let candidates = session.settings.candidates(address, options.transport.as_deref());
        let transports: Vec<&str> =
            candidates.iter().map(|place| session.settings.transports[*place].name.as_str()).collect();
        match options.form {
            Form::Json => {
                let line = Route { address: address.text(), r#type: address.kind().as_str(), transports };
                say::json(&mut out, &line)?;
            }
            Form::Text if transports.is_empty() => say::line(&mut out, &format!("{address}: no transport takes it"))?,
            Form::Text => say::line(&mut out, &format!("{address}: {}", transports.join(", then ")))?,
        }
    }
    Ok(Exit::Ok)
}

fn begin<'s>(spool: &'s Spool, envelope: &Envelope) -> Result<Draft<'s>> {
    Ok(Draft::begin(spool, envelope)?)
}

/// Copies what is left of an input into a draft, within the limit.
pub fn copy_rest(input: &mut dyn Input, draft: &mut Draft<'_>, limit: u64) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        check_size(draft.size(), limit)?;
        let count = input.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        draft.write(&buffer[..count])?;
    }
}

/// Refuses a message that is too large.
pub fn check_size(size: u64, limit: u64) -> Result<()> {
    if size > limit {
        return refuse(
            Exit::Data,
            format!("the message is larger than message_limit, {limit} bytes; nothing was queued"),
        );
    }
    Ok(())
}
