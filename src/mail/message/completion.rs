//! Header completion for a message submission agent (RFC 6409 section 8), with the additions of sendmail(1).

use crate::mail::address::Sender;
use crate::mail::address::list;
use crate::mail::message::header::{Header, HeaderField};
use crate::mail::message::mime;

/// Values of header fields that are added if they are missing.
#[derive(Clone, Debug, Default)]
pub struct HeaderAdditions {
    /// Value of the `From` field.
    pub from: String,
    /// Value of the `Date` field.
    pub date: String,
    /// Value of the `Message-ID` field, without brackets.
    pub message_id: String,
    /// Additions of sendmail(1), if it submits the message.
    pub sendmail: Option<SendmailFields>,
}

/// Header fields that sendmail(1) adds or rewrites.
#[derive(Clone, Debug, Default)]
pub struct SendmailFields {
    /// Value of the `Received` field, which is always added.
    pub received: String,
    /// Addresses to replace in `From` and `Sender`, as pairs of old and new.
    pub rewritten: Vec<(String, String)>,
}

/// Fields that a submitted message loses: blind recipients, and the trace of a final delivery, which the last system
/// writes (RFC 5321 section 4.4).
const REMOVED: [&str; 3] = ["Bcc", "Resent-Bcc", "Return-Path"];

/// Returns the completed header: without `Bcc` and `Return-Path`, with missing fields before the first one, and every other byte
/// unchanged. If sendmail(1) submits a message with `Resent-` recipients, missing fields are added as `Resent-` fields
/// (RFC 5322 section 3.6.6).
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
    missing("From", &additions.from);
    missing("Date", &additions.date);
    missing("Message-ID", &format!("<{}>", additions.message_id));
    let mut missing_fields = out;
    let mut out = Vec::new();
    if let Some(sendmail) = &additions.sendmail {
        out.extend_from_slice(format!("Received: {}{end}", sendmail.received.replace('\n', end)).as_bytes());
        if !["To", "Cc", "Resent-To", "Resent-Cc"].iter().any(|name| header.has(name)) {
            missing_fields.extend_from_slice(format!("To: undisclosed-recipients:;{end}").as_bytes());
        }
    } else {
        // The `From ` line of an mbox has to stay before all fields.
        out.extend_from_slice(header.marker);
    }
    out.extend_from_slice(&missing_fields);
    for field in header.fields.iter().filter(|field| !REMOVED.iter().any(|name| field.is(name))) {
        let rewritten = additions.sendmail.as_ref().and_then(|sendmail| sendmail.rewrite(field));
        out.extend_from_slice(rewritten.as_deref().unwrap_or(field.raw()));
    }
    if out.last().is_some_and(|byte| *byte != b'\n') {
        // Without a newline, the last field of a message without a body would run into the next line.
        out.extend_from_slice(end.as_bytes());
    }
    if !header.closed {
        out.extend_from_slice(end.as_bytes());
    }
    out
}

impl SendmailFields {
    /// Returns a `From` or `Sender` field with its addresses replaced; `None` if it stays unchanged.
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
            // Replace only an address that is unambiguous in the text: a display name can look the same.
            let bracketed = format!("<{address}>");
            let spellings = [bracketed.as_str(), address.as_str()];
            let spelling = spellings.into_iter().find(|spelling| value.matches(spelling).count() == 1)?;
            let replacement = if spelling.starts_with('<') { format!("<{new}>") } else { new.clone() };
            value = value.replacen(spelling, &replacement, 1);
            changed = true;
        }
        changed.then(|| format!("{name}:{value}").into_bytes())
    }
}

/// Returns the addresses in the `From` and `Sender` fields of the header.
pub fn authors(header: &Header<'_>) -> Vec<String> {
    let fields = ["From", "Sender", "Resent-From", "Resent-Sender"].into_iter().flat_map(|name| header.all(name));
    fields.flat_map(|field| list::parse(&field.value()).unwrap_or_default()).collect()
}

/// Returns the value of a `From` field: the name, quoted or encoded if needed, and the address.
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
        HeaderAdditions { from: "joe@h".into(), date: "D".into(), message_id: "m@h".into(), sendmail: None }
    }

    fn sendmail() -> HeaderAdditions {
        let rewritten = vec![("root".into(), "ops@example.com".into()), ("joe@laptop".into(), "me@example.com".into())];
        let sendmail = SendmailFields { received: "by h\n\tid 1; D".into(), rewritten };
        HeaderAdditions { sendmail: Some(sendmail), ..additions() }
    }

    fn complete(bytes: &[u8], additions: &HeaderAdditions) -> String {
        String::from_utf8_lossy(&completed(&Header::scan(bytes, InputSupply::End).unwrap(), additions)).into_owned()
    }

    #[test]
    fn only_what_is_missing_is_put_in() {
        let bytes = b"To: a@x\r\nBCC: b@x,\r\n c@x\r\nDate: then\r\nX: y\r\n\r\n";
        assert_eq!(
            complete(bytes, &additions()),
            "From: joe@h\r\nMessage-ID: <m@h>\r\nTo: a@x\r\nDate: then\r\nX: y\r\n"
        );
        assert_eq!(
            complete(b"To: a@x\nhello there\n", &additions()),
            "From: joe@h\nDate: D\nMessage-ID: <m@h>\nTo: a@x\n\n"
        );
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
