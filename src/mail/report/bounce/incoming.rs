//! Content of an incoming report, as a value.

use crate::mail::report::bounce::original::ReturnedOriginal;
use crate::mail::report::bounce::reported::ReportedRecipient;

/// Kind of an incoming report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncomingReportKind {
    /// Delivery status notification (RFC 3464).
    Dsn,
    /// Message disposition notification (RFC 8098).
    Mdn,
    /// Plain-text bounce with known wording.
    Text,
    /// Not a report, or one that cannot be parsed.
    None,
}

impl IncomingReportKind {
    /// Returns the kind as one word.
    pub fn word(self) -> &'static str {
        match self {
            IncomingReportKind::Dsn => "dsn",
            IncomingReportKind::Mdn => "mdn",
            IncomingReportKind::Text => "text",
            IncomingReportKind::None => "none",
        }
    }
}

/// Content of an incoming report on other messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingReport {
    /// Kind of the report.
    pub kind: IncomingReportKind,
    /// Decoded envelope id of the reported message (RFC 3464 section 2.2.1).
    pub envelope_id: Option<String>,
    /// `Message-ID` of the reported message, without brackets.
    pub message_id: Option<String>,
    /// Reported recipients in the order of the report.
    pub recipients: Vec<ReportedRecipient>,
    /// Position of the returned message in the report.
    pub original: ReturnedOriginal,
}

impl IncomingReport {
    /// Returns the value for other mail.
    pub(super) fn not_a_report() -> IncomingReport {
        IncomingReport {
            kind: IncomingReportKind::None,
            envelope_id: None,
            message_id: None,
            recipients: Vec::new(),
            original: ReturnedOriginal::None,
        }
    }
}
