//! Rendering of a DSN (RFC 3464 in RFC 6522) in two pieces, so that the returned message can be streamed between them
//! unchanged.

use crate::mail::address::Address;
use crate::mail::envelope::id::QueueId;
use crate::mail::history::state::ReportKind;
use crate::mail::message::mime;
use crate::mail::report::dsn::content::{Dsn, DsnAction, MAX_LINE_BYTES, ReturnedPart};
use crate::mail::report::dsn::human;
use crate::mail::report::dsn::returned::ReturnedEncoding;

/// Width at which fields are folded, if they have a space there.
const FOLD: usize = 76;

impl Dsn<'_> {
    /// Returns the bytes before the returned message.
    pub fn head(&self) -> Vec<u8> {
        let boundary = self.boundary();
        let text = human::text(self);
        let mut out = String::new();
        let mut field = |name: &str, value: &str| out.push_str(&folded(name, value));
        field("Date", &self.now.rfc5322());
        field("From", &format!("Mail Delivery System <MAILER-DAEMON@{}>", self.host));
        field("To", &format!("<{}>", self.reader.as_str()));
        field("Subject", &self.subject());
        field("Message-ID", &format!("<{}@{}>", short(self.id), self.host));
        if let Some(id) = self.message_id.as_ref().filter(|id| is_message_id(id)) {
            field("In-Reply-To", id);
            field("References", id);
        }
        // RFC 3834 section 5: the field stops automatic responders from replying to the report.
        field("Auto-Submitted", "auto-replied");
        field("MIME-Version", "1.0");
        field("Content-Type", &format!("multipart/report; report-type=delivery-status; boundary=\"{boundary}\""));
        let outer = if text.is_ascii() { self.body } else { self.body.max(ReturnedEncoding::EightBit) };
        out.push_str(&outer.field());
        out.push_str("\nThis is a report in MIME format (RFC 3464).\n");
        let encoding = if text.is_ascii() { String::new() } else { ReturnedEncoding::EightBit.field() };
        let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
        out.push_str(&format!(
            "\n--{boundary}\nContent-Type: text/plain; charset={charset}\n{encoding}Content-Description: Notification\n\n{text}"
        ));
        out.push_str(&format!(
            "\n--{boundary}\nContent-Type: message/delivery-status\nContent-Description: Delivery report\n\n{}",
            self.delivery_status()
        ));
        let (kind, what) = match self.returned {
            ReturnedPart::Full => ("message/rfc822", "Undelivered message"),
            ReturnedPart::Header => ("text/rfc822-headers", "Message header"),
        };
        let what = if self.kind == ReportKind::Failure { what } else { what.trim_start_matches("Undelivered ") };
        out.push_str(&format!(
            "\n--{boundary}\nContent-Type: {kind}\n{}Content-Description: {what}\n\n",
            self.body.field()
        ));
        out.into_bytes()
    }

    /// Returns the bytes after the returned message.
    pub fn tail(&self) -> Vec<u8> {
        format!("\n--{}--\n", self.boundary()).into_bytes()
    }

    /// Returns the MIME boundary. It contains the id of the report, which did not exist when the returned message was
    /// written.
    fn boundary(&self) -> String {
        format!("report-{}", short(self.id))
    }

    /// Returns the subject. Its first words are those that other programs recognize a bounce and a delay by.
    fn subject(&self) -> String {
        let what = match self.kind {
            ReportKind::Failure => "Undelivered mail",
            ReportKind::Delay => "Delayed mail",
            ReportKind::Success if self.recipients.iter().all(|about| about.action == DsnAction::Relayed) => "Relayed",
            ReportKind::Success => "Delivered",
        };
        match &self.subject {
            Some(subject) if subject.is_ascii() => format!("{what}: {subject}"),
            Some(subject) => format!("{what}: {}", mime::encoded_words(subject)),
            None => what.to_owned(),
        }
    }

    /// Returns the machine-readable part (RFC 3464 section 2): one group on the message, one on each recipient. The
    /// envelope id is decoded, not in xtext.
    fn delivery_status(&self) -> String {
        let mut out = folded("Original-Envelope-Id", self.envid);
        out.push_str(&folded("Reporting-MTA", &format!("dns; {}", self.host)));
        out.push_str(&folded("Arrival-Date", &self.arrival.rfc5322()));
        for about in &self.recipients {
            out.push('\n');
            let address = &about.recipient.address;
            let original = about.recipient.orcpt.as_ref();
            let original = original.map_or_else(|| typed(address), |orcpt| typed_text(orcpt.kind(), orcpt.address()));
            out.push_str(&folded("Original-Recipient", &original));
            out.push_str(&folded("Final-Recipient", &typed(address)));
            out.push_str(&folded("Action", about.action.word()));
            out.push_str(&folded("Status", &about.status.to_string()));
            if let Some(transport) = about.transport {
                out.push_str(&folded("Remote-MTA", &format!("x-transport; {transport}")));
            }
            if !about.text.is_empty() {
                let kind = if is_smtp_reply(about.text) { "smtp" } else { "x-unix" };
                out.push_str(&folded("Diagnostic-Code", &format!("{kind}; {}", ascii(about.text))));
            }
            if let Some(time) = about.last_attempt {
                out.push_str(&folded("Last-Attempt-Date", &time.rfc5322()));
            }
            if let Some(time) = about.retry_until {
                out.push_str(&folded("Will-Retry-Until", &time.rfc5322()));
            }
        }
        out
    }
}

