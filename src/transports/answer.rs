//! Answers of commands: exit status, output and result lines, converted into one result per recipient.
//!
//! Only a clear answer settles a recipient. After any other answer the recipient is still owed.

use std::collections::HashMap;

use crate::mail::address::{Address, split_type};
use crate::mail::status::{Status, StatusClass};
use crate::transports::exits::{ExitMeaning, ExitMeanings};
use crate::transports::finished::{FinishedProgram, LinesCompleteness, ProgramEnding};
use crate::transports::remote_id;
use crate::values::printable::{self, TextLimit};
use crate::values::time;

/// Kind of a recipient's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultKind {
    /// The transport has taken responsibility for the recipient.
    Accepted,
    /// Permanent failure.
    Failed,
    /// Temporary failure: try again after this many seconds; `None` is after the back-off.
    Deferred(Option<u64>),
    /// Transport busy: the attempt is not counted, and no back-off applies.
    Busy,
    /// Recipient of another transport, which is tried next.
    NotMine,
    /// Accepted; the result is reported later.
    Async,
    /// Broken transport: the attempt is not counted, and the circuit breaker opens.
    Broken,
    /// Refused login: as for a broken transport, and a person has to correct something.
    LoginRefused,
}

/// Result of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportResult {
    /// Kind of the result.
    pub kind: ResultKind,
    /// Status code (RFC 3463), from the transport or derived from its exit status.
    pub status: Status,
    /// Explanation, usually output of the transport; safe for a terminal.
    pub text: String,
    /// Names of the filtered messages that the recipient has, if it does not have all of them.
    pub parts: Vec<String>,
    /// System that reports the success to the sender, if the sender asked for that.
    pub success_reporter: SuccessReporter,
}

/// System that reports a success to the sender (RFC 3461 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuccessReporter {
    /// mspool.
    Mspool,
    /// The next system, which was told of the request.
    NextSystem,
}

impl TransportResult {
    /// Creates a result of the message as a whole.
    pub fn new(kind: ResultKind, status: Status, text: impl Into<String>) -> TransportResult {
        TransportResult {
            kind,
            status,
            text: text.into(),
            parts: Vec::new(),
            success_reporter: SuccessReporter::Mspool,
        }
    }
}

/// Answer of a transport to a hand-off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOffResult {
    /// One result per recipient of the hand-off, in the same order.
    pub results: Vec<TransportResult>,
    /// Trouble of the transport as a whole.
    pub broken: Option<BrokenTransport>,
    /// Id that the next system gave to the message.
    pub remote_id: Option<String>,
}

/// Trouble of a transport as a whole, which opens its circuit breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenTransport {
    /// Kind of the trouble.
    pub kind: TroubleKind,
    /// Error text of the transport.
    pub text: String,
}

/// Kind of the trouble of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// It does not work. It may work again by itself.
    Broken,
    /// The next system refused the login. To try often would lock the account.
    LoginRefused,
}

impl BrokenTransport {
    /// Returns the trouble that a result shows, if it concerns the transport as a whole.
    pub(super) fn shown_by(kind: &ResultKind, text: &str) -> Option<BrokenTransport> {
        let kind = match kind {
            ResultKind::Broken => TroubleKind::Broken,
            ResultKind::LoginRefused => TroubleKind::LoginRefused,
            ResultKind::Accepted
            | ResultKind::Failed
            | ResultKind::Deferred(_)
            | ResultKind::Busy
            | ResultKind::NotMine
            | ResultKind::Async => return None,
        };
        Some(BrokenTransport { kind, text: text.to_owned() })
    }
}

