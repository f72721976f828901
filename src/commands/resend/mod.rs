//! `resend`: sends a message again to the recipients who did not get it.
//!
//! The bytes and the Message-ID stay the same, so that a recipient cannot tell the copy from the first delivery. Only the
//! envelope is new.

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
use crate::values::quoting::quoted;

/// Options of `resend`.
#[derive(Clone, Debug)]
pub struct ResendOptions {
    /// Messages to send again: queue ids, files with a bounce, or `-` for a bounce on standard input.
    pub subjects: Vec<String>,
    /// Recipients to choose among those who did not get the message; empty means all of them.
    pub only: Vec<Address>,
    /// Additional recipients.
    pub add: Vec<Address>,
    /// Replaced recipients: old and new address.
    pub replace: Vec<(Address, Address)>,
    /// Envelope sender; `None` means the sender of the original message.
    pub sender: Option<Sender>,
    /// Treatment of recipients to whom the message was sent again before.
    pub resent_before: ResentBefore,
    /// Dry run: print the recipients and queue nothing.
    pub dry_run: crate::session::DryRun,
    /// Output format of the results.
    pub format: OutputFormat,
}

/// Treatment of recipients to whom a message was sent again before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResentBefore {
    /// Leave them out, and refuse a message without other recipients.
    Refuse,
    /// Send to them again (`--again`).
    Again,
}

/// Queues a copy of each message, and prints its id. Continues after a message that is refused.
///
/// # Errors
///
/// The refusal of the only message; with several, refusals are printed and make the exit status 1.
pub fn run(session: &Session, options: &ResendOptions) -> Result<ExitStatus> {
    let spool = session.spool()?;
    if options.dry_run == crate::session::DryRun::No {
        check_room(session, &spool)?;
    }
    let signals = Signals::listen(HangupMeaning::Stops)?;
    // Two resend commands at once could both send to a recipient: each would not see the other's log record.
    let Some(_turn) = spool.lock_resend()? else {
        return refuse(RefusalKind::Busy, "another \"resend\" is running; try again later");
    };
    let mut statuses = Vec::new();
    for subject in &options.subjects {
        let resend = MessageResender { session, options, spool: &spool, signals: &signals };
        match resend.one(subject) {
            Ok(()) => statuses.push(ExitStatus::Ok),
            Err(error) if options.subjects.len() == 1 => return Err(error),
            Err(error) => {
                print::error(&format!("cannot resend {}: {error:#}", quoted(subject)));
                statuses.push(ExitStatus::Data);
            }
        }
    }
    Ok(combine(&statuses))
}

struct MessageResender<'a> {
    session: &'a Session,
    options: &'a ResendOptions,
    spool: &'a Spool,
    signals: &'a Signals,
}

/// Time of a resend record: before or after the copy is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoteTime {
    BeforeCommit,
    AfterCommit,
}

/// Recipients of the new envelope.
struct ChosenRecipients {
    /// Addresses of the original envelope that the new recipients stand for.
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
    /// Queues a copy of the message that `subject` names: a queue id, a file or `-`.
    fn one(&self, subject: &str) -> Result<()> {
        let finder =
            OriginalFinder { session: self.session, spool: self.spool, signals: self.signals, add: &self.options.add };
        let original = match QueueId::parse(subject) {
            Ok(id) if !Path::new(subject).exists() => finder.of_id(&id)?,
            _ => finder.of_report(subject)?,
        };
        let ChosenRecipients { instead_of, recipients } = self.choose(&original)?;
        let now = self.session.clock.now();
        let sender = self.options.sender.clone().unwrap_or_else(|| original.sender.clone());
        let running = Some(self.session.time(self.spool)?.running);
        let fresh =
            Envelope { running, ..Envelope::new(self.session.ids.next_id(now), now.into(), sender, recipients) };
        let envelope = match &original.bytes {
            // The envelope options of the original sender apply to the copy too.
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
        match &original.bytes {
            OriginalBytes::Claimed(claim) => {
                claim.message().for_each_chunk(&mut |piece| anyhow::Ok(draft.write(piece)?))?
            }
            OriginalBytes::Read { bytes, .. } => draft.write(bytes)?,
        }
        // The first record comes before the commit: after a crash behind the commit, the copy is then on record. The record
        // counts only if the copy existed, or if the second record confirms it.
        self.record_resent(&original.bytes, &envelope.id, &instead_of, NoteTime::BeforeCommit)?;
        UnsyncedMessage::commit(vec![draft.rename_into(QueueState::New, None)?])?;
        // The message is queued: any status but 0 would make the caller send it a second time.
        if let Err(error) = self.record_resent(&original.bytes, &envelope.id, &instead_of, NoteTime::AfterCommit) {
            print::error(&format!("{} is queued, but the record of the resend is incomplete: {error:#}", envelope.id));
        }
        if self.print_resent(&envelope, Some(&envelope.id)).is_err() {
            print::error(&format!("{} is queued, but its id cannot be printed on standard output", envelope.id));
        }
        Ok(())
    }

    /// Records the id of the copy, and the recipients that it is for: in the log of the original, or under its `Message-ID`
    /// if the original is not in this spool.
    fn record_resent(
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
        let replaced =
            of.recipients.entries().filter(|(_, recipient)| instead_of.contains(&recipient.address.to_string()));
        let recipients = replaced.map(|(index, _)| index).collect();
        let record = LogRecord::new(at, LogEvent::Resent { id: new.clone(), recipients, queued });
        // The second record is read only after the copy has left the spool. It need not be durable now.
        match time {
            NoteTime::BeforeCommit => self.spool.append_durably(&of.id, &record)?,
            NoteTime::AfterCommit => self.spool.log(&of.id)?.append(&record)?,
        }
        Ok(())
    }

    /// Returns the recipients of the new envelope. Leaves out recipients to whom the message was sent again before, unless
    /// `--again` is given.
    fn choose(&self, original: &OriginalMessage<'_>) -> Result<ChosenRecipients> {
        let options = self.options;
        let keys: HashSet<_> = original.failed.iter().map(|failed| failed.recipient.address.key()).collect();
        let chosen_by_user = options.only.iter().chain(options.replace.iter().map(|(old, _)| old));
        if let Some(unknown) = chosen_by_user.into_iter().find(|address| !keys.contains(&address.key())) {
            return refuse(
                RefusalKind::BadData,
                format!(
                    "{} is not a recipient who did not get the message; --add adds one",
                    quoted(&unknown.to_string())
                ),
            );
        }
        let only: HashSet<_> = options.only.iter().map(Address::key).collect();
        let wanted = |failed: &&UnreachedRecipient| only.is_empty() || only.contains(&failed.recipient.address.key());
        let is_due =
            |failed: &&UnreachedRecipient| options.resent_before == ResentBefore::Again || failed.done.is_none();
        let (due, done): (Vec<&UnreachedRecipient>, Vec<&UnreachedRecipient>) =
            original.failed.iter().filter(wanted).partition(is_due);
        let done = done.last().and_then(|failed| failed.done.as_ref()).or(original.before.as_ref());
        if let (true, ResentBefore::Refuse, Some(done)) = (due.is_empty(), options.resent_before, done) {
            return refuse(RefusalKind::BadData, format!("{done}; --again sends it again"));
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
            refuse(RefusalKind::BadData, "no recipient is left; add one with --add")
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
                    print::note(&format!("{id}: queued for {}", names.join(", ")));
                }
            }
        }
        Ok(out.flush()?)
    }
}
