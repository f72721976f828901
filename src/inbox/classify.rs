//! Classification of a received message: its class, flags and display texts.

use crate::mail::address::list;
use crate::mail::address::pattern::AddressPattern;
use crate::mail::address::{Address, AddressType};
use crate::mail::envelope::Envelope;
use crate::mail::message::class;
use crate::mail::message::header::{Header, HeaderField};
use crate::mail::message::mime;
use crate::mail::report::bounce::{IncomingReport, IncomingReportKind, ReportedAction, ReportedRecipient};
use crate::settings::Settings;
use crate::values::printable;

/// Properties of a message for hooks, notifications and events.
#[derive(Clone, Debug)]
pub struct Classification {
    /// Message class, such as `mail` or `report.mail.dsn.failed`.
    pub class: String,
    /// `From`, decoded, at most 300 characters, safe for a terminal.
    pub from: String,
    /// `Subject`, decoded, at most 300 characters, safe for a terminal.
    pub subject: String,
    /// Flags that are true for the message, such as `to_me`.
    pub flags: Vec<&'static str>,
}

/// Flags of a message, with the environment variables that pass them to hooks.
pub const FLAGS: [(&str, &str); 6] = [
    ("to_me", "MSPOOL_TO_ME"),
    ("cc_me", "MSPOOL_CC_ME"),
    ("recip_me", "MSPOOL_RECIP_ME"),
    ("from_me", "MSPOOL_FROM_ME"),
    ("auto_submitted", "MSPOOL_AUTO_SUBMITTED"),
    ("null_sender", "MSPOOL_NULL_SENDER"),
];

/// Maximum length of a display text, in characters.
const MAX_SHOWN_CHARS: usize = 300;

impl Classification {
    /// Classifies a message by its envelope, its header and the report that it contains.
    pub fn of(
        settings: &Settings,
        envelope: &Envelope,
        header: Option<&Header<'_>>,
        report: &IncomingReport,
    ) -> Classification {
        let own = OwnAddresses::of(settings, envelope);
        let names_user_in = |names: &[&str]| {
            header.is_some_and(|header| {
                let fields = header.fields.iter().filter(|field| names.iter().any(|name| field.is(name)));
                fields.flat_map(addresses).any(|address| own.contains(&address))
            })
        };
        let is_set = |flag: &str| match flag {
            "to_me" => names_user_in(&["To"]),
            "cc_me" => names_user_in(&["Cc"]),
            "recip_me" => names_user_in(&["To", "Cc", "Bcc"]),
            "from_me" => names_user_in(&["From"]),
            "auto_submitted" => header.is_some_and(Header::is_automatic),
            "null_sender" => envelope.sender.is_null(),
            _ => false,
        };
        let text = |name: &str| shown(&header.and_then(|header| mime::field_text(header, name)).unwrap_or_default());
        Classification {
            class: class_of(report),
            from: text("From"),
            subject: text("Subject"),
            flags: FLAGS.iter().map(|(flag, _)| *flag).filter(|flag| is_set(flag)).collect(),
        }
    }

    /// Returns the environment variable of each flag, with the value 1 or 0.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        FLAGS.iter().map(|(flag, name)| (*name, if self.flags.contains(flag) { "1" } else { "0" }.to_owned()))
    }
}

fn shown(text: &str) -> String {
    printable::line(text).chars().take(MAX_SHOWN_CHARS).collect()
}

fn addresses(field: &HeaderField<'_>) -> Vec<Address> {
    let list = list::parse(&field.value()).unwrap_or_default();
    list.iter().filter_map(|text| Address::new(AddressType::smtp(), text).ok()).collect()
}

/// Addresses of this user.
struct OwnAddresses<'a> {
    configured: Option<&'a [AddressPattern]>,
    sender: Option<AddressPattern>,
    local: Option<AddressPattern>,
    mailbox: Vec<(String, String)>,
}

impl<'a> OwnAddresses<'a> {
    fn of(settings: &'a Settings, envelope: &Envelope) -> OwnAddresses<'a> {
        let pattern = |text: &str| AddressPattern::parse(text).ok();
        OwnAddresses {
            configured: settings.identities.as_deref(),
            sender: settings.sender.as_ref().and_then(|sender| pattern(sender.as_str())),
            local: pattern(&settings.own_address()),
            mailbox: envelope.recipients.iter().map(|recipient| recipient.address.key()).collect(),
        }
    }

    fn contains(&self, address: &Address) -> bool {
        let is_configured = match self.configured {
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(address)),
            None => [&self.sender, &self.local].into_iter().flatten().any(|pattern| pattern.matches(address)),
        };
        is_configured || self.mailbox.contains(&address.key())
    }
}

/// Returns the class of a message: `mail`, or for an incoming report its kind and its worst action, such as
/// `report.mail.dsn.failed` or `report.mail.mdn.read`.
pub fn class_of(report: &IncomingReport) -> String {
    let worst = |rank: &dyn Fn(ReportedAction) -> u8| {
        report.recipients.iter().map(|reported: &ReportedRecipient| reported.action).max_by_key(|action| rank(*action))
    };
    match report.kind {
        IncomingReportKind::Dsn | IncomingReportKind::Text => {
            let rank = |action| match action {
                ReportedAction::Failed => 5,
                ReportedAction::Delayed => 4,
                ReportedAction::Relayed => 3,
                ReportedAction::Delivered => 2,
                ReportedAction::Expanded => 1,
                _ => 0,
            };
            let word = worst(&rank).filter(|action| rank(*action) > 0).map_or("failed", ReportedAction::word);
            format!("report.{}.dsn.{word}", class::MAIL)
        }
        IncomingReportKind::Mdn => {
            let read = report.recipients.iter().any(|reported| reported.action == ReportedAction::Displayed);
            format!("report.{}.mdn.{}", class::MAIL, if read { "read" } else { "notread" })
        }
        IncomingReportKind::None => class::MAIL.to_owned(),
    }
}