/// Interprets the answer for these recipients. `exits` are the meanings that the transport defines.
pub fn interpret(finished: &FinishedProgram, recipients: &[&Address], exits: &ExitMeanings) -> HandOffResult {
    let lines = ResultLines::read(&finished.lines, recipients);
    let base = match finished.completeness {
        LinesCompleteness::Whole => base(finished, lines.retry_after, exits),
        // The line of a recipient without one may be among the dropped lines.
        LinesCompleteness::Cut => TransportResult::new(
            ResultKind::Deferred(lines.retry_after),
            Status::LOCAL_TROUBLE,
            "more result lines than are kept, outcome unknown",
        ),
    };
    let broken = BrokenTransport::shown_by(&base.kind, &base.text);
    debug_assert_eq!(lines.results.len(), recipients.len(), "one result for each recipient");
    let each = lines.results.into_iter().map(|outcome| outcome.unwrap_or_else(|| base.clone()));
    let results: Vec<TransportResult> = each.collect();
    let took = |one: &&TransportResult| matches!(one.kind, ResultKind::Accepted | ResultKind::Async);
    let in_reply = || results.iter().filter(took).find_map(|one| remote_id::find(&one.text)).map(str::to_owned);
    let remote_id = lines.remote_id.or_else(in_reply);
    HandOffResult { results, broken, remote_id }
}

/// Returns the result of every recipient without a result line.
fn base(finished: &FinishedProgram, retry_after: Option<u64>, exits: &ExitMeanings) -> TransportResult {
    let said = [&finished.stdout, &finished.stderr].map(|bytes| printable::output(bytes, TextLimit::Result));
    let code = match &finished.ending {
        ProgramEnding::Exited(code) => *code,
        ending => return without_exit(ending, retry_after),
    };
    let lead = said.iter().find_map(|text| Status::leading(text));
    let text = said.iter().find(|text| !text.is_empty()).cloned().unwrap_or_default();
    // What the configuration says of an exit status overrides everything that the program printed.
    if let Some(meaning) = u8::try_from(code).ok().and_then(|code| exits.get(&code)) {
        let (kind, status, explanation) = by_meaning(*meaning, retry_after);
        let text = if text.is_empty() { format!("{explanation} (exit status {code})") } else { text };
        return TransportResult::new(kind, status, text);
    }
    let (kind, status, explanation) = by_exit(code, retry_after);
    // A status in the output overrides the exit status, except that exit status 81 makes a success asynchronous.
    if let Some((status, rest)) = lead
        && !(code == 81 && status.class() == StatusClass::Success)
    {
        return TransportResult::new(by_status(status, retry_after), status, rest);
    }
    let text = if text.is_empty() { explanation } else { text };
    debug_assert!(!text.chars().any(printable::is_unsafe), "what a program said is printable");
    TransportResult::new(kind, status, text)
}

fn without_exit(ending: &ProgramEnding, retry_after: Option<u64>) -> TransportResult {
    let (kind, status, text) = match ending {
        ProgramEnding::Exited(_) => (ResultKind::Deferred(retry_after), Status::TEMPORARY, String::new()),
        ProgramEnding::Signalled(signal) => {
            (ResultKind::Deferred(retry_after), Status::LOCAL_TROUBLE, format!("killed by signal {signal}"))
        }
        ProgramEnding::TimedOut(limit) => {
            let text = format!("killed after {}, outcome unknown", time::span(*limit));
            (ResultKind::Deferred(retry_after), Status::LOCAL_TROUBLE, text)
        }
        ProgramEnding::Interrupted => (ResultKind::Busy, Status::NOT_NOW, "interrupted, outcome unknown".to_owned()),
        ProgramEnding::NotStarted(reason) => (ResultKind::Broken, Status::BROKEN, printable::line(reason)),
        ProgramEnding::NoResources(reason) => (ResultKind::Busy, Status::LOCAL_TROUBLE, printable::line(reason)),
    };
    TransportResult::new(kind, status, text)
}

/// Interprets an exit status by its configured meaning.
fn by_meaning(meaning: ExitMeaning, retry_after: Option<u64>) -> (ResultKind, Status, &'static str) {
    match meaning {
        ExitMeaning::Failed => (ResultKind::Failed, Status::FAILED, "refused"),
        ExitMeaning::Deferred => (ResultKind::Deferred(retry_after), Status::TEMPORARY, "temporary failure"),
        ExitMeaning::Broken => (ResultKind::Broken, Status::BROKEN, "the transport is broken"),
        ExitMeaning::Auth => (ResultKind::LoginRefused, Status::NO_LOGIN, "the login was refused"),
        ExitMeaning::Busy => (ResultKind::Busy, Status::NOT_NOW, "busy"),
        ExitMeaning::NotMe => (ResultKind::NotMine, Status::NO_ROUTE, "not for this transport"),
    }
}

