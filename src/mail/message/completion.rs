//! What a submission agent completes in a header (RFC 6409 section 8), and what sendmail(1) completes beyond that.

use crate::mail::address::Sender;
use crate::mail::address::list;
use crate::mail::message::header::{Header, HeaderField};
use crate::mail::message::mime;

/// What is put in where it is missing.
#[derive(Clone, Debug, Default)]
pub struct HeaderAdditions {
    /// The value of `Date`.
    pub date: String,
    /// The value of `Message-ID`, without brackets.
    pub message_id: String,
    /// What sendmail(1) does beyond that.
    pub sendmail: Option<SendmailFields>,
}

/// What sendmail(1) puts into a header.
#[derive(Clone, Debug, Default)]
pub struct SendmailFields {
    /// The value of a `Received` field of our own.
    pub received: String,
    /// The value of `From`.
    pub from: String,
    /// Addresses in `From` and `Sender` that get others in their places.
    pub rewritten: Vec<(String, String)>,
}

/// The header as it goes out: `Bcc` gone, what is missing put before the first field, every other byte as it was. A
/// message that is sent again by its reader gets `Resent-` fields instead (RFC 5322 section 3.6.6).
pub fn completed(header: &Header<'_>, additions: &HeaderAdditions) -> Vec<u8> {
    let end = header.line_end();
    let mut out = Vec::new();
    let mut add = |name: &str, value: &str| out.extend_from_slice(format!("{name}: {value}{end}").as_bytes());
    let resent =
        header.fields.iter().any(|field| ["Resent-To", "Resent-Cc", "Resent-Bcc"].iter().any(|name| field.is(name)));
    let prefix = if resent && additions.sendmail.is_some() { "Resent-" } else { "" };
    let mut missing = |name: &str, value: &str| {
        let name = format!("{prefix}{name}");
        if !header.has(&name) {
            add(&name, value);
        }
    };
    if let Some(sendmail) = &additions.sendmail {
        missing("From", &sendmail.from);
    }
    missing("Date", &additions.date);
    missing("Message-ID", &format!("<{}>", additions.message_id));
    let mut fresh = out;
    let mut out = Vec::new();
    if let Some(sendmail) = &additions.sendmail {
        out.extend_from_slice(format!("Received: {}{end}", sendmail.received.replace('\n', end)).as_bytes());
        if !["To", "Cc", "Resent-To", "Resent-Cc"].iter().any(|name| header.has(name)) {
            fresh.extend_from_slice(format!("To: undisclosed-recipients:;{end}").as_bytes());
        }
    } else {
        // A line of an mbox comes before all fields.
        out.extend_from_slice(header.marker);
    }
    out.extend_from_slice(&fresh);
    for field in header.fields.iter().filter(|field| !field.is("Bcc") && !field.is("Resent-Bcc")) {
        let rewritten = additions.sendmail.as_ref().and_then(|sendmail| sendmail.rewrite(field));
        out.extend_from_slice(rewritten.as_deref().unwrap_or(field.raw()));
    }
    if out.last().is_some_and(|byte| *byte != b'\n') {
        // The last field ended with the message.
        out.extend_from_slice(end.as_bytes());
    }
    if !header.closed {
        out.extend_from_slice(end.as_bytes());
    }
    out
}

impl SendmailFields {
    /// A `From` or `Sender` field with other addresses in it; `None` when it stays as it is.
    fn rewrite(&self, field: &HeaderField<'_>) -> Option<Vec<u8>> {
        if !["From", "Sender", "Resent-From", "Resent-Sender"].iter().any(|name| field.is(name)) {
            return None;
        }
        let text = std::str::from_utf8(field.raw()).ok()?;
        let (name, value) = text.split_once(':')?;
        let mut value = value.to_owned();
        let mut changed = false;
        for address in list::parse(&field.value()).ok()? {
            let Some((_, new)) = self.rewritten.iter().find(|(old, _)| *old == address) else { continue };
            // Only where it is clear which of the words is the address.
            let bracketed = format!("<{address}>");
            let places = [bracketed.as_str(), address.as_str()];
            let place = places.into_iter().find(|place| value.matches(place).count() == 1)?;
            let with = if place.starts_with('<') { format!("<{new}>") } else { new.clone() };
            value = value.replacen(place, &with, 1);
            changed = true;
        }
        changed.then(|| format!("{name}:{value}").into_bytes())
    }
}

