//! `resend`: send a message again that did not reach everybody, to just those it did not reach. The same bytes with the
//! same Message-ID go out, so that nobody can tell it from the first time; only the envelope is new.

mod original;

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::mail::address::{Address, Sender};
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::{Envelope, without_duplicates};
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::spool::draft::{Draft, UnsyncedMessage};
use crate::spool::{QueueState, Spool};
use crate::sys::signals::{HangupMeaning, Signals};

use crate::commands::resend::original::{OriginalBytes, OriginalFinder, OriginalMessage, UnreachedRecipient};
use crate::exit::{ExitStatus, RefusalKind, combine, refuse};
use crate::output::mode::{OutputFormat, Verbosity};
use crate::output::print;
use crate::session::Session;
use crate::submission::limits::check_room;

/// What `resend` is asked to do.
#[derive(Clone, Debug)]
pub struct ResendOptions {
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
    pub resent_before: ResentBefore,
    /// Whether anything is really sent.
    pub dry_run: crate::session::DryRun,
    /// In what form results are printed.
    pub format: OutputFormat,
}

/// What having sent a message again before means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResentBefore {
    /// It is not done twice.
    Refuse,
    /// It is done again.
    Again,
}

/// Sends each of them again; goes on after one that cannot be.
pub fn run(session: &Session, options: &ResendOptions) -> Result<ExitStatus> {
    let spool = session.spool()?;
    if options.dry_run == crate::session::DryRun::No {
        check_room(session, &spool)?;
    }
    let signals = Signals::listen(HangupMeaning::Stops)?;
    // One at a time: what one has done, the next must see.
    let Some(_turn) = spool.lock_resend()? else {
        return refuse(RefusalKind::Busy, "another run is sending messages again; try again");
    };
    let mut ends = Vec::new();
    for subject in &options.subjects {
        let resend = MessageResender { session, options, spool: &spool, signals: &signals };
        match resend.one(subject) {
            Ok(()) => ends.push(ExitStatus::Ok),
            Err(error) if options.subjects.len() == 1 => return Err(error),
            Err(error) => {
                print::error(&format!("{subject}: {error:#}"));
                ends.push(ExitStatus::Data);
            }
        }
    }
    Ok(combine(&ends))
}

struct MessageResender<'a> {
    session: &'a Session,
    options: &'a ResendOptions,
    spool: &'a Spool,
    signals: &'a Signals,
}

/// When a message is noted as sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoteTime {
    BeforeCommit,
    AfterCommit,
}

/// Whom a message goes to now.
struct ChosenRecipients {
    /// The addresses of the first time that the new ones stand for.
    instead_of: HashSet<String>,
    recipients: Vec<Recipient>,
}

#[derive(Serialize)]
struct ResendLine<'a> {
    id: Option<&'a QueueId>,
    resend_of: Option<&'a QueueId>,
    sender: &'a str,
    recipients: Vec<&'a Address>,
}