/// Interprets an exit status: sysexits(3) as mail programs use them, and mspool's own codes from 80.
fn by_exit(code: i32, retry_after: Option<u64>) -> (ResultKind, Status, String) {
    let later = ResultKind::Deferred(retry_after);
    let (kind, status, text) = match code {
        0 => (ResultKind::Accepted, Status::DONE, ""),
        64 => (ResultKind::Failed, Status::BAD_USAGE, "usage error"),
        65 => (ResultKind::Failed, Status::BAD_MESSAGE, "message refused"),
        67 => (ResultKind::Failed, Status::NO_MAILBOX, "no such user"),
        68 => (later, Status::NO_HOST, "host unknown"),
        69 => (later, Status::LOCAL_TROUBLE, "service unavailable"),
        70 => (ResultKind::Broken, Status::BROKEN, "internal error of the transport"),
        75 => (later, Status::TEMPORARY, "temporary failure"),
        77 => (ResultKind::Failed, Status::REFUSED, "permission denied"),
        78 => (ResultKind::Broken, Status::BROKEN, "configuration error of the transport"),
        80 => (ResultKind::NotMine, Status::NO_ROUTE, "not for this transport"),
        81 => (ResultKind::Async, Status::DONE, "result comes later"),
        82 => (ResultKind::Busy, Status::NOT_NOW, "busy"),
        _ => return (later, Status::LOCAL_TROUBLE, format!("unknown exit status {code}")),
    };
    (kind, status, if code == 0 { String::new() } else { format!("{text} (exit status {code})") })
}

fn by_status(status: Status, retry_after: Option<u64>) -> ResultKind {
    match status.class() {
        StatusClass::Success => ResultKind::Accepted,
        StatusClass::Temporary => ResultKind::Deferred(retry_after),
        StatusClass::Permanent => ResultKind::Failed,
    }
}

/// Parsed result lines.
struct ResultLines {
    results: Vec<Option<TransportResult>>,
    retry_after: Option<u64>,
    remote_id: Option<String>,
}

impl ResultLines {
    fn read(bytes: &[u8], recipients: &[&Address]) -> ResultLines {
        let known = by_key(recipients);
        let mut read = ResultLines { results: vec![None; recipients.len()], retry_after: None, remote_id: None };
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.trim_end().split_once(' ')).collect();
        for (word, rest) in &lines {
            match *word {
                "retry-after" => read.retry_after = rest.trim().parse().ok().or(read.retry_after),
                "ref" => read.remote_id = Some(printable::output(rest.as_bytes(), TextLimit::Excerpt)),
                _ => {}
            }
        }
        for (word, rest) in &lines {
            match *word {
                "rcpt" => {
                    let Some((index, rest)) = recipient(rest, &known) else { continue };
                    let Some((status, text)) = Status::leading(rest) else { continue };
                    let kind = by_status(status, read.retry_after);
                    let text = printable::output(text.as_bytes(), TextLimit::Result);
                    read.results[index] = Some(TransportResult::new(kind, status, text));
                }
                "notme" => {
                    let Some((index, _)) = recipient(rest, &known) else { continue };
                    let (kind, status, text) = by_exit(80, None);
                    read.results[index] = Some(TransportResult::new(kind, status, text));
                }
                _ => {}
            }
        }
        read
    }
}

/// Returns the index of each recipient by its key, which the envelope uses to detect duplicates.
fn by_key(recipients: &[&Address]) -> HashMap<(String, String), usize> {
    recipients.iter().enumerate().map(|(index, address)| (address.key(), index)).collect()
}

/// Returns the index of a line's recipient, and the rest of the line. A quoted address can contain spaces, so the
/// address can end at any of the first 20 spaces: the longest known address applies.
fn recipient<'t>(rest: &'t str, known: &HashMap<(String, String), usize>) -> Option<(usize, &'t str)> {
    let blanks = rest.match_indices(' ').map(|(at, _)| at).take(20);
    let ends: Vec<usize> = blanks.chain([rest.len()]).collect();
    ends.into_iter().rev().find_map(|end| {
        let (kind, text) = split_type(&rest[..end]);
        // The transport may omit the type of an address that is not internet mail.
        let same = |address: &Address| known.get(&address.key()).copied();
        let typed = Address::new(kind, text).ok().and_then(|address| same(&address));
        let untyped = || known.iter().find(|((_, known), _)| *known == rest[..end]).map(|(_, index)| *index);
        Some((typed.or_else(untyped)?, rest[end..].trim_start()))
    })
}

