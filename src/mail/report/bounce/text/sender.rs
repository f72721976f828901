//! Senders of bounces.

use crate::mail::message::header::Header;
use crate::mail::message::mime;

/// Evidence that a mail system wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemSender {
    /// The sender is null, which is also true of other automatic mail.
    Null,
    /// The sender has a name that mail systems use.
    Named,
}

/// Names of mail systems in lower case.
const NAMES: [&str; 4] = ["mailer-daemon", "postmaster", "mail delivery system", "mail delivery subsystem"];

/// Other names that senders of bounces have in `From`.
const MORE_NAMES: &[&str] = &[
    "mail delivery",
    "maildelivery",
    "mail daemon",
    "mailer daemon",
    "mail system",
    "mail administrator",
    "delivery system",
    "mdaemon",
    "system administrator",
    "mail_service",
    "smtp",
];

/// Returns true if a mail system wrote the message: the sender is null, or has a name that mail systems use.
pub fn is_from_daemon(header: &Header<'_>) -> bool {
    let return_path = value(header, "Return-Path").unwrap_or_else(|| "?".to_owned());
    let from = value(header, "From").unwrap_or_default();
    is_named(header) || matches!(return_path.as_str(), "" | "<>") || from == "<>"
}

/// Returns the evidence that a mail system wrote the message; `None` if there is none.
pub fn system_sender(header: &Header<'_>) -> Option<SystemSender> {
    let from = mime::field_text(header, "From").unwrap_or_default().to_lowercase();
    // The domain can be that of any sender.
    let from = from.rsplit_once('@').map_or(from.as_str(), |(name, _)| name);
    if is_named(header) || MORE_NAMES.iter().any(|name| from.contains(name)) {
        return Some(SystemSender::Named);
    }
    is_from_daemon(header).then_some(SystemSender::Null)
}

fn is_named(header: &Header<'_>) -> bool {
    let marker = String::from_utf8_lossy(header.marker).to_ascii_lowercase();
    let texts = [value(header, "From"), value(header, "Return-Path"), Some(marker)];
    texts.iter().flatten().any(|text| NAMES.iter().any(|name| text.contains(name)))
}

fn value(header: &Header<'_>, name: &str) -> Option<String> {
    header.all(name).next().map(|field| field.value().to_ascii_lowercase())
}
