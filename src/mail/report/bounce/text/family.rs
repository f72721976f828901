//! The wordings of known mail systems, and where each has the addresses.

use crate::mail::report::bounce::text::listing::{self, Found};
use crate::mail::report::bounce::text::page::Page;

/// Where the addresses stand.
#[derive(Clone, Copy)]
enum Place {
    /// In a list behind the wording.
    List,
    /// One, directly behind the wording.
    Inline,
    /// One, directly behind the wording, which begins a line.
    LineStart,
    /// In the replies of SMTP below.
    Replies,
    /// In the `To:` line of the message that is quoted.
    To,
}

/// The wordings, in small letters. The first one that leads to an address counts.
const WORDINGS: [(&str, Place); 55] = [
    // qmail and whatever else follows QSBMF.
    ("hi. this is the", Place::List),
    // Postfix.
    ("i'm sorry to have to inform you", Place::List),
    ("could not be delivered for more than", Place::List),
    // Exim and its kin.
    ("address(es) failed:", Place::List),
    ("addresses failed:", Place::List),
    ("following address failed:", Place::List),
    ("not yet been delivered is:", Place::List),
    ("not yet been delivered are:", Place::List),
    ("recipients. this is a permanent error.", Place::List),
    // Gmail.
    ("delivery to the following recipient failed", Place::List),
    ("delivery to the following recipients failed", Place::List),
    ("delivery to the following recipient has been delayed:", Place::List),
    ("delivery to the following recipients has been delayed:", Place::List),
    ("your message wasn't delivered to", Place::Inline),
    // Exchange.
    ("delivery has failed to these recipients or", Place::List),
    ("did not reach the following recipient(s):", Place::List),
    ("the following recipient(s) could not be reached:", Place::List),
    ("the following recipient(s) cannot be reached:", Place::List),
    // Sendmail.
    ("addresses had permanent fatal errors", Place::List),
    ("addresses had transient non-fatal errors", Place::List),
    ("addresses had fatal errors", Place::List),
    ("addresses had delivery problems", Place::List),
    ("addresses had delivery errors", Place::List),
    ("transcript of session follows", Place::Replies),
    ("transcript of session follows", Place::To),
    // Yahoo.
    ("unable to deliver message to the following address", Place::List),
    ("unable to deliver your message to the following address", Place::List),
    // OpenSMTPD, and the DragonFly Mail Agent.
    ("the following list of recipients:", Place::List),
    ("there was an error delivering your mail to", Place::Inline),
    // Courier, Domino, GroupWise, InterMail, amavisd, PMDF.
    ("following recipients cannot be delivered:", Place::List),
    ("was not delivered to:", Place::List),
    ("was undeliverable to the following:", Place::List),
    ("recipients did not receive this message:", Place::List),
    ("was not relayed to:", Place::List),
    ("your message cannot be delivered to the following recipients:", Place::List),
    ("recipient address:", Place::LineStart),
    // Services and gateways.
    ("to deliver the mail to the following recipients:", Place::List),
    ("to the following recipients was aborted", Place::List),
    ("the following address(es) could not be delivered", Place::List),
    ("was rejected by a remote mail server.", Place::List),
    ("m-filter", Place::List),
    ("recipients returned permanent errors:", Place::Inline),
    ("rejected recipient", Place::Inline),
    ("could not be delivered to:", Place::Inline),
    ("failed to deliver to", Place::Inline),
    ("message could not be delivered to mobile", Place::To),
    // IMail.
    ("unknown user:", Place::LineStart),
    ("unknown host:", Place::LineStart),
    ("user mailbox exceeds allowed size:", Place::LineStart),
    ("invalid final delivery userid:", Place::LineStart),
    ("attempts:", Place::Inline),
    ("undeliverable to", Place::LineStart),
    ("receiver not found:", Place::LineStart),
    // Whatever else shows its dialogue.
    ("the following addresses were rejected:", Place::List),
    ("rcpt to:", Place::Inline),
];

/// How texts begin that no person writes. The sender may be anybody: forwarders replace it.
const OPENINGS: [&str; 12] = [
    "hi. this is the ",
    "hi! this is the mailer-daemon",
    "this message was created automatically by mail delivery software",
    "this is the postfix program at host",
    "this is the mail system at host",
    "this is the dragonfly mail agent",
    "delivery to the following recipient failed permanently",
    "delivery has failed to these recipients or",
    "your message did not reach some or all of the intended recipients",
    "sorry, we were unable to deliver your message to the following address",
    "an error occurred while trying to deliver the mail to the following recipients",
    "this report relates to a message you sent",
];

/// How texts speak of a message that is still being tried.
const DELAYS: [&str; 9] = [
    "not yet been delivered",
    "has been delayed",
    "is delayed for more than",
    "could not be delivered for more than",
    "only a temporary failure",
    "transient non-fatal errors",
    "this is a warning message only",
    "this is a warning only",
    "still being retried",
];

/// How subjects do.
const DELAY_SUBJECTS: [&str; 3] = ["could not send mail for past", "still being retried", "delayed mail"];

/// The recipients that the text speaks of.
pub fn recipients(page: &Page<'_>) -> Vec<Found> {
    let read = |(wording, place): &(&str, Place)| {
        let at = match place {
            Place::LineStart => page.find_line(wording)?,
            _ => page.find(wording)?,
        };
        let found = match place {
            Place::List => listing::list(at.rest, at.below),
            Place::Inline | Place::LineStart => listing::inline(at.rest, at.below),
            Place::Replies => listing::replies(at.below),
            Place::To => listing::to(page.quoted()),
        };
        Some(found).filter(|found| !found.is_empty())
    };
    WORDINGS.iter().find_map(read).unwrap_or_default()
}

/// True when the text begins as only a mail system's does.
pub fn opens(page: &Page<'_>) -> bool {
    OPENINGS.iter().any(|opening| page.small().starts_with(opening))
}

/// True when the message is still being tried.
pub fn is_delay(page: &Page<'_>, subject: &str) -> bool {
    let subject = subject.to_ascii_lowercase();
    let said = DELAYS.iter().any(|wording| page.small().contains(wording));
    said || DELAY_SUBJECTS.iter().any(|wording| subject.contains(wording))
}
