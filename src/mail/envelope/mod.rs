//! Envelope of a message: sender, recipients, and the options of the sender. It is written once, as the first line of
//! the queue file, and never changed.

pub mod id;
pub mod line;
pub mod recipient;
pub mod request;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::{Deserialize, Serialize};

use crate::mail::address::{Address, Sender};
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::{Recipient, RecipientIndex, Recipients};
use crate::mail::envelope::request::{BodyType, EnvelopeId, NotifyOn, ReturnContent};
use crate::mail::message::header::Header;
use crate::values::time::{RunningTime, Timestamp};

/// Data that the spool keeps about a message besides its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Size in bytes of the message after the envelope line. A shorter file was truncated while it was written.
    #[serde(skip_serializing, default)]
    pub size: u64,
    /// Queue id of the message, with which the file name begins.
    pub id: QueueId,
    /// Time when mspool accepted the message.
    pub arrival: Timestamp,
    /// Running time of the spool at arrival; `None` in messages of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<RunningTime>,
    /// Envelope sender, to which reports are sent.
    pub sender: Sender,
    /// Recipients of the message, without duplicate mailboxes.
    pub recipients: Recipients,
    /// Earliest time of a delivery attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Delivery deadline. No attempt is made after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliver_by: Option<Timestamp>,
    /// Time after which the message is of no use: what is not delivered then fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Reports that the sender requested (RFC 3461 section 4.1); `None` means the default, failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<NotifyOn>,
    /// Part of the message that a report returns (RFC 3461 section 4.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ret: Option<ReturnContent>,
    /// Envelope id that the sender chose (RFC 3461 section 4.4); `None` means the queue id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envid: Option<EnvelopeId>,
    /// Body type that the sender declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyType>,
    /// Transport that the sender chose; no other one is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// Priority: order among due messages.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// Handling of the message after every recipient has it.
    #[serde(default, skip_serializing_if = "AfterSent::is_default")]
    pub after_sent: AfterSent,
    /// Number of times that a transport of this host resubmitted the message. Limits mail loops.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hops: u32,
    /// Queue id of the message that this one resends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resend_of: Option<QueueId>,
    /// Origin of a fetched message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<MailOrigin>,
    /// Trust in the way on which a received message came.
    #[serde(default, skip_serializing_if = "WayTrust::needs_proof")]
    pub way: WayTrust,
}

/// Trust in the way on which a received message came: whether a report in it is believed without a proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WayTrust {
    /// Anybody can send mail there: a report needs a proof.
    #[default]
    Open,
    /// Only mail systems that were given our mail can send there.
    Trusted,
}

impl WayTrust {
    fn needs_proof(&self) -> bool {
        *self == WayTrust::Open
    }
}

/// Origin of a fetched message, which identifies it if it is fetched again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailOrigin {
    /// Name of the source in the configuration.
    pub inbound: String,
    /// Reference that the source gave to the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Priority of a message (names of RFC 2156). Urgent messages are delivered first, non-urgent ones last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Delivered before all others.
    Urgent,
    /// Delivered in order of submission.
    #[default]
    Normal,
    /// Delivered after all others.
    Nonurgent,
}

impl Priority {
    fn is_normal(&self) -> bool {
        *self == Priority::Normal
    }

    /// Returns the word for the priority on disk and for commands.
    pub fn word(self) -> &'static str {
        match self {
            Priority::Urgent => "urgent",
            Priority::Normal => "normal",
            Priority::Nonurgent => "nonurgent",
        }
    }

    /// Returns the priority that a header asks for: by `MT-Priority`, -9 to 9 (RFC 6758), or by `Priority` (RFC 2156).
    pub fn of_header(header: &Header<'_>) -> Option<Priority> {
        let value = |name: &str| header.all(name).next().map(|field| field.value().to_ascii_lowercase());
        let level = value("MT-Priority").and_then(|text| text.split_whitespace().next()?.parse::<i8>().ok());
        match level.filter(|level| (-9..=9).contains(level)) {
            Some(1..) => return Some(Priority::Urgent),
            Some(0) => return Some(Priority::Normal),
            Some(_) => return Some(Priority::Nonurgent),
            None => {}
        }
        match value("Priority")?.as_str() {
            "urgent" => Some(Priority::Urgent),
            "normal" => Some(Priority::Normal),
            "non-urgent" => Some(Priority::Nonurgent),
            _ => None,
        }
    }
}

