//! The envelope: who a message is from, whom it is for, and what the sender asked. It is written once, as the first
//! line of the queue file, and never changed.

pub mod file_name;
pub mod id;
pub mod recipient;
pub mod request;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::{Deserialize, Serialize};

use crate::mail::address::{Address, Sender};
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::{Recipient, RecipientIndex, Recipients};
use crate::mail::envelope::request::{BodyType, EnvelopeId, NotifyOn, ReturnContent};
use crate::values::time::Timestamp;

/// Everything the spool must know of a message apart from its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Bytes of the message that follows the envelope's line. A file that is shorter was torn while being written.
    #[serde(skip_serializing, default)]
    pub size: u64,
    /// The message's id; the file's name begins with it.
    pub id: QueueId,
    /// When it was accepted.
    pub arrival: Timestamp,
    /// Where reports go.
    pub sender: Sender,
    /// Who gets it; no mailbox stands here twice.
    pub recipients: Recipients,
    /// Not to be attempted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Of no use after; nothing is attempted then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver_by: Option<Timestamp>,
    /// On what the sender wants reports (RFC 3461 section 4.1); `None` leaves it to the default, failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<NotifyOn>,
    /// How much of the message a report carries (RFC 3461 section 4.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ret: Option<ReturnContent>,
    /// The sender's own name for the message (RFC 3461 section 4.4); the id stands in where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envid: Option<EnvelopeId>,
    /// What the sender said of its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyType>,
    /// The one transport that the sender wants it to go through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// Whose turn it is among messages that are due.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// What becomes of the message when every recipient has it.
    #[serde(default, skip_serializing_if = "AfterSent::is_default")]
    pub after_sent: AfterSent,
    /// How many of our own transports had handed it to us again: a loop shows here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hops: u32,
    /// The message that this one sends again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resend_of: Option<QueueId>,
    /// Where a received message was fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<MailOrigin>,
}

/// Where a received message was fetched from, so that it is known when it comes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailOrigin {
    /// The inbound transport.
    pub inbound: String,
    /// Its name for the message, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Urgent mail goes first, non-urgent mail last (RFC 2156 names).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    Urgent,
    /// In order of submission.
    #[default]
    Normal,
    /// After all others.
    Nonurgent,
}

impl Priority {
    fn is_normal(&self) -> bool {
        *self == Priority::Normal
    }
}

/// What becomes of a message when every recipient has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterSent {
    /// It stays in `out/sent` for as long as the configuration says.
    #[default]
    Default,
    /// It stays in `out/sent` until somebody removes it.
    Keep,
    /// It goes at once.
    Delete,
    /// It is filed in this Maildir, then as by default.
    Sent(String),
}

impl AfterSent {
    fn is_default(&self) -> bool {
        *self == AfterSent::Default
    }
}

/// Where the size stands in an envelope's line: right behind `{"size":`.
pub const SIZE_OFFSET: u64 = 8;

/// How wide the size is written, blanks behind it, so that it can be put in when the message has gone by.
const SIZE_WIDTH: usize = 20;

/// A size as it stands in the line.
pub fn size_field(size: u64) -> String {
    format!("{size:<SIZE_WIDTH$}")
}

impl Envelope {
    /// An envelope of a message that arrives now and of which nothing is asked.
    pub fn new(id: QueueId, arrival: Timestamp, sender: Sender, recipients: Vec<Recipient>) -> Envelope {
        Envelope {
            size: 0,
            id,
            arrival,
            sender,
            recipients: recipients.into(),
            not_before: None,
            deliver_by: None,
            notify: None,
            ret: None,
            envid: None,
            body: None,
            transport: None,
            priority: Priority::Normal,
            after_sent: AfterSent::Default,
            hops: 0,
            resend_of: None,
            source: None,
        }
    }

    /// The line that begins a queue file, newline included. The size comes first, with room for any number.
    pub fn to_line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = format!("{{\"size\":{},", size_field(self.size)).into_bytes();
        let rest = serde_json::to_vec(self)?;
        line.extend_from_slice(&rest[1..]);
        line.push(b'\n');
        Ok(line)
    }

    /// Reads such a line. Members that a later version added are passed over; they stay in the file.
    pub fn from_line(line: &[u8]) -> serde_json::Result<Envelope> {
        serde_json::from_slice(line)
    }

    /// Where the recipient at this place is.
    pub fn address(&self, recipient: RecipientIndex) -> Option<&Address> {
        self.recipients.get(recipient).map(|recipient| &recipient.address)
    }

    /// The name by which reports call the message.
    pub fn report_id(&self) -> &str {
        self.envid.as_ref().map_or(self.id.as_str(), EnvelopeId::as_str)
    }

    /// When there is first something to do for a message that its sender wants sent later, if that is yet to come:
    /// an attempt, or giving up before it.
    pub fn delayed_until(&self, now: Timestamp) -> Option<Timestamp> {
        let time = self.not_before.filter(|time| *time > now)?;
        Some(self.deliver_by.map_or(time, |deadline| deadline.min(time))).filter(|time| *time > now)
    }

    /// When the message could first be sent, or was last released.
    pub fn lifetime_start(&self, released: Option<Timestamp>) -> Timestamp {
        self.arrival.max(self.not_before.unwrap_or_default()).max(released.unwrap_or_default())
    }

    /// When the message is given up: the queue's lifetime, counted from when it could first be sent or was last
    /// released, or the sender's own deadline if that is earlier.
    pub fn expires(&self, lifetime: std::time::Duration, released: Option<Timestamp>) -> Timestamp {
        let end = self.lifetime_start(released).after(lifetime);
        self.deliver_by.map_or(end, |deadline| deadline.min(end))
    }
}

