//! Delivery status part of a DSN (RFC 3464 section 2): one group of fields about the message, and one per recipient.
//!
//! Real reports omit empty lines, types and fields. A recipient therefore ends at an empty line only if it is complete,
//! or at a field that it already has.

use crate::mail::report::bounce::code;
use crate::mail::report::bounce::reported::{ReportCertainty, ReportedAction, ReportedRecipient};
use crate::mail::report::bounce::value;
use crate::mail::status::Status;

/// Maximum number of recipients read from one report.
const MOST: usize = 10_000;

/// Maximum number of fields and empty lines read from one text.
const MOST_ITEMS: usize = 20 * MOST;

/// Content of a delivery status part.
#[derive(Debug, Default)]
pub struct DsnFields {
    /// Decoded value of `Original-Envelope-Id`.
    pub envelope_id: Option<String>,
    /// Recipients in the order of the report.
    pub recipients: Vec<ReportedRecipient>,
}

/// Field or empty line of a delivery status part.
#[derive(Debug, PartialEq, Eq)]
pub enum DsnItem {
    /// Unfolded field: its name in lower case, and its value.
    Field(String, String),
    /// Empty line, which separates groups.
    Break,
}

/// Parses the decoded body of the part.
pub fn read(body: &[u8]) -> DsnFields {
    let mut report = DsnFields::default();
    let mut group = DsnGroup::default();
    for item in items(&String::from_utf8_lossy(body)) {
        match item {
            DsnItem::Break if group.is_told() => report.recipients.extend(std::mem::take(&mut group).heard()),
            DsnItem::Break => {}
            DsnItem::Field(name, text) if name == "original-envelope-id" => {
                report.envelope_id = report.envelope_id.or_else(|| value::envelope_id(&text));
            }
            DsnItem::Field(name, text) => {
                if group.repeats(&name) {
                    report.recipients.extend(std::mem::take(&mut group).heard());
                }
                group.take(&name, text);
            }
        }
    }
    report.recipients.extend(group.heard());
    report.recipients.truncate(MOST);
    report
}

