//! `resend`: send a message again that did not reach everybody, to just those it did not reach. The same bytes with the
//! same Message-ID go out, so that nobody can tell it from the first time; only the envelope is new.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::mail::address::{Address, AddressType, Sender};
use crate::mail::address_list;
use crate::mail::bounce::{self, Action, Original};
use crate::mail::digest::Fingerprint;
use crate::mail::envelope::{Envelope, without_duplicates};
use crate::mail::header::{Field, Header, LONGEST, Supply};
use crate::mail::history::History;
use crate::mail::id::QueueId;
use crate::mail::recipient::Recipient;
use crate::mail::record::{Event, RecipientState, Record};
use crate::spool::claim::{Claim, Taken};
use crate::spool::draft::{Draft, Placed};
use crate::spool::{Spool, State};
use crate::sys::dir;
use crate::sys::signals::{Hangup, Signals};

use super::enqueue::intake::{Input, Stdin};
use super::enqueue::{check_room, check_size};
use super::exit::{Exit, over_all, refuse};
use super::receive::correlate::{self, Index};
use super::say;
use super::session::{Form, Session, Voice};

/// What `resend` is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Ids, files, or `-`.
    pub subjects: Vec<String>,
    /// Of those who did not get it, only these; empty for all of them.
    pub only: Vec<Address>,
    /// These as well.
    pub add: Vec<Address>,
    /// New addresses in place of old ones.
    pub replace: Vec<(Address, Address)>,
    /// The envelope sender, if not the one of the first time.
    pub sender: Option<Sender>,
    /// What having done it before means.
    pub before: Before,
    /// Whether anything is really sent.
    pub rehearsal: super::enqueue::Rehearsal,
    /// In what form results are printed.
    pub form: Form,
}

/// What having sent a message again before means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// It is not done twice.
    Refuse,
    /// It is done again.
    Again,
}

/// Sends each of them again; goes on after one that cannot be.
pub fn run(session: &Session, options: &Options) -> Result<Exit> {
    let spool = session.spool()?;
    if options.rehearsal == super::enqueue::Rehearsal::No {
        check_room(session, &spool)?;
    }
    let signals = Signals::listen(Hangup::Stops)?;
    // One at a time: what one has done, the next must see.
    let Some(_turn) = spool.take_resend()? else {
        return refuse(Exit::TryAgain, "another run is sending messages again; try again");
    };
    let mut ends = Vec::new();
    for subject in &options.subjects {
        let resend = Resend { session, options, spool: &spool, signals: &signals };
        match resend.one(subject) {
            Ok(()) => ends.push(Exit::Ok),
            Err(error) if options.subjects.len() == 1 => return Err(error),
            Err(error) => {
                say::problem(&format!("{subject}: {error:#}"));
                ends.push(Exit::Data);
            }
        }
    }
    Ok(over_all(&ends))
}

struct Resend<'a> {
    session: &'a Session,
    options: &'a Options,
    spool: &'a Spool,
    signals: &'a Signals,
}

/// A message to be sent again.
struct Again<'c> {
    sender: Sender,
    failed: Vec<Recipient>,
    of: Option<QueueId>,
    /// What a message that never was here is remembered by.
    name: Option<String>,
    bytes: Bytes<'c>,
}

enum Bytes<'c> {
    Claimed(Box<Claim<'c>>),
    Read(Vec<u8>),
}

#[derive(Serialize)]
struct Line<'a> {
    id: Option<&'a QueueId>,
    resend_of: Option<&'a QueueId>,
    sender: &'a str,
    recipients: Vec<&'a Address>,
}

