//! What is to be sent again: a message of this spool, or one that a report returns; and whether that was done before.

use std::collections::HashSet;
use std::fs::File;

use anyhow::{Context, Result};

use crate::mail::address::{Address, AddressType, Sender};
use crate::mail::address_list;
use crate::mail::bounce::{self, Action, Original};
use crate::mail::digest::Fingerprint;
use crate::mail::header::{Field, Header, LONGEST, Supply};
use crate::mail::history::History;
use crate::mail::id::QueueId;
use crate::mail::recipient::Recipient;
use crate::mail::record::RecipientState;
use crate::spool::State;
use crate::spool::claim::{Claim, Taken};
use crate::verbs::enqueue::check_size;
use crate::verbs::enqueue::intake::{Input, Stdin};
use crate::verbs::exit::{Exit, refuse};
use crate::verbs::receive::correlate::{self, Index};

use super::{Before, Resend};

/// A message to be sent again.
pub(super) struct Again<'c> {
    pub(super) sender: Sender,
    pub(super) failed: Vec<Recipient>,
    pub(super) of: Option<QueueId>,
    /// What a message that never was here is remembered by.
    pub(super) name: Option<String>,
    pub(super) bytes: Bytes<'c>,
}

pub(super) enum Bytes<'c> {
    Claimed(Box<Claim<'c>>),
    Read(Vec<u8>),
}

impl Resend<'_> {
    /// A message of this spool that did not reach everybody.
    pub(super) fn of_id(&self, id: &QueueId) -> Result<Again<'_>> {
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
    pub(super) fn of_report(&self, subject: &str) -> Result<Again<'_>> {
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