/// Splits a text into fields and empty lines. Other lines are skipped.
pub fn items(text: &str) -> Vec<DsnItem> {
    let mut items: Vec<DsnItem> = Vec::new();
    for line in text.lines() {
        if items.len() >= MOST_ITEMS {
            break;
        }
        if line.trim().is_empty() {
            items.push(DsnItem::Break);
        } else if line.starts_with([' ', '\t']) {
            if let Some(DsnItem::Field(_, value)) = items.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':')
            && name.trim_end().bytes().all(|byte| byte.is_ascii_graphic())
        {
            items.push(DsnItem::Field(name.trim_end().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    items
}

/// Raw fields of one recipient.
#[derive(Default)]
struct DsnGroup {
    recipient: Option<String>,
    original: Option<String>,
    action: Option<String>,
    status: Option<String>,
    diagnostic: Option<String>,
    remote_mta: Option<String>,
}

impl DsnGroup {
    fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "final-recipient" => Some(&mut self.recipient),
            "original-recipient" => Some(&mut self.original),
            "action" => Some(&mut self.action),
            "status" => Some(&mut self.status),
            "diagnostic-code" => Some(&mut self.diagnostic),
            "remote-mta" => Some(&mut self.remote_mta),
            _ => None,
        }
    }

    fn take(&mut self, name: &str, text: String) {
        if let Some(field) = self.field(name).filter(|field| field.is_none()) {
            *field = Some(text);
        }
    }

    /// Returns true if a field of this name belongs to the next recipient.
    fn repeats(&mut self, name: &str) -> bool {
        let again = self.field(name).is_some_and(|field| field.is_some());
        again && (self.recipient.is_some() || self.original.is_some())
    }

    /// Returns true if the group is complete, so that an empty line ends it. Some systems put empty lines inside a
    /// group.
    fn is_told(&self) -> bool {
        (self.recipient.is_some() || self.original.is_some()) && (self.action.is_some() || self.status.is_some())
    }

    fn heard(self) -> Option<ReportedRecipient> {
        let original = self.original.as_deref().and_then(value::original_recipient);
        let address = self.recipient.as_deref().and_then(value::recipient).or_else(|| original.clone())?;
        let diagnostic = self.diagnostic.as_deref().map(value::untyped).and_then(value::said);
        let given = self.status.as_deref().and_then(|text| {
            let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            Status::parse(text.get(..end)?)
        });
        let from_text = diagnostic.as_deref().and_then(code::find);
        let action = match self.action.as_deref().and_then(|text| text.split([' ', '(', ';']).next()) {
            // A word that is not known says nothing, with any status: `deliverable` is the answer to an address test.
            Some(word) => ReportedAction::of_delivery(word).unwrap_or(ReportedAction::Other),
            None => ReportedAction::by_status(given.or(from_text)),
        };
        let contradicted = given.is_some_and(|status| action.contradicts(status));
        let action = if contradicted { ReportedAction::Other } else { action };
        let derived = || from_text.filter(|status| action.allows(*status)).or_else(|| action.status());
        let remote_mta = self.remote_mta.as_deref().map(value::untyped).and_then(value::said);
        let (certainty, status) = (ReportCertainty::Stated, given.or_else(derived));
        Some(ReportedRecipient { address, original, action, certainty, status, diagnostic, remote_mta })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(String, &'static str, String)> {
        let line = |recipient: ReportedRecipient| {
            (recipient.address, recipient.action.word(), recipient.status.map_or("".into(), |s| s.to_string()))
        };
        read(text.as_bytes()).recipients.into_iter().map(line).collect()
    }

    fn one(address: &str, action: &'static str, status: &str) -> (String, &'static str, String) {
        (address.to_owned(), action, status.to_owned())
    }

    #[test]
    fn a_report_as_the_rfc_has_it() {
        let text = "Reporting-MTA: dns; mx.test\nOriginal-Envelope-Id: A+2BB\n\nOriginal-Recipient: rfc822;b+2Bt@x\n\
                    Final-Recipient: rfc822; b@x\nAction: failed\nStatus: 5.1.1\nRemote-MTA: dns; far.test\n\
                    Diagnostic-Code: smtp; 550 5.1.1 no\n such user\n\nFinal-Recipient: rfc822; c@x\n\
                    Action: delayed\nStatus: 4.4.1\n\n";
        let report = read(text.as_bytes());
        assert_eq!(report.envelope_id.as_deref(), Some("A+B"));
        let [first, second] = report.recipients.as_slice() else { panic!("{report:?}") };
        assert_eq!((first.address.as_str(), first.original.as_deref()), ("b@x", Some("b+t@x")));
        assert_eq!((first.action, first.status), (ReportedAction::Failed, Some(Status::NO_MAILBOX)));
        assert_eq!(first.diagnostic.as_deref(), Some("550 5.1.1 no such user"));
        assert_eq!(first.remote_mta.as_deref(), Some("far.test"));
        assert_eq!((second.address.as_str(), second.action), ("c@x", ReportedAction::Delayed));
    }

    #[test]
    fn recipients_are_told_apart_without_empty_lines() {
        let text = "reporting-mta: mx\nFINAL-RECIPIENT: a@x\nACTION: Failed\nSTATUS: 5.1.1 (gone)\n\
                    Final-Recipient: b@x\nAction: delivered\nStatus: 2.0.0\n";
        assert_eq!(told(text), [one("a@x", "failed", "5.1.1"), one("b@x", "delivered", "2.0.0")]);
        let text = "Action: failed\nFinal-Recipient: rfc822;a@x\nAction: delayed\nFinal-Recipient: rfc822;b@x\n";
        assert_eq!(told(text), [one("a@x", "failed", "5.0.0"), one("b@x", "delayed", "4.0.0")]);
    }

    #[test]
    fn an_empty_line_inside_a_recipient_tears_nothing_off() {
        let text = "Final-Recipient: rfc822; a@x\n\nAction: failed\nStatus: 5.2.2\n";
        assert_eq!(told(text), [one("a@x", "failed", "5.2.2")]);
    }

    #[test]
    fn what_is_missing_is_derived() {
        assert_eq!(told("Final-Recipient: a@x\nStatus: 4.2.0\n"), [one("a@x", "delayed", "4.2.0")]);
        assert_eq!(told("Final-Recipient: a@x\nAction: failure\nStatus: 5.0.0\n"), [one("a@x", "failed", "5.0.0")]);
        let text = "Original-Recipient: rfc822;a@x\nAction: failed\nDiagnostic-Code: smtp;554 4.4.7 expired\n";
        assert_eq!(told(text), [one("a@x", "failed", "4.4.7")]);
        assert_eq!(told("Final-Recipient: a@x\nDiagnostic-Code: 450 wait\n"), [one("a@x", "delayed", "4.0.0")]);
        assert_eq!(told("Final-Recipient: a@x\n"), [one("a@x", "other", "")]);
        assert_eq!(told("Final-Recipient: a@x\nAction: expired\n"), [one("a@x", "failed", "5.0.0")]);
        assert_eq!(told("Final-Recipient: a@x\nAction: Error\nStatus: 4.4.7\n"), [one("a@x", "failed", "4.4.7")]);
        assert_eq!(told("Action: failed\nStatus: 5.0.0\n"), []);
    }

    #[test]
    fn in_doubt_a_report_says_nothing() {
        for (action, status) in [
            ("deliverable", "2.1.5"),
            ("deliverable", "5.1.1"),
            ("probing", "5.0.0"),
            ("failed", "2.0.0"),
            ("expired", "2.0.0"),
            ("delayed", "2.0.0"),
            ("delivered", "5.1.1"),
            ("relayed", "4.4.1"),
        ] {
            let text = format!("Final-Recipient: rfc822; a@x\nAction: {action}\nStatus: {status}\n");
            assert_eq!(told(&text), [one("a@x", "other", status)], "{action} {status}");
        }
        assert_eq!(told("Final-Recipient: a@x\nStatus: 2.1.5\n"), [one("a@x", "other", "2.1.5")]);
        let text = "Final-Recipient: a@x\nAction: delayed\nStatus: 5.4.1\n";
        assert_eq!(told(text), [one("a@x", "delayed", "5.4.1")]);
    }
}