impl Resend<'_> {
    fn one(&self, subject: &str) -> Result<()> {
        let again = match QueueId::parse(subject) {
            Ok(id) if !Path::new(subject).exists() => self.of_id(&id)?,
            _ => self.of_report(subject)?,
        };
        let recipients = self.recipients(again.failed.clone())?;
        let now = self.session.clock.now();
        let sender = self.options.sender.clone().unwrap_or_else(|| again.sender.clone());
        let fresh = Envelope::new(self.session.mint.next(now), now.into(), sender, recipients);
        let envelope = match &again.bytes {
            // What its sender asked for then holds now.
            Bytes::Claimed(claim) => {
                let first = &claim.message().envelope;
                Envelope {
                    transport: first.transport.clone(),
                    notify: first.notify,
                    ret: first.ret,
                    body: first.body,
                    priority: first.priority,
                    resend_of: again.of.clone(),
                    ..fresh
                }
            }
            Bytes::Read(_) => fresh,
        };
        if self.options.rehearsal == super::enqueue::Rehearsal::Yes {
            return self.tell(&envelope, None);
        }
        let mut draft = Draft::begin(self.spool, &envelope)?;
        match &again.bytes {
            Bytes::Claimed(claim) => copy(claim, &mut draft)?,
            Bytes::Read(bytes) => draft.write(bytes)?,
        }
        Placed::commit(vec![draft.place(State::New, None)?])?;
        if let Some(of) = &again.of {
            // Only now: a guard without a message would keep it from ever being sent again.
            let mut log = self.spool.log(of)?;
            log.append(&Record { at: self.session.now(), event: Event::Resent { id: envelope.id.clone() } })?;
            log.sync()?;
            self.spool.sync_log_names()?;
        }
        if let Some(name) = &again.name {
            self.spool.remember_resent(name, self.session.now())?;
        }
        self.tell(&envelope, Some(&envelope.id))
    }

    /// A message of this spool that did not reach everybody.
    fn of_id(&self, id: &QueueId) -> Result<Again<'_>> {
        let claim = match self.spool.find(id)? {
            None => return refuse(Exit::NoInput, format!("{id} is not in the spool")),
            Some((state, name)) if state != State::Corrupt => match self.spool.claim(state, &name)? {
                Taken::Claimed(claim) => claim,
                Taken::SetAside(reason) => return refuse(Exit::Data, format!("{id} was moved to corrupt: {reason}")),
                _ => return refuse(Exit::TryAgain, format!("{id}: in progress: somebody is at work on it")),
            },
            Some((state, _)) => {
                return refuse(Exit::Data, format!("{id} cannot be sent again: it is {}", state.word()));
            }
        };
        let envelope = &claim.message().envelope;
        let history = History::read(envelope.recipients.len(), &self.spool.read_log(id)?);
        self.guard(&history)?;
        let failed: Vec<Recipient> = history
            .recipients
            .iter()
            .zip(&envelope.recipients)
            .filter(|(progress, _)| matches!(progress.state, RecipientState::Failed | RecipientState::Cancelled))
            .map(|(_, recipient)| recipient.clone())
            .collect();
        if failed.is_empty() && self.options.add.is_empty() {
            let what =
                if history.is_settled() { "has reached everybody" } else { "is queued, and has failed for nobody" };
            return refuse(Exit::Data, format!("{id} {what}; give whom it is for with --add"));
        }
        Ok(Again {
            sender: envelope.sender.clone(),
            failed,
            of: Some(id.clone()),
            name: None,
            bytes: Bytes::Claimed(claim),
        })
    }

    fn guard(&self, history: &History) -> Result<()> {
        match history.resent.last() {
            Some(id) if self.options.before == Before::Refuse => {
                refuse(Exit::Data, format!("it was sent again already, as {id}; --again does it once more"))
            }
            _ => Ok(()),
        }
    }

    /// What a report says did not arrive, and the message that it returns; or that message in this spool.
    fn of_report(&self, subject: &str) -> Result<Again<'_>> {
        let bytes = self.read(subject)?;
        let report = bounce::understand(&bytes);
        if report.kind != bounce::Kind::Dsn && report.kind != bounce::Kind::Text {
            return refuse(Exit::Data, format!("{} is no report of a failed delivery", shown(subject)));
        }
        let heard = report.recipients.iter().filter(|heard| heard.action == Action::Failed);
        let failed: Vec<Recipient> = heard
            .filter_map(|heard| {
                let text = heard.original.as_deref().unwrap_or(&heard.address);
                let smtp = || Address::new(AddressType::smtp(), text);
                Some(Recipient::from(smtp().or_else(|_| Address::parse(text)).ok()?))
            })
            .collect();
        if failed.is_empty() && self.options.add.is_empty() {
            return refuse(Exit::Data, format!("{} names nobody who did not get the message", shown(subject)));
        }
        if let Some((state, name)) = correlate::find(self.spool, &mut Index::default(), &report)? {
            let of = self.of_known(state, name.id.clone(), failed)?;
            return Ok(of);
        }
        let Original::Full(range) = &report.original else {
            return refuse(
                Exit::Data,
                format!("{} does not return the whole message, and the message is not in this spool", shown(subject)),
            );
        };
        let original = bytes.get(range.clone()).unwrap_or_default().to_vec();
        if has_no_body(&original) {
            return refuse(
                Exit::Data,
                format!(
                    "{} returns only the header of the message, and the message is not in this spool",
                    shown(subject)
                ),
            );
        }
        let name = report.message_id.or(report.envelope_id).unwrap_or_else(|| {
            // A report that names nothing is known by its own bytes.
            let mut print = Fingerprint::default();
            print.add(&bytes);
            print.finish()
        });
        self.guard_report(&name)?;
        Ok(Again { sender: self.sender_of(&bytes), failed, of: None, name: Some(name), bytes: Bytes::Read(original) })
    }

    /// The message that a report is about is here: that is better than any copy.
    fn of_known(&self, state: State, id: QueueId, failed: Vec<Recipient>) -> Result<Again<'_>> {
        let Some((_, name)) = self.spool.find(&id)?.filter(|(found, _)| *found == state) else {
            return refuse(Exit::TryAgain, format!("{id} is just being moved; try again"));
        };
        let Taken::Claimed(claim) = self.spool.claim(state, &name)? else {
            return refuse(Exit::TryAgain, format!("{id}: in progress: somebody is at work on it"));
        };
        let envelope = &claim.message().envelope;
        self.guard(&History::read(envelope.recipients.len(), &self.spool.read_log(&id)?))?;
        let history = History::read(envelope.recipients.len(), &self.spool.read_log(&id)?);
        // Whom the report may be right about: neither those who are still tried nor those who have read it.
        let lost = |state: RecipientState| {
            !matches!(state, RecipientState::Owed | RecipientState::Async | RecipientState::Read)
        };
        let named: HashSet<_> = failed.iter().map(|recipient| recipient.address.key()).collect();
        let both = envelope.recipients.iter().zip(&history.recipients);
        let failed: Vec<Recipient> = both
            .filter(|(recipient, progress)| named.contains(&recipient.address.key()) && lost(progress.state))
            .map(|(recipient, _)| recipient.clone())
            .collect();
        if failed.is_empty() && self.options.add.is_empty() {
            return refuse(Exit::Data, format!("the report is on {id}, and nobody in it failed for good"));
        }
        Ok(Again { sender: envelope.sender.clone(), failed, of: Some(id), name: None, bytes: Bytes::Claimed(claim) })
    }

    /// A message that never was here is remembered by what it is called.
    fn guard_report(&self, name: &str) -> Result<()> {
        if self.options.before == Before::Refuse && self.spool.was_resent(name)? {
            return refuse(
                Exit::Data,
                format!("the message <{name}> was sent again already; --again does it once more"),
            );
        }
        Ok(())
    }

    /// Reports go to the sender: who else should be the sender now.
    fn sender_of(&self, report: &[u8]) -> Sender {
        let head = report.get(..LONGEST).unwrap_or(report);
        let to = Header::scan(head, Supply::End).and_then(|header| header.all("To").next().map(Field::value));
        let first = to.and_then(|to| address_list::parse(&to).ok()?.into_iter().next());
        first.and_then(|address| Sender::parse(&address).ok()).unwrap_or_default()
    }

    fn read(&self, subject: &str) -> Result<Vec<u8>> {
        let limit = self.session.settings.queue.message_limit.saturating_mul(2);
        let mut input: Box<dyn Input> = if subject == "-" {
            Box::new(Stdin::new(self.signals))
        } else {
            match File::open(subject) {
                Ok(file) => Box::new(file),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return refuse(Exit::NoInput, format!("{} is neither a queue id here nor a file", shown(subject)));
                }
                Err(error) => return Err(error).with_context(|| format!("cannot open {}", shown(subject))),
            }
        };
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            check_size(bytes.len() as u64, limit)?;
            match input.read(&mut buffer)? {
                0 => return Ok(bytes),
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// The new envelope's recipients.
    fn recipients(&self, failed: Vec<Recipient>) -> Result<Vec<Recipient>> {
        let options = self.options;
        let keys: HashSet<_> = failed.iter().map(|recipient| recipient.address.key()).collect();
        let named = options.only.iter().chain(options.replace.iter().map(|(old, _)| old));
        if let Some(stranger) = named.into_iter().find(|address| !keys.contains(&address.key())) {
            return refuse(Exit::Data, format!("{stranger} is not among those whom the message did not reach"));
        }
        let only: HashSet<_> = options.only.iter().map(Address::key).collect();
        let wanted = failed.into_iter().filter(|recipient| only.is_empty() || only.contains(&recipient.address.key()));
        let replaced = wanted.map(|recipient| {
            let new = options.replace.iter().find(|(old, _)| old.key() == recipient.address.key());
            new.map_or(recipient, |(_, new)| Recipient::from(new.clone()))
        });
        let recipients = without_duplicates(replaced.chain(options.add.iter().cloned().map(Recipient::from)).collect());
        if recipients.is_empty() { refuse(Exit::Data, "nobody is left to send it to") } else { Ok(recipients) }
    }

    fn tell(&self, envelope: &Envelope, id: Option<&QueueId>) -> Result<()> {
        let mut out = say::output();
        let recipients: Vec<&Address> = envelope.recipients.iter().map(|recipient| &recipient.address).collect();
        match (self.options.form, id) {
            (Form::Json, _) => say::json(
                &mut out,
                &Line { id, resend_of: envelope.resend_of.as_ref(), sender: envelope.sender.as_str(), recipients },
            )?,
            (Form::Text, None) => {
                for recipient in recipients {
                    say::line(&mut out, &recipient.to_string())?;
                }
            }
            (Form::Text, Some(id)) => {
                say::line(&mut out, id.as_str())?;
                if self.session.voice == Voice::Verbose {
                    let names: Vec<String> = recipients.iter().map(|address| address.to_string()).collect();
                    say::note(&format!("{id}: sent again to {}", names.join(", ")));
                }
            }
        }
        Ok(out.flush()?)
    }
}

fn copy(claim: &Claim<'_>, draft: &mut Draft<'_>) -> Result<()> {
    let message = claim.message();
    let mut buffer = vec![0; 64 << 10];
    let mut at = message.body_at;
    loop {
        let count = dir::read_at(message.file().as_fd(), &mut buffer, at)?;
        if count == 0 {
            return Ok(());
        }
        draft.write(&buffer[..count])?;
        at += count as u64;
    }
}

/// Some systems return a header alone and call it the message.
fn has_no_body(original: &[u8]) -> bool {
    let head = original.get(..LONGEST).unwrap_or(original);
    Header::scan(head, Supply::End)
        .is_none_or(|header| original[header.len.min(original.len())..].trim_ascii().is_empty())
}

fn shown(subject: &str) -> String {
    if subject == "-" {
        return "standard input".to_owned();
    }
    crate::mail::printable::line(subject).chars().take(100).collect()
}
