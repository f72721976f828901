//! What a received message is: its class, whom it names, what is shown of it.

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

/// What hooks, notices and events are told of a message.
#[derive(Clone, Debug)]
pub struct Classification {
    /// The message class.
    pub class: String,
    /// Whom it is from, by its header; safe for a terminal.
    pub from: String,
    /// Its subject, decoded; safe for a terminal.
    pub subject: String,
    /// What holds of it: words such as `to_me`.
    pub flags: Vec<&'static str>,
}

/// The flags that a message can have, and the variables that tell hooks of them.
pub const FLAGS: [(&str, &str); 6] = [
    ("to_me", "MSPOOL_TO_ME"),
    ("cc_me", "MSPOOL_CC_ME"),
    ("recip_me", "MSPOOL_RECIP_ME"),
    ("from_me", "MSPOOL_FROM_ME"),
    ("auto_submitted", "MSPOOL_AUTO_SUBMITTED"),
    ("null_sender", "MSPOOL_NULL_SENDER"),
];

/// Longest text shown of a header field, in characters.
const LONGEST_SHOWN: usize = 300;

impl Classification {
    /// Looks at a message with this header.
    pub fn of(
        settings: &Settings,
        envelope: &Envelope,
        header: Option<&Header<'_>>,
        report: &IncomingReport,
    ) -> Classification {
        let own = OwnAddresses::of(settings, envelope);
        let named = |names: &[&str]| {
            header.is_some_and(|header| {
                let fields = header.fields.iter().filter(|field| names.iter().any(|name| field.is(name)));
                fields.flat_map(addresses).any(|address| own.has(&address))
            })
        };
        let holds = |flag: &str| match flag {
            "to_me" => named(&["To"]),
            "cc_me" => named(&["Cc"]),
            "recip_me" => named(&["To", "Cc", "Bcc"]),
            "from_me" => named(&["From"]),
            "auto_submitted" => header.is_some_and(Header::is_automatic),
            "null_sender" => envelope.sender.is_null(),
            _ => false,
        };
        let text = |name: &str| shown(&header.and_then(|header| mime::field_text(header, name)).unwrap_or_default());
        Classification {
            class: class_of(report),
            from: text("From"),
            subject: text("Subject"),
            flags: FLAGS.iter().map(|(flag, _)| *flag).filter(|flag| holds(flag)).collect(),
        }
    }

    /// The variables that tell of the flags: 1 or 0.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        FLAGS.iter().map(|(flag, name)| (*name, if self.flags.contains(flag) { "1" } else { "0" }.to_owned()))
    }
}

fn shown(text: &str) -> String {
    printable::line(text).chars().take(LONGEST_SHOWN).collect()
}

fn addresses(field: &HeaderField<'_>) -> Vec<Address> {
    let list = list::parse(&field.value()).unwrap_or_default();
    list.iter().filter_map(|text| Address::new(AddressType::smtp(), text).ok()).collect()
}

/// Our own addresses.
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

    fn has(&self, address: &Address) -> bool {
        let known = match self.configured {
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(address)),
            None => [&self.sender, &self.local].into_iter().flatten().any(|pattern| pattern.matches(address)),
        };
        known || self.mailbox.contains(&address.key())
    }
}

/// `mail`, or for a report its kind and the worst that it tells: `report.mail.dsn.failed`, `report.mail.mdn.read`.
pub fn class_of(report: &IncomingReport) -> String {
    let worst = |rank: &dyn Fn(ReportedAction) -> u8| {
        report.recipients.iter().map(|heard: &ReportedRecipient| heard.action).max_by_key(|action| rank(*action))
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
            let read = report.recipients.iter().any(|heard| heard.action == ReportedAction::Displayed);
            format!("report.{}.mdn.{}", class::MAIL, if read { "read" } else { "notread" })
        }
        IncomingReportKind::None => class::MAIL.to_owned(),
    }
}