/// Parses a line `progress N/M TEXT` into steps done, steps in total, and text.
pub fn progress(line: &str) -> Option<(u64, u64, String)> {
    let rest = line.strip_prefix("progress ")?;
    let (numbers, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let (done, all) = numbers.split_once('/')?;
    Some((done.parse().ok()?, all.parse().ok()?, printable::output(text.as_bytes(), TextLimit::Progress)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::time::Duration;

    use super::*;

    fn answer(ending: ProgramEnding, stdout: &str, stderr: &str, lines: &str, recipients: &[&str]) -> HandOffResult {
        let addresses: Vec<Address> = recipients.iter().map(|text| Address::parse(text).unwrap()).collect();
        let [stdout, stderr, lines] = [stdout, stderr, lines].map(|text| text.as_bytes().to_vec());
        let finished = FinishedProgram { ending, stdout, stderr, lines, completeness: LinesCompleteness::Whole };
        interpret(&finished, &addresses.iter().collect::<Vec<_>>(), &ExitMeanings::new())
    }

    fn exit(code: i32) -> (ResultKind, String) {
        let answer = answer(ProgramEnding::Exited(code), "", "", "", &["a@x"]);
        (answer.results[0].kind.clone(), answer.results[0].status.to_string())
    }

    #[test]
    fn the_exit_table() {
        assert_eq!(exit(0), (ResultKind::Accepted, "2.0.0".into()));
        assert_eq!(exit(64), (ResultKind::Failed, "5.5.4".into()));
        assert_eq!(exit(65), (ResultKind::Failed, "5.6.0".into()));
        assert_eq!(exit(67), (ResultKind::Failed, "5.1.1".into()));
        assert_eq!(exit(77), (ResultKind::Failed, "5.7.1".into()));
        for code in [1, 2, 68, 69, 75, 76, 83, 99, 126, 127, 255] {
            assert_eq!(exit(code).0, ResultKind::Deferred(None), "{code}");
        }
        assert_eq!(exit(70).0, ResultKind::Broken);
        assert_eq!(exit(78).0, ResultKind::Broken);
        assert_eq!(exit(80), (ResultKind::NotMine, "5.4.4".into()));
        assert_eq!(exit(81).0, ResultKind::Async);
        assert_eq!(exit(82).0, ResultKind::Busy);
    }

    #[test]
    fn a_leading_status_decides_over_the_exit_code() {
        let said = |code, out: &str, err: &str| {
            let answer = answer(ProgramEnding::Exited(code), out, err, "", &["a@x"]);
            let outcome = answer.results[0].clone();
            (outcome.kind, outcome.status.to_string(), outcome.text)
        };
        assert_eq!(said(75, "5.2.2 mailbox full\n", ""), (ResultKind::Failed, "5.2.2".into(), "mailbox full".into()));
        assert_eq!(said(67, "", "4.2.1 away\n"), (ResultKind::Deferred(None), "4.2.1".into(), "away".into()));
        assert_eq!(said(1, "2.0.0 queued", ""), (ResultKind::Accepted, "2.0.0".into(), "queued".into()));
        assert_eq!(said(67, "version 5.1.1", ""), (ResultKind::Failed, "5.1.1".into(), "version 5.1.1".into()));
        assert_eq!(said(81, "2.0.0 soon", "").0, ResultKind::Async);
        assert_eq!(said(0, "3.1.1 odd", "").0, ResultKind::Accepted);
    }

    #[test]
    fn no_exit_status_leaves_the_mail_owed() {
        let kind = |ending| answer(ending, "5.1.1 gone", "", "", &["a@x"]).results[0].kind.clone();
        assert_eq!(kind(ProgramEnding::Signalled(9)), ResultKind::Deferred(None));
        assert_eq!(kind(ProgramEnding::TimedOut(Duration::from_secs(600))), ResultKind::Deferred(None));
        assert_eq!(kind(ProgramEnding::Interrupted), ResultKind::Busy);
        assert_eq!(kind(ProgramEnding::NotStarted("no such file".into())), ResultKind::Broken);
        assert_eq!(kind(ProgramEnding::NoResources("too many".into())), ResultKind::Busy);
    }

    #[test]
    fn result_lines_speak_for_their_recipients() {
        let lines = "rcpt a@x 2.1.5 fine\nrcpt b@x 5.1.1 no such user\nnotme c@x\nretry-after 90\nref 4F2A\n\
                     rcpt stranger@x 5.0.0 who\nrcpt d@x nonsense\nrcpt \"e e\"@x 4.2.2 full\n";
        let answer =
            answer(ProgramEnding::Exited(75), "", "", lines, &["a@x", "b@x", "c@x", "d@x", "\"e e\"@x", "FAX:1"]);
        let kinds: Vec<ResultKind> = answer.results.iter().map(|outcome| outcome.kind.clone()).collect();
        let later = ResultKind::Deferred(Some(90));
        assert_eq!(
            kinds,
            [ResultKind::Accepted, ResultKind::Failed, ResultKind::NotMine, later.clone(), later.clone(), later]
        );
        assert_eq!(answer.results[1].text, "no such user");
        assert_eq!(answer.remote_id.as_deref(), Some("4F2A"));
    }

    #[test]
    fn a_line_is_for_the_same_mailbox_however_its_domain_is_written() {
        let lines = "rcpt bob@example.com 5.1.1 who\nrcpt 4930 5.1.1 what\n";
        let answer =
            answer(ProgramEnding::Exited(0), "", "", lines, &["bob@Example.COM", "FAX:4930", "Bob@example.com"]);
        let kinds: Vec<ResultKind> = answer.results.iter().map(|outcome| outcome.kind.clone()).collect();
        assert_eq!(kinds, [ResultKind::Failed, ResultKind::Failed, ResultKind::Accepted]);
    }

    #[test]
    fn lines_that_were_lost_settle_nobody() {
        let address = Address::parse("a@x").unwrap();
        let finished = FinishedProgram {
            ending: ProgramEnding::Exited(0),
            stdout: Vec::new(),
            stderr: Vec::new(),
            lines: Vec::new(),
            completeness: LinesCompleteness::Cut,
        };
        assert_eq!(interpret(&finished, &[&address], &ExitMeanings::new()).results[0].kind, ResultKind::Deferred(None));
    }

    #[test]
    fn a_broken_transport_keeps_the_results_it_gave() {
        let answer = answer(ProgramEnding::Exited(70), "", "boom", "rcpt a@x 2.0.0 ok\n", &["a@x", "b@x"]);
        assert_eq!(answer.results[0].kind, ResultKind::Accepted);
        assert_eq!(answer.results[1].kind, ResultKind::Broken);
        assert_eq!(answer.broken, Some(BrokenTransport { kind: TroubleKind::Broken, text: "boom".into() }));
    }

    #[test]
    fn progress_lines() {
        assert_eq!(progress("progress 3/10 page"), Some((3, 10, "page".into())));
        assert_eq!(progress("progress 3/10"), Some((3, 10, String::new())));
        assert_eq!(progress("progress x/10 page"), None);
    }

    proptest! {
        #[test]
        fn any_noise_gives_every_recipient_one_printable_outcome(
            code: i32, out: Vec<u8>, err: Vec<u8>, lines: Vec<u8>, count in 1usize..5,
        ) {
            let addresses: Vec<Address> = (0..count).map(|n| Address::parse(&format!("r{n}@x")).unwrap()).collect();
            let (ending, completeness) = (ProgramEnding::Exited(code), LinesCompleteness::Whole);
            let finished = FinishedProgram { ending, stdout: out, stderr: err, lines, completeness };
            let answer = interpret(&finished, &addresses.iter().collect::<Vec<_>>(), &ExitMeanings::new());
            prop_assert_eq!(answer.results.len(), count);
            for outcome in answer.results {
                prop_assert!(!outcome.text.chars().any(printable::is_unsafe));
                prop_assert!(outcome.text.chars().count() <= TextLimit::Result.chars());
            }
        }
    }
}
