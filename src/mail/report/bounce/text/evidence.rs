//! Evidence of a failed delivery in a text of unknown wording: status codes, and words that mail systems use.

use crate::mail::report::bounce::code;
use crate::mail::report::bounce::text::page::TextPage;
use crate::mail::status::Status;

/// Weight of a phrase, or of a line with such phrases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceWeight {
    /// Nothing that tells of a failure.
    None,
    /// Words that also occur in other automatic mail, such as a notice of absence.
    Weak,
    /// Words about a delivery or an address that only a mail system needs.
    Strong,
}

/// Evidence in one line.
#[derive(Clone, Copy, Debug)]
pub struct LineEvidence {
    /// Weight of the phrases that begin in the line.
    pub weight: EvidenceWeight,
    /// Status code of class 4 or 5 in the line.
    pub code: Option<Status>,
}

impl LineEvidence {
    /// Returns true if the line tells of a failed delivery without doubt.
    pub fn is_strong(&self) -> bool {
        self.code.is_some() || self.weight == EvidenceWeight::Strong
    }
}

/// Phrases in lower case that tell of a failed delivery.
const STRONG: &[&str] = &[
    // The delivery.
    "undeliver",
    "not deliver",
    "not be deliver",
    "not been deliver",
    "not yet been deliver",
    "n't deliver",
    "n't be deliver",
    "not successfully deliver",
    "not able to deliver",
    "unable to deliver",
    "unable to be deliver",
    "failed to deliver",
    "failed to be deliver",
    "failed delivery",
    "non-delivery",
    "nondelivery",
    "delivery failed",
    "delivery has failed",
    "delivery failure",
    "delivery error",
    "delivery problem",
    "was aborted",
    "is delayed",
    "been delayed",
    "been postponed",
    "delayed for",
    "delivery has been suspended",
    "temporary failure",
    "delivery was unsuccessful",
    "delivery to the following",
    "attempting to deliver",
    "problem delivering",
    "problems delivering",
    "error delivering",
    "error occurred while delivering",
    "error while delivering",
    "failed recipient",
    "failed address",
    "rejected recipient",
    "returned mail",
    "returned to sender",
    "return to sender",
    "mail failure",
    "message failure",
    "not reach the following",
    "not be reached",
    "not receive this message",
    "not receive your message",
    "not receive a copy",
    "not relayed",
    "relaying denied",
    "relay access denied",
    "unable to relay",
    "permanent error",
    "permanent fatal error",
    "fatal error",
    "transient non-fatal error",
    "giving up",
    "given up",
    "gave up",
    // The address.
    "user unknown",
    "unknown user",
    "unknown or illegal",
    "unknown recipient",
    "recipient unknown",
    "unknown address",
    "address unknown",
    "unknown mailbox",
    "unknown account",
    "unknown local",
    "unknown host",
    "host unknown",
    "unknown domain",
    "domain unknown",
    "no such user",
    "no such mailbox",
    "no such address",
    "no such recipient",
    "no such account",
    "no such person",
    "no such local user",
    "no mailbox",
    "no user by that name",
    "not our customer",
    "mailbox not found",
    "user not found",
    "recipient not found",
    "unrouteable",
    "unroutable",
    "over quota",
    "quota exceeded",
    "exceeded quota",
    "mailbox full",
    "mailbox is full",
    "full mailbox",
    "mailbox unavailable",
    "recipient address rejected",
    "address rejected",
];

/// Phrases in lower case that tell of a failure where a mail system is known to speak.
const WEAK: &[&str] = &[
    "fail",
    "error",
    "reject",
    "refus",
    "denied",
    "blocked",
    "bounce",
    "returned",
    "invalid",
    "not valid",
    "not a valid",
    "not exist",
    "n't exist",
    "not found",
    "not be found",
    "n't be found",
    "n't find",
    "not find",
    "not recognized",
    "not known",
    "not listed",
    "unknown",
    "quota",
    "exceed",
    "disabled",
    "inactive",
    "suspended",
    "timed out",
    "time out",
    "timeout",
    "unreachable",
    "not reach",
    "not accept",
    "n't accept",
    "too many hops",
    "not be sent",
    "not sent",
    "not be processed",
    "unable to",
    "unsuccessful",
    "not permitted",
    "not allowed",
    "expired",
    "discarded",
];

