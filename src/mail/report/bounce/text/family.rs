//! Wordings of known mail systems, with the position of the addresses.

use crate::mail::report::bounce::reported::ReportedAction;
use crate::mail::report::bounce::text::listing::{self, FoundRecipient};
use crate::mail::report::bounce::text::page::{PagePosition, TextPage};

/// Position of the addresses relative to the wording.
#[derive(Clone, Copy)]
enum FamilyPosition {
    /// In a list after the wording.
    List,
    /// Addresses in one line directly after each occurrence of the wording.
    Inline,
    /// Addresses in one line directly after each occurrence of the wording that begins a line.
    LineStart,
    /// In the SMTP replies below.
    Replies,
    /// In the `To:` line of the quoted message.
    To,
}

/// Known wordings in lower case. The first one that leads to an address applies.
const WORDINGS: [(&str, FamilyPosition); 55] = [
    // qmail, and other systems that follow QSBMF.
    ("hi. this is the", FamilyPosition::List),
    // Postfix.
    ("i'm sorry to have to inform you", FamilyPosition::List),
    ("could not be delivered for more than", FamilyPosition::List),
    // Exim and its derivatives.
    ("address(es) failed:", FamilyPosition::List),
    ("addresses failed:", FamilyPosition::List),
    ("following address failed:", FamilyPosition::List),
    ("not yet been delivered is:", FamilyPosition::List),
    ("not yet been delivered are:", FamilyPosition::List),
    ("recipients. this is a permanent error.", FamilyPosition::List),
    // Gmail.
    ("delivery to the following recipient failed", FamilyPosition::List),
    ("delivery to the following recipients failed", FamilyPosition::List),
    ("delivery to the following recipient has been delayed:", FamilyPosition::List),
    ("delivery to the following recipients has been delayed:", FamilyPosition::List),
    ("your message wasn't delivered to", FamilyPosition::Inline),
    // Exchange.
    ("delivery has failed to these recipients or", FamilyPosition::List),
    ("did not reach the following recipient(s):", FamilyPosition::List),
    ("the following recipient(s) could not be reached:", FamilyPosition::List),
    ("the following recipient(s) cannot be reached:", FamilyPosition::List),
    // Sendmail.
    ("addresses had permanent fatal errors", FamilyPosition::List),
    ("addresses had transient non-fatal errors", FamilyPosition::List),
    ("addresses had fatal errors", FamilyPosition::List),
    ("addresses had delivery problems", FamilyPosition::List),
    ("addresses had delivery errors", FamilyPosition::List),
    ("transcript of session follows", FamilyPosition::Replies),
    ("transcript of session follows", FamilyPosition::To),
    // Yahoo.
    ("unable to deliver message to the following address", FamilyPosition::List),
    ("unable to deliver your message to the following address", FamilyPosition::List),
    // OpenSMTPD, and the DragonFly Mail Agent.
    ("the following list of recipients:", FamilyPosition::List),
    ("there was an error delivering your mail to", FamilyPosition::Inline),
    // Courier, Domino, GroupWise, InterMail, amavisd, PMDF.
    ("following recipients cannot be delivered:", FamilyPosition::List),
    ("was not delivered to:", FamilyPosition::List),
    ("was undeliverable to the following:", FamilyPosition::List),
    ("recipients did not receive this message:", FamilyPosition::List),
    ("was not relayed to:", FamilyPosition::List),
    ("your message cannot be delivered to the following recipients:", FamilyPosition::List),
    ("recipient address:", FamilyPosition::LineStart),
    // Services and gateways.
    ("to deliver the mail to the following recipients:", FamilyPosition::List),
    ("to the following recipients was aborted", FamilyPosition::List),
    ("the following address(es) could not be delivered", FamilyPosition::List),
    ("was rejected by a remote mail server.", FamilyPosition::List),
    ("m-filter", FamilyPosition::List),
    ("recipients returned permanent errors:", FamilyPosition::Inline),
    ("rejected recipient", FamilyPosition::Inline),
    ("could not be delivered to:", FamilyPosition::Inline),
    ("failed to deliver to", FamilyPosition::Inline),
    ("message could not be delivered to mobile", FamilyPosition::To),
    // IMail.
    ("unknown user:", FamilyPosition::LineStart),
    ("unknown host:", FamilyPosition::LineStart),
    ("user mailbox exceeds allowed size:", FamilyPosition::LineStart),
    ("invalid final delivery userid:", FamilyPosition::LineStart),
    ("attempts:", FamilyPosition::Inline),
    ("undeliverable to", FamilyPosition::LineStart),
    ("receiver not found:", FamilyPosition::LineStart),
    // Other systems that show the SMTP dialogue.
    ("the following addresses were rejected:", FamilyPosition::List),
    ("rcpt to:", FamilyPosition::Inline),
];