/// Returns an id without its host. It is short, and still unique on this host.
fn short(id: &QueueId) -> String {
    id.as_str().splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// Returns `type; address` (RFC 3464 section 2.1.2): `rfc822` for internet mail, `unknown` for a text that is not an
/// address, other types in lower case.
fn typed(address: &Address) -> String {
    let kind = match address.kind().as_str() {
        _ if address.is_smtp() => "rfc822".to_owned(),
        _ if address.is_invalid() => "unknown".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    typed_text(&kind, address.text())
}

fn typed_text(kind: &str, address: &str) -> String {
    if address.is_ascii() {
        return format!("{kind}; {address}");
    }
    // RFC 6533 section 3: utf-8-addr-xtext keeps the report in 7 bits.
    let escaped: String = address
        .chars()
        .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\x{{{:X}}}", u32::from(c)) })
        .collect();
    format!("utf-8; {escaped}")
}

fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

fn is_smtp_reply(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 3 && bytes[..3].iter().all(u8::is_ascii_digit) && matches!(bytes[3], b' ' | b'-')
}

/// Returns true for `<…>` of printable ASCII. Any other value could forge a header field and is not copied.
fn is_message_id(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    inner.is_some_and(|id| !id.is_empty() && id.len() <= 500 && id.bytes().all(|b| b.is_ascii_graphic() && b != b'<'))
}

/// Returns a field, folded at spaces. A word that is longer than a line is split.
fn folded(name: &str, value: &str) -> String {
    let mut out = format!("{name}:");
    let mut width = out.len();
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        let mut rest = word;
        if width + 1 + word.len() > FOLD && width > name.len() + 1 {
            out.push('\n');
            width = 0;
        }
        out.push(' ');
        width += 1;
        while rest.len() > MAX_LINE_BYTES - width {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(MAX_LINE_BYTES - width));
            out.push_str(piece);
            out.push_str("\n ");
            (rest, width) = (behind, 1);
        }
        out.push_str(rest);
        width += rest.len();
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mail::address::Sender;
    use crate::mail::envelope::recipient::Recipient;
    use crate::mail::report::dsn::content::{DsnReader, DsnRecipient};
    use crate::mail::status::Status;
    use crate::values::time::Timestamp;

    use super::*;

    fn dsn_about<'a>(recipients: Vec<DsnRecipient<'a>>, id: &'a QueueId, to: &'a Sender) -> Dsn<'a> {
        Dsn {
            id,
            kind: ReportKind::Failure,
            host: "mail.example.org",
            now: Timestamp::from_seconds(1_777_636_800),
            reader: DsnReader::Sender(to),
            envid: "a+b=c",
            about_id: id,
            arrival: Timestamp::from_seconds(1_777_636_000),
            subject: Some("caf\u{e9} au lait".to_owned()),
            message_id: Some("<1@x>".to_owned()),
            recipients,
            returned: ReturnedPart::Full,
            body: ReturnedEncoding::SevenBit,
        }
    }

    fn id() -> QueueId {
        QueueId::parse("1795308431.M123456P42Q0R00c0ffee.host").unwrap()
    }

    fn about<'a>(recipient: &'a Recipient, text: &'a str) -> DsnRecipient<'a> {
        DsnRecipient {
            recipient,
            action: DsnAction::Failed,
            status: Status::NO_MAILBOX,
            text,
            transport: Some("relay"),
            remote_id: None,
            last_attempt: Some(Timestamp::from_seconds(1_777_636_700)),
            retry_until: None,
        }
    }

    #[test]
    fn the_machine_part_has_every_field() {
        let recipient = Recipient::from(Address::parse("bob@example.com").unwrap());
        let (id, to) = (id(), Sender::parse("joe@example.org").unwrap());
        let text = dsn_about(vec![about(&recipient, "550 no such user")], &id, &to).delivery_status();
        assert_eq!(
            text,
            "Original-Envelope-Id: a+b=c\nReporting-MTA: dns; mail.example.org\n\
             Arrival-Date: Fri, 1 May 2026 11:46:40 +0000\n\nOriginal-Recipient: rfc822; bob@example.com\n\
             Final-Recipient: rfc822; bob@example.com\nAction: failed\nStatus: 5.1.1\nRemote-MTA: x-transport; relay\n\
             Diagnostic-Code: smtp; 550 no such user\nLast-Attempt-Date: Fri, 1 May 2026 11:58:20 +0000\n"
        );
    }

    #[test]
    fn other_types_and_scripts_stay_in_seven_bits() {
        assert_eq!(typed(&Address::parse("FAX:+49 30 1").unwrap()), "fax; +49 30 1");
        assert_eq!(typed(&Address::parse("j\u{f6}rg@x").unwrap()), "utf-8; j\\x{F6}rg@x");
    }

    #[test]
    fn only_plain_message_ids_are_repeated() {
        assert!(is_message_id("<a.b@c>"));
        for bad in ["", "a@b", "<>", "<a b>", "<a><b>", "<a\n>"] {
            assert!(!is_message_id(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_long_and_no_field_is_forged(text in "\\PC{0,1500}", subject in proptest::option::of("\\PC{0,1500}")) {
            let recipient = Recipient::from(Address::parse("bob@example.com").unwrap());
            let (id, to) = (id(), Sender::parse("joe@example.org").unwrap());
            let mut dsn = dsn_about(vec![about(&recipient, &text)], &id, &to);
            dsn.subject = subject;
            let head = String::from_utf8(dsn.head()).unwrap();
            prop_assert!(head.split('\n').all(|line| line.len() <= 998));
            let names: Vec<&str> = head.split("\n\n").next().unwrap().split('\n')
                .filter(|line| !line.starts_with(' ')).filter_map(|line| Some(line.split_once(':')?.0)).collect();
            let expected = ["Date", "From", "To", "Subject", "Message-ID", "In-Reply-To", "References",
                "Auto-Submitted", "MIME-Version", "Content-Type"];
            prop_assert!(names.starts_with(&expected), "{:?}", names);
            prop_assert_eq!(head.matches("\nAction: failed\n").count(), 1);
        }
    }
}
