//! Proof that an incoming report comes from a system that was given the message.
//!
//! Everybody who got a message knows its Message-ID, and could report that another recipient failed. What mspool sends
//! out therefore carries a tag that only this spool can make: in the envelope id, which reports repeat
//! (RFC 3464, section 2.2.1), and in the return path of transports that ask for it, to which bounces are sent.
//!
//! A hand-off to one recipient has a tag that proves reports on that recipient only. A hand-off to several has one that
//! proves reports on any recipient of the message.

use crate::mail::address::Sender;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::values::digest::SecretKey;
use crate::values::table::TableIndex;

/// Key of a spool for tags.
#[derive(Clone, Debug)]
pub struct ReportKey(SecretKey);

/// Length of a tag in characters: 80 bits, each digit four.
const TAG_CHARS: usize = 20;

/// Text before the tag in the local part of a return path.
const RETURN_PATH_MARK: &str = "+mspool-";

/// Maximum length of a local part in octets (RFC 5321, section 4.5.3.1.1).
const MAX_LOCAL_PART: usize = 64;

/// Tag as it was read from a report. It proves nothing before [`ReportKey::proves`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportTag(String);

impl ReportTag {
    /// Reads a tag: 20 lower-case hexadecimal digits.
    fn parse(text: &str) -> Option<ReportTag> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == TAG_CHARS && text.bytes().all(is_digit)).then(|| ReportTag(text.to_owned()))
    }

    /// Reads the tags in a text with addresses, such as a return path that a transport was given. Case may have changed on
    /// the way.
    pub fn in_addresses(text: &str) -> Vec<ReportTag> {
        let text = text.to_ascii_lowercase();
        let behind = text.split(RETURN_PATH_MARK).skip(1);
        behind.filter_map(|rest| ReportTag::parse(rest.split_once('@')?.0.trim_end_matches('"'))).collect()
    }
}

/// Reads an envelope id that mspool made: the queue id, and the tag if there is one. `None` for an envelope id that a
/// sender chose.
pub fn read_envelope_id(text: &str) -> Option<(QueueId, Option<ReportTag>)> {
    let text = text.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(text);
    let (id, tag) = match text.rsplit_once('/') {
        Some((id, tag)) => (id, Some(ReportTag::parse(tag)?)),
        None => (text, None),
    };
    Some((QueueId::parse(id).ok()?, tag))
}

impl ReportKey {
    /// Wraps the key of a spool.
    pub fn new(key: SecretKey) -> ReportKey {
        ReportKey(key)
    }

    /// Returns the envelope id of a hand-off to these recipients: the queue id and a tag.
    pub fn envelope_id(&self, id: &QueueId, recipients: &[RecipientIndex]) -> String {
        format!("{id}/{}", self.tag(id, only(recipients)))
    }

    /// Returns the return path of a hand-off to these recipients: the sender with a tag. The null sender, a quoted local
    /// part, and one that would become too long stay as they are.
    pub fn return_path(&self, sender: &Sender, id: &QueueId, recipients: &[RecipientIndex]) -> String {
        match sender.as_str().rsplit_once('@') {
            Some((local, domain))
                if !local.starts_with('"') && local.len() + RETURN_PATH_MARK.len() + TAG_CHARS <= MAX_LOCAL_PART =>
            {
                format!("{local}{RETURN_PATH_MARK}{}@{domain}", self.tag(id, only(recipients)))
            }
            _ => sender.as_str().to_owned(),
        }
    }

    /// Returns true if the tag proves a report on this recipient of this message.
    pub fn proves(&self, tag: &ReportTag, id: &QueueId, recipient: RecipientIndex) -> bool {
        [None, Some(recipient)].into_iter().any(|bound| self.0.has_digest(&tagged_text(id, bound), &tag.0))
    }

    fn tag(&self, id: &QueueId, bound: Option<RecipientIndex>) -> String {
        let mut tag = self.0.digest(&tagged_text(id, bound));
        tag.truncate(TAG_CHARS);
        debug_assert!(ReportTag::parse(&tag).is_some(), "a tag is read back");
        tag
    }
}

/// Returns the recipient, if it is the only one.
fn only(recipients: &[RecipientIndex]) -> Option<RecipientIndex> {
    match recipients {
        [one] => Some(*one),
        _ => None,
    }
}