/// First words of texts that only mail systems write. The sender address is no evidence: forwarders replace it.
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

/// Wordings for a message that is still being retried.
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

/// Subjects of messages that are still being retried.
const DELAY_SUBJECTS: [&str; 3] = ["could not send mail for past", "still being retried", "delayed mail"];

/// Returns the recipients that the text names, each with its action: a text can have a section for each action.
pub fn recipients(page: &TextPage<'_>, subject: &str) -> Vec<(FoundRecipient, ReportedAction)> {
    let read = |(wording, position): &(&'static str, FamilyPosition)| {
        let found: Vec<FoundRecipient> = match position {
            FamilyPosition::List => page.find(wording).map(|at| listing::list(at.rest, at.below)).unwrap_or_default(),
            FamilyPosition::Inline => each(&page.find_all(wording)),
            FamilyPosition::LineStart => each(&page.find_lines(wording)),
            FamilyPosition::Replies => page.find(wording).map(|at| listing::replies(at.below)).unwrap_or_default(),
            FamilyPosition::To => page.find(wording).map(|_| listing::to(page.quoted())).unwrap_or_default(),
        };
        (!found.is_empty()).then_some((*wording, *position, found))
    };
    let Some(first) = WORDINGS.iter().find_map(read) else { return Vec::new() };
    let is_list = |position: &FamilyPosition| matches!(position, FamilyPosition::List);
    // Only lists have sections. Any other wording can be part of what is said about a recipient.
    let sections = WORDINGS.iter().filter(|(wording, position)| is_list(position) && *wording != first.0);
    let others: Vec<_> = if is_list(&first.1) { sections.filter_map(read).collect() } else { Vec::new() };
    let mut recipients: Vec<(FoundRecipient, ReportedAction)> = Vec::new();
    for (wording, _, found) in [first].into_iter().chain(others) {
        let action = action(page, subject, wording);
        recipients.extend(found.into_iter().map(|found| (found, action)));
    }
    recipients
}

fn each(places: &[PagePosition<'_, '_>]) -> Vec<FoundRecipient> {
    places.iter().flat_map(|at| listing::inline(at.rest, at.below)).collect()
}

/// Returns true if the text begins with words that only a mail system writes.
pub fn opens_report(page: &TextPage<'_>) -> bool {
    OPENINGS.iter().any(|opening| page.small().starts_with(opening))
}

/// Returns the action for the recipients at a wording: delayed if the message is still being retried. `""` stands for no
/// wording.
pub fn action(page: &TextPage<'_>, subject: &str, wording: &str) -> ReportedAction {
    let subject = subject.to_ascii_lowercase();
    // The heading of another section says nothing about this one.
    let heads_other = |delay: &str| {
        let head = |other: &str| other != wording && other.contains(delay) && page.small().contains(other);
        !wording.contains(delay) && !wording.is_empty() && WORDINGS.iter().any(|(other, _)| head(other))
    };
    let in_text = DELAYS.iter().any(|delay| page.small().contains(delay) && !heads_other(delay));
    let is_delay = in_text || DELAY_SUBJECTS.iter().any(|delay| subject.contains(delay));
    if is_delay { ReportedAction::Delayed } else { ReportedAction::Failed }
}