/// The addresses that a `From` or `Sender` field of this header holds.
pub fn authors(header: &Header<'_>) -> Vec<String> {
    let fields = ["From", "Sender", "Resent-From", "Resent-Sender"].into_iter().flat_map(|name| header.all(name));
    fields.flat_map(|field| list::parse(&field.value()).unwrap_or_default()).collect()
}

/// The value of a `From` field: a name, quoted or encoded as it needs, and an address.
pub fn from_value(name: &str, address: &Sender) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let name = name.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || " !#$%&'*+-/=?^_`{|}~".contains(c);
    match name {
        "" => address.as_str().to_owned(),
        _ if !name.is_ascii() => format!("{} <{}>", mime::encoded_words(name), address.as_str()),
        _ if name.chars().all(plain) => format!("{name} <{}>", address.as_str()),
        _ => format!("\"{}\" <{}>", name.replace('\\', "\\\\").replace('"', "\\\""), address.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::message::header::InputSupply;

    fn additions() -> HeaderAdditions {
        HeaderAdditions { date: "D".into(), message_id: "m@h".into(), sendmail: None }
    }

    fn sendmail() -> HeaderAdditions {
        let rewritten = vec![("root".into(), "ops@example.com".into()), ("joe@laptop".into(), "me@example.com".into())];
        let sendmail = SendmailFields { received: "by h\n\tid 1; D".into(), from: "joe@h".into(), rewritten };
        HeaderAdditions { sendmail: Some(sendmail), ..additions() }
    }

    fn complete(bytes: &[u8], additions: &HeaderAdditions) -> String {
        String::from_utf8_lossy(&completed(&Header::scan(bytes, InputSupply::End).unwrap(), additions)).into_owned()
    }

    #[test]
    fn only_what_is_missing_is_put_in() {
        let bytes = b"To: a@x\r\nBCC: b@x,\r\n c@x\r\nDate: then\r\nX: y\r\n\r\n";
        assert_eq!(complete(bytes, &additions()), "Message-ID: <m@h>\r\nTo: a@x\r\nDate: then\r\nX: y\r\n");
        assert_eq!(complete(b"To: a@x\nhello there\n", &additions()), "Date: D\nMessage-ID: <m@h>\nTo: a@x\n\n");
    }

    #[test]
    fn sendmail_completes_more() {
        let all = "Received: by h\n\tid 1; D\nFrom: joe@h\nDate: D\nMessage-ID: <m@h>\nTo: undisclosed-recipients:;\n";
        assert_eq!(complete(b"", &sendmail()), all);
        assert_eq!(complete(b"Bcc: b@x\n\n", &sendmail()), all);
        assert_eq!(complete(b"just text\n", &sendmail()), format!("{all}\n"));
        assert_eq!(
            complete(b"From joe Fri\nFrom: a@x\nDate: then\nMessage-ID: <1@x>\nCc: c@x\n\n", &sendmail()),
            "Received: by h\n\tid 1; D\nFrom: a@x\nDate: then\nMessage-ID: <1@x>\nCc: c@x\n"
        );
        assert_eq!(
            complete(b"From: a@x\nDate: then\nTo: c@x\nResent-To: d@x\n\n", &sendmail()),
            "Received: by h\n\tid 1; D\nResent-From: joe@h\nResent-Date: D\nResent-Message-ID: <m@h>\n\
             From: a@x\nDate: then\nTo: c@x\nResent-To: d@x\n"
        );
    }

    #[test]
    fn authors_are_rewritten_where_it_is_clear_which_words_are_meant() {
        let from = |value: &str| {
            let text = complete(format!("From: {value}\nTo: a@x\n\n").as_bytes(), &sendmail());
            text.lines().find_map(|line| line.strip_prefix("From: ")).unwrap().to_owned()
        };
        assert_eq!(from("root (Cron Daemon)"), "ops@example.com (Cron Daemon)");
        assert_eq!(from("Joe <joe@laptop>"), "Joe <me@example.com>");
        assert_eq!(from("joe@laptop <joe@laptop>"), "joe@laptop <me@example.com>");
        assert_eq!(from("Bob <bob@x>"), "Bob <bob@x>");
    }

    #[test]
    fn names_are_quoted_as_they_need() {
        let joe = Sender::parse("joe@h").unwrap();
        assert_eq!(from_value("", &joe), "joe@h");
        assert_eq!(from_value("Joe Doe", &joe), "Joe Doe <joe@h>");
        assert_eq!(from_value("Doe, \"J\"\n", &joe), "\"Doe, \\\"J\\\"\" <joe@h>");
        assert_eq!(from_value("J\u{f6}", &joe), "=?utf-8?q?J=C3=B6?= <joe@h>");
    }
}