/// Phrases of other languages, as in [`STRONG`].
const STRONG_ELSEWHERE: &[&str] = &[
    "unzustellbar",
    "nicht zugestellt",
    "nicht zustellbar",
    "konnte nicht",
    "unbekannter benutzer",
    "empf\u{e4}nger unbekannt",
    "fehlgeschlagen",
    "non remis",
    "pas pu \u{ea}tre",
    "pas \u{e9}t\u{e9} remis",
    "utilisateur inconnu",
    "no se pudo entregar",
    "no se ha podido entregar",
    "no pudo ser entregado",
    "usuario desconocido",
    "non recapitabile",
    "impossibile consegnare",
    "non \u{e8} stato consegnato",
    "utente sconosciuto",
    "n\u{e3}o foi entregue",
    "n\u{e3}o p\u{f4}de ser entregue",
    "usu\u{e1}rio desconhecido",
    "niet bezorgd",
    "onbestelbaar",
    "nie mo\u{17c}na dostarczy\u{107}",
    "\u{43d}\u{435} \u{434}\u{43e}\u{441}\u{442}\u{430}\u{432}\u{43b}\u{435}\u{43d}\u{43e}",
    "\u{43d}\u{435} \u{43c}\u{43e}\u{436}\u{435}\u{442} \u{431}\u{44b}\u{442}\u{44c} \u{434}\u{43e}\u{441}\u{442}\u{430}\u{432}\u{43b}\u{435}\u{43d}\u{43e}",
    "\u{9001}\u{4fe1}\u{3067}\u{304d}\u{307e}\u{305b}\u{3093}",
    "\u{914d}\u{4fe1}\u{3067}\u{304d}",
    "\u{914d}\u{9001}\u{3067}\u{304d}",
    "\u{5c4a}\u{3051}\u{308b}\u{3053}\u{3068}\u{304c}\u{3067}\u{304d}",
    "\u{9000}\u{4fe1}",
    "\u{65e0}\u{6cd5}\u{53d1}\u{9001}",
    "\u{65e0}\u{6cd5}\u{6295}\u{9012}",
];

/// Phrases for a message that is still being retried.
const RETRIES: &[&str] = &[
    "will be retried",
    "being retried",
    "keep trying",
    "continue to try",
    "continue trying",
    "continue to attempt",
    "continue to be attempted",
    "continue to be made",
    "will try again",
    "warning only",
    "warning message only",
    "not need to re",
];

/// Phrases for a delay, unless the text tells of the end of all attempts.
const DELAYS: &[&str] =
    &["not yet", "delayed", "postponed", "try again later", "trying to deliver", "temporarily deferred"];

/// Words in the subject of a delay.
const DELAY_SUBJECTS: &[&str] = &["warning", "delay", "still being retried"];

/// Phrases for the end of all attempts.
const ENDS: &[&str] =
    &["permanent", "giving up", "given up", "gave up", "no further attempt", "not be retried", "has failed"];

/// Words in the subject of notices of absence.
const ABSENCES: &[&str] = &[
    "out of office",
    "out of the office",
    "vacation",
    "holiday",
    "auto reply",
    "auto-reply",
    "autoreply",
    "automatic reply",
    "auto response",
    "abwesen",
    "away from",
    "on leave",
];

/// Words near a reply code of SMTP. Without one, three digits can be any number.
const REPLY_WORDS: &[&str] =
    &["smtp", "said", "error", "code", "reply", "response", "respon", "server", "remote", "host", "returned", "status"];

/// Returns the evidence in each line of the page.
pub fn of_lines(page: &TextPage<'_>) -> Vec<LineEvidence> {
    let code = |line: &&str| LineEvidence { weight: EvidenceWeight::None, code: strict_code(line) };
    let mut lines: Vec<LineEvidence> = page.lines().iter().map(code).collect();
    let small = page.small();
    let strong = STRONG.iter().chain(STRONG_ELSEWHERE).map(|phrase| (*phrase, EvidenceWeight::Strong));
    for (phrase, weight) in strong.chain(WEAK.iter().map(|phrase| (*phrase, EvidenceWeight::Weak))) {
        for (start, _) in small.match_indices(phrase) {
            if let Some(line) = page.line_of(start).and_then(|line| lines.get_mut(line)) {
                line.weight = line.weight.max(weight);
            }
        }
    }
    lines
}

/// Returns the status code of a line: an enhanced code, or a reply code that begins the line or has a word of SMTP near it.
fn strict_code(line: &str) -> Option<Status> {
    let status = code::find(line)?;
    if status != Status::FAILED && status != Status::TEMPORARY {
        return Some(status);
    }
    let begins =
        line.trim_start_matches(|c: char| c.is_whitespace() || "<>-*(['\"#".contains(c)).starts_with(['4', '5']);
    let small = line.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| small.contains(word));
    (begins || has(&[": 5", ": 4", "(5", "(4"]) || has(REPLY_WORDS)).then_some(status)
}

/// Returns the weight of a subject.
pub fn of_subject(subject: &str) -> EvidenceWeight {
    let small = subject.to_lowercase();
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| small.contains(phrase));
    if has(STRONG) || has(STRONG_ELSEWHERE) {
        EvidenceWeight::Strong
    } else if has(WEAK) {
        EvidenceWeight::Weak
    } else {
        EvidenceWeight::None
    }
}

/// Returns true for the subject of a notice of absence.
pub fn is_absence(subject: &str) -> bool {
    let small = subject.to_lowercase();
    ABSENCES.iter().any(|phrase| small.contains(phrase))
}

/// Returns true if the text says that the message is still being retried, or the text or the subject tells of a delay and
/// nothing says that the attempts have ended.
pub fn is_delay(page: &TextPage<'_>, subject: &str) -> bool {
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| page.small().contains(phrase));
    let subject = subject.to_lowercase();
    let delayed = has(DELAYS) || DELAY_SUBJECTS.iter().any(|word| subject.contains(word));
    has(RETRIES) || (delayed && !has(ENDS))
}