/// Takes out recipients whose mailbox was named already, and keeps the first spelling, the order, and every report
/// that was asked for by either name.
pub fn without_duplicates(recipients: Vec<Recipient>) -> Vec<Recipient> {
    let mut places = HashMap::new();
    let mut kept: Vec<Recipient> = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        match places.entry(recipient.address.key()) {
            Entry::Vacant(entry) => {
                entry.insert(kept.len());
                kept.push(recipient);
            }
            Entry::Occupied(entry) => {
                let first = &mut kept[*entry.get()];
                first.notify = match (first.notify, recipient.notify) {
                    (Some(one), Some(other)) => Some(one.union(other)),
                    (one, other) => one.or(other),
                };
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn envelope() -> Envelope {
        let id = QueueId::parse("1795308431.M123456P42Q0R00c0ffee.host").unwrap();
        let (sender, recipient) =
            (Sender::parse("joe@example.org").unwrap(), Address::parse("bob@example.com").unwrap());
        Envelope::new(id, Timestamp::from_seconds(1_795_308_431), sender, vec![recipient.into()])
    }

    #[test]
    fn the_size_can_be_written_over() {
        let mut line = envelope().to_line().unwrap();
        let at = SIZE_OFFSET as usize;
        line[at..at + 20].copy_from_slice(size_field(u64::MAX).as_bytes());
        assert_eq!(Envelope::from_line(&line).unwrap().size, u64::MAX);
    }

    #[test]
    fn a_later_versions_members_are_passed_over() {
        let line = String::from_utf8(envelope().to_line().unwrap()).unwrap();
        let line = line.replacen('}', ",\"colour\":\"blue\"}", 1);
        assert!(line.contains("blue"));
        assert!(Envelope::from_line(line.as_bytes()).is_ok());
    }

    #[test]
    fn a_line_without_a_safe_address_is_refused() {
        let line = String::from_utf8(envelope().to_line().unwrap()).unwrap();
        assert!(Envelope::from_line(line.replace("bob@", "bob\\n@").as_bytes()).is_err());
        assert!(Envelope::from_line(line.replace("joe@", "joe\\u0000@").as_bytes()).is_err());
        assert!(Envelope::from_line(line.replace(".host", "/../x").as_bytes()).is_err());
    }

    #[test]
    fn expiry_is_the_first_of_lifetime_and_deadline() {
        let hour = std::time::Duration::from_secs(3600);
        let mut mail = envelope();
        assert_eq!(mail.expires(hour, None), mail.arrival.after(hour));
        mail.deliver_by = Some(mail.arrival.after(hour / 2));
        assert_eq!(mail.expires(hour, None), mail.arrival.after(hour / 2));
        mail.deliver_by = None;
        let released = mail.arrival.after(hour * 9);
        assert_eq!(mail.expires(hour, Some(released)), released.after(hour));
    }

    #[test]
    fn the_first_spelling_of_a_mailbox_stays() {
        let list = ["b@X", "a@x", "b@x", "B@x", "FAX:1", "FAX:1"].map(|text| Address::parse(text).unwrap().into());
        let texts: Vec<String> = without_duplicates(list.to_vec()).iter().map(|one| one.address.to_string()).collect();
        assert_eq!(texts, ["b@X", "a@x", "B@x", "FAX:1"]);
    }

    proptest! {
        #[test]
        fn every_envelope_is_one_line_and_comes_back(
            size: u64,
            recipients in proptest::collection::vec("[^\\x00-\\x1f\\x7f-\\x9f]{1,30}", 1..5),
            sender in "[^\\x00-\\x1f\\x7f-\\x9f]{0,30}",
            transport in proptest::option::of(".{0,20}"),
            folder in ".{0,20}",
            hops: u32,
            times in proptest::option::of(0u64..9_999_999_999),
        ) {
            let recipients: Vec<Recipient> =
                recipients.iter().filter_map(|text| Some(Address::parse(text).ok()?.into())).collect();
            let time = times.map(Timestamp::from_seconds);
            let mail = Envelope {
                size, recipients: recipients.into(), transport, hops, not_before: time, deliver_by: time,
                sender: Sender::parse(&sender).unwrap_or_default(),
                after_sent: AfterSent::Sent(folder),
                notify: Some(NotifyOn { success: true, failure: false, delay: true }),
                ret: Some(ReturnContent::Hdrs),
                envid: Some(EnvelopeId::parse("a+b").unwrap()),
                priority: Priority::Urgent,
                ..envelope()
            };
            let line = mail.to_line().unwrap();
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            prop_assert_eq!(Envelope::from_line(&line).unwrap(), mail);
        }
    }
}