impl MessageResender<'_> {
    fn one(&self, subject: &str) -> Result<()> {
        let finder =
            OriginalFinder { session: self.session, spool: self.spool, signals: self.signals, add: &self.options.add };
        let again = match QueueId::parse(subject) {
            Ok(id) if !Path::new(subject).exists() => finder.of_id(&id)?,
            _ => finder.of_report(subject)?,
        };
        let ChosenRecipients { instead_of, recipients } = self.choose(&again)?;
        let now = self.session.clock.now();
        let sender = self.options.sender.clone().unwrap_or_else(|| again.sender.clone());
        let running = Some(self.session.time(self.spool)?.running);
        let fresh =
            Envelope { running, ..Envelope::new(self.session.ids.next_id(now), now.into(), sender, recipients) };
        let envelope = match &again.bytes {
            // What its sender asked for then holds now.
            OriginalBytes::Claimed(claim) => {
                let first = &claim.message().envelope;
                Envelope {
                    transport: first.transport.clone(),
                    notify: first.notify,
                    ret: first.ret,
                    body: first.body,
                    priority: first.priority,
                    resend_of: Some(first.id.clone()),
                    ..fresh
                }
            }
            OriginalBytes::Read { .. } => fresh,
        };
        if self.options.dry_run == crate::session::DryRun::Yes {
            return self.print_resent(&envelope, None);
        }
        let mut draft = Draft::begin(self.spool, &envelope)?;
        match &again.bytes {
            OriginalBytes::Claimed(claim) => {
                claim.message().for_each_chunk(&mut |piece| anyhow::Ok(draft.write(piece)?))?
            }
            OriginalBytes::Read { bytes, .. } => draft.write(bytes)?,
        }
        // A note that the message is about to be queued comes first: a run that dies behind the commit must not leave a
        // message that nobody knows of. It counts only if the message existed, or if the second note says so.
        self.note(&again.bytes, &envelope.id, &instead_of, NoteTime::BeforeCommit)?;
        UnsyncedMessage::commit(vec![draft.rename_into(QueueState::New, None)?])?;
        // The message is queued: any status but 0 would make the caller send it a second time.
        if let Err(error) = self.note(&again.bytes, &envelope.id, &instead_of, NoteTime::AfterCommit) {
            print::error(&format!("{}: the note that it was sent again is incomplete: {error:#}", envelope.id));
        }
        if self.print_resent(&envelope, Some(&envelope.id)).is_err() {
            print::error(&format!("{} is queued, but its id could not be printed", envelope.id));
        }
        Ok(())
    }

    /// Notes as what a message is resent, and for whom: in its log, or under its `Message-ID` if it is not in this spool.
    fn note(
        &self,
        bytes: &OriginalBytes<'_>,
        new: &QueueId,
        instead_of: &HashSet<String>,
        time: NoteTime,
    ) -> Result<()> {
        let (queued, at) = (time == NoteTime::AfterCommit, self.session.now());
        let claim = match bytes {
            OriginalBytes::Claimed(claim) => claim,
            OriginalBytes::Read { name, .. } => {
                return Ok(self.spool.remember_resent(name, instead_of, new, queued, at)?);
            }
        };
        let of = &claim.message().envelope;
        let both = of.recipients.entries();
        let places = both.filter(|(_, recipient)| instead_of.contains(&recipient.address.to_string()));
        let recipients = places.map(|(recipient, _)| recipient).collect();
        let record = LogRecord::new(at, LogEvent::Resent { id: new.clone(), recipients, queued });
        // The second record matters only when the new message is gone, long after.
        match time {
            NoteTime::BeforeCommit => self.spool.append_durably(&of.id, &record)?,
            NoteTime::AfterCommit => self.spool.log(&of.id)?.append(&record)?,
        }
        Ok(())
    }

    /// The new envelope's recipients. Nobody's mail is sent again twice unless that is asked for.
    fn choose(&self, again: &OriginalMessage<'_>) -> Result<ChosenRecipients> {
        let options = self.options;
        let keys: HashSet<_> = again.failed.iter().map(|failed| failed.recipient.address.key()).collect();
        let named = options.only.iter().chain(options.replace.iter().map(|(old, _)| old));
        if let Some(stranger) = named.into_iter().find(|address| !keys.contains(&address.key())) {
            return refuse(
                RefusalKind::BadData,
                format!("{stranger} is not among those whom the message did not reach"),
            );
        }
        let only: HashSet<_> = options.only.iter().map(Address::key).collect();
        let wanted = |failed: &&UnreachedRecipient| only.is_empty() || only.contains(&failed.recipient.address.key());
        let is_due =
            |failed: &&UnreachedRecipient| options.resent_before == ResentBefore::Again || failed.done.is_none();
        let (due, done): (Vec<&UnreachedRecipient>, Vec<&UnreachedRecipient>) =
            again.failed.iter().filter(wanted).partition(is_due);
        let done = done.last().and_then(|failed| failed.done.as_ref()).or(again.before.as_ref());
        if let (true, ResentBefore::Refuse, Some(done)) = (due.is_empty(), options.resent_before, done) {
            return refuse(RefusalKind::BadData, format!("{done}; --again does it once more"));
        }
        let mut chosen = ChosenRecipients { instead_of: HashSet::new(), recipients: Vec::new() };
        for UnreachedRecipient { recipient, .. } in due {
            chosen.instead_of.insert(recipient.address.to_string());
            let new = options.replace.iter().find(|(old, _)| old.key() == recipient.address.key());
            chosen.recipients.push(new.map_or_else(|| recipient.clone(), |(_, new)| Recipient::from(new.clone())));
        }
        chosen.recipients.extend(options.add.iter().cloned().map(Recipient::from));
        chosen.recipients = without_duplicates(chosen.recipients);
        if chosen.recipients.is_empty() {
            refuse(RefusalKind::BadData, "nobody is left to send it to")
        } else {
            Ok(chosen)
        }
    }

    fn print_resent(&self, envelope: &Envelope, id: Option<&QueueId>) -> Result<()> {
        let mut out = print::stdout();
        let recipients: Vec<&Address> = envelope.recipients.iter().map(|recipient| &recipient.address).collect();
        match (self.options.format, id) {
            (OutputFormat::Json, _) => print::json(
                &mut out,
                &ResendLine {
                    id,
                    resend_of: envelope.resend_of.as_ref(),
                    sender: envelope.sender.as_str(),
                    recipients,
                },
            )?,
            (OutputFormat::Text, None) => {
                for recipient in recipients {
                    print::line(&mut out, &recipient.to_string())?;
                }
            }
            (OutputFormat::Text, Some(id)) => {
                print::line(&mut out, id.as_str())?;
                if self.session.verbosity == Verbosity::Verbose {
                    let names: Vec<String> = recipients.iter().map(|address| address.to_string()).collect();
                    print::note(&format!("{id}: sent again to {}", names.join(", ")));
                }
            }
        }
        Ok(out.flush()?)
    }
}
