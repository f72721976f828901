//! Disposition part of an MDN (RFC 8098 section 3): the action of the recipient's mail program.

use crate::mail::report::bounce::dsn::{DsnItem, items};
use crate::mail::report::bounce::reported::{ReportCertainty, ReportedAction, ReportedRecipient};
use crate::mail::report::bounce::value;

/// Content of a disposition part.
#[derive(Debug, Default)]
pub struct MdnFields {
    /// Value of `Original-Message-ID`, without brackets.
    pub message_id: Option<String>,
    /// Recipient of the original message.
    pub recipient: Option<ReportedRecipient>,
}

/// Parses the decoded body of the part.
pub fn read(body: &[u8]) -> MdnFields {
    let items = items(&String::from_utf8_lossy(body));
    let find = |wanted: &str| {
        items.iter().find_map(|item| match item {
            DsnItem::Field(name, value) if name == wanted => Some(value.as_str()),
            _ => None,
        })
    };
    let original = find("original-recipient").and_then(value::original_recipient);
    let address = find("final-recipient").and_then(value::recipient).or_else(|| original.clone());
    let action = find("disposition").and_then(disposition).unwrap_or(ReportedAction::Other);
    let why = ["failure", "error", "warning"].into_iter().find_map(find);
    let recipient = address.map(|address| ReportedRecipient {
        address,
        original,
        action,
        certainty: ReportCertainty::Stated,
        status: None,
        diagnostic: why.and_then(value::said),
        remote_mta: None,
    });
    MdnFields { message_id: find("original-message-id").and_then(value::message_id), recipient }
}

/// Parses the type in `mode; type/modifier` (RFC 8098 section 3.2.6).
fn disposition(value: &str) -> Option<ReportedAction> {
    let kind = value.rsplit(';').next()?.split(['/', ',']).next()?;
    ReportedAction::parse(kind.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disposition_has_a_type_between_mode_and_modifier() {
        assert_eq!(disposition("manual-action/MDN-sent-manually; displayed"), Some(ReportedAction::Displayed));
        assert_eq!(disposition("automatic-action/MDN-sent-automatically;Deleted/error"), Some(ReportedAction::Deleted));
        assert_eq!(disposition("dispatched"), Some(ReportedAction::Dispatched));
        assert_eq!(disposition("a/b; eaten"), None);
    }

    #[test]
    fn a_report_as_the_rfc_has_it() {
        let text = "Reporting-UA: pc.test; reader\nOriginal-Recipient: rfc822;b+2Bt@x\nFinal-Recipient: rfc822;b@x\n\
                    Original-Message-ID:\n <m@h>\nDisposition: manual-action/MDN-sent-manually; processed/error\n\
                    Error: disk full\n";
        let report = read(text.as_bytes());
        assert_eq!(report.message_id.as_deref(), Some("m@h"));
        let recipient = report.recipient.unwrap();
        assert_eq!((recipient.address.as_str(), recipient.original.as_deref()), ("b@x", Some("b+t@x")));
        assert_eq!((recipient.action, recipient.status), (ReportedAction::Processed, None));
        assert_eq!(recipient.diagnostic.as_deref(), Some("disk full"));
    }

    #[test]
    fn a_report_without_a_recipient_names_its_message() {
        let report = read(b"Disposition: x; denied\nOriginal-Message-ID: <m@h>\n");
        assert!(report.recipient.is_none());
        assert_eq!(report.message_id.as_deref(), Some("m@h"));
    }
}