/// Handling of a message after every recipient has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AfterSent {
    /// Keep it in `out/sent` for the configured time.
    #[default]
    Default,
    /// Keep it in `out/sent` until the user removes it.
    Keep,
    /// Delete it at once.
    Delete,
    /// File a copy in this Maildir, then keep it as by default.
    Sent(String),
}

impl AfterSent {
    fn is_default(&self) -> bool {
        *self == AfterSent::Default
    }
}

impl Envelope {
    /// Builds the envelope of a message that arrives now, with all options at their defaults.
    pub fn new(id: QueueId, arrival: Timestamp, sender: Sender, recipients: Vec<Recipient>) -> Envelope {
        Envelope {
            size: 0,
            id,
            arrival,
            running: None,
            sender,
            recipients: recipients.into(),
            not_before: None,
            deliver_by: None,
            expires: None,
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
            way: WayTrust::Open,
        }
    }

    /// Parses an envelope line. Members from a later version of mspool are ignored; they stay in the file.
    pub fn from_line(line: &[u8]) -> serde_json::Result<Envelope> {
        serde_json::from_slice(line)
    }

    /// Returns the address of the recipient at this index.
    pub fn address(&self, recipient: RecipientIndex) -> Option<&Address> {
        self.recipients.get(recipient).map(|recipient| &recipient.address)
    }

    /// Returns the envelope id used in reports: that of the sender, or the queue id.
    pub fn report_id(&self) -> &str {
        self.envid.as_ref().map_or(self.id.as_str(), EnvelopeId::as_str)
    }

    /// Returns the first of the times after which the message fails by the will of its sender.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deliver_by.into_iter().chain(self.expires).min()
    }

    /// Returns the time of the first action on a delayed message: the first attempt, or expiry before it. `None` if
    /// that time is not after `now`.
    pub fn delayed_until(&self, now: Timestamp) -> Option<Timestamp> {
        let time = self.not_before.filter(|time| *time > now)?;
        Some(self.deadline().map_or(time, |deadline| deadline.min(time))).filter(|time| *time > now)
    }
}

/// Removes duplicate mailboxes. Keeps the first spelling, the order, and the reports requested for either spelling.
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
    use crate::mail::envelope::line::EnvelopeLine;

    fn line_of(envelope: &Envelope) -> String {
        String::from_utf8(EnvelopeLine::begin(envelope).unwrap().1).unwrap()
    }

    fn envelope() -> Envelope {
        let id = QueueId::parse("1795308431.M123456P42Q0R00c0ffee.host").unwrap();
        let (sender, recipient) =
            (Sender::parse("joe@example.org").unwrap(), Address::parse("bob@example.com").unwrap());
        Envelope::new(id, Timestamp::from_seconds(1_795_308_431), sender, vec![recipient.into()])
    }

    #[test]
    fn a_later_versions_members_are_passed_over() {
        let line = line_of(&envelope());
        let line = line.replacen('}', ",\"colour\":\"blue\"}", 1);
        assert!(line.contains("blue"));
        assert!(Envelope::from_line(line.as_bytes()).is_ok());
    }

    #[test]
    fn a_line_without_a_safe_address_is_refused() {
        let line = line_of(&envelope());
        assert!(Envelope::from_line(line.replace("bob@", "bob\\n@").as_bytes()).is_err());
        assert!(Envelope::from_line(line.replace("joe@", "joe\\u0000@").as_bytes()).is_err());
        assert!(Envelope::from_line(line.replace(".host", "/../x").as_bytes()).is_err());
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
                size, recipients: recipients.into(), transport, hops, not_before: time, deliver_by: time, expires: time,
                sender: Sender::parse(&sender).unwrap_or_default(),
                after_sent: AfterSent::Sent(folder),
                notify: Some(NotifyOn { success: true, failure: false, delay: true }),
                ret: Some(ReturnContent::Hdrs),
                envid: Some(EnvelopeId::parse("a+b").unwrap()),
                priority: Priority::Urgent,
                ..envelope()
            };
            let line = line_of(&mail);
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert_eq!(Envelope::from_line(line.as_bytes()).unwrap(), mail);
        }
    }
}