fn tagged_text(id: &QueueId, bound: Option<RecipientIndex>) -> String {
    // No queue id contains a blank: different messages and recipients never have the same text.
    match bound {
        Some(recipient) => format!("{id} {}", recipient.position()),
        None => id.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mail::address::Sender;
    use crate::mail::envelope::id::QueueId;
    use crate::mail::envelope::recipient::RecipientIndex;
    use crate::mail::report::proof::{ReportKey, ReportTag, read_envelope_id};
    use crate::values::digest::SecretKey;
    use crate::values::table::TableIndex;

    const ID: &str = "1777636800.M000001P1Q0R00000000.vm";

    fn key(byte: u8) -> ReportKey {
        ReportKey::new(SecretKey::from_bytes([byte; 32]))
    }

    fn people(positions: &[usize]) -> Vec<RecipientIndex> {
        positions.iter().map(|position| RecipientIndex::new(*position)).collect()
    }

    fn id() -> QueueId {
        QueueId::parse(ID).unwrap()
    }

    #[test]
    fn a_tag_proves_what_it_was_made_for() {
        let (own, [first, second]) = (key(1), [0, 1].map(RecipientIndex::new));
        let tag_for = |recipients: &[usize]| {
            let (id, tag) = read_envelope_id(&own.envelope_id(&id(), &people(recipients))).unwrap();
            assert_eq!(id.as_str(), ID);
            tag.unwrap()
        };
        let (of_first, of_all) = (tag_for(&[0]), tag_for(&[0, 1]));
        assert!(own.proves(&of_first, &id(), first) && !own.proves(&of_first, &id(), second));
        assert!(own.proves(&of_all, &id(), first) && own.proves(&of_all, &id(), second));
        let other = QueueId::parse(&ID.replace("Q0", "Q1")).unwrap();
        assert!(!own.proves(&of_all, &other, first) && !key(2).proves(&of_all, &id(), first));
    }

    #[test]
    fn an_envelope_id_has_at_most_a_hundred_characters() {
        use crate::mail::envelope::id::IdGenerator;
        // RFC 3461, section 4.4.
        let first = IdGenerator::new(|| u64::MAX).next_id(std::time::Duration::from_secs(9_999_999_999));
        let made = key(1).envelope_id(&first, &people(&[0]));
        assert!(made.len() <= 100, "{made}");
    }

    #[test]
    fn a_return_path_carries_the_tag_where_it_fits() {
        let path = |sender: &str| key(1).return_path(&Sender::parse(sender).unwrap(), &id(), &people(&[0]));
        let tagged = path("joe@example.org");
        assert!(tagged.starts_with("joe+mspool-") && tagged.ends_with("@example.org"), "{tagged}");
        let upper = tagged.to_uppercase();
        for address in [tagged.as_str(), &upper] {
            let tags = ReportTag::in_addresses(&format!("Joe <x@y>, <{address}>"));
            assert!(tags.len() == 1 && key(1).proves(&tags[0], &id(), RecipientIndex::new(0)));
        }
        for plain in ["", "\"a b\"@example.org", &format!("{}@example.org", "a".repeat(37))] {
            assert_eq!(path(plain), plain);
        }
        assert_eq!(path(&format!("{}@example.org", "a".repeat(36))).find('@'), Some(64));
    }

    #[test]
    fn what_a_sender_chose_is_no_name_of_ours() {
        assert_eq!(read_envelope_id("QQ314159"), None);
        assert_eq!(read_envelope_id(&format!("{ID}/short")), None);
        assert_eq!(read_envelope_id(ID), Some((id(), None)));
        assert_eq!(read_envelope_id(&format!("<{ID}>")), Some((id(), None)));
        assert_eq!(ReportTag::in_addresses("\"joe+mspool-00112233445566778899\"@x").len(), 1);
        assert_eq!(ReportTag::in_addresses("joe+list@example.org, joe+mspool-@y, joe+mspool-12@y, +mspool-"), []);
    }

    proptest! {
        #[test]
        fn no_other_tag_proves_anything(text in "[0-9a-f]{20}", position in 0usize..3) {
            let tag = ReportTag::parse(&text).unwrap();
            prop_assert!(!key(1).proves(&tag, &id(), RecipientIndex::new(position)));
        }

        #[test]
        fn any_text_can_be_read(text in "\\PC{0,60}") {
            let _ = (read_envelope_id(&text), ReportTag::in_addresses(&text));
        }
    }
}
