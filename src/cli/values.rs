//! Argument values that several commands share: parsers, and the reasons they refuse a value.
//!
//! A parser knows neither its option nor its command. It gives the part of the sentence that follows
//! `OPTION "VALUE"`; `errors` puts the sentence together.

use std::fmt;
use std::time::Duration;

use crate::exit::ExitStatus;
use crate::mail::address::list;
use crate::mail::address::pattern::AddressPattern;
use crate::mail::address::{Address, AddressError, AddressType, Sender};
use crate::mail::envelope::request::{EnvelopeId, NotifyOn, OriginalRecipient};
use crate::mail::status::Status;
use crate::output::mode::OutputFormat;
use crate::values::time::{CENTURY, Timestamp, parse_span};

use crate::values::quoting::quoted;

/// Reason why a value is refused, and the exit status for it.
#[derive(Debug)]
pub struct ValueError {
    /// Exit status: [`ExitStatus::Data`] for an address, [`ExitStatus::Usage`] for everything else.
    pub exit: ExitStatus,
    /// Rest of the sentence that begins with the option and the quoted value.
    pub reason: String,
}

impl ValueError {
    fn usage(reason: impl Into<String>) -> ValueError {
        ValueError { exit: ExitStatus::Usage, reason: reason.into() }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ValueError {}

/// Parses `[TYPE:]ADDR`.
///
/// # Errors
/// Not exactly one address.
pub fn recipient(text: &str) -> Result<Address, ValueError> {
    Address::parse(text).map_err(|error| address_error(text, error))
}

/// Parses an envelope sender; an empty text and `<>` are the null sender.
///
/// # Errors
/// Not exactly one address.
pub fn sender(text: &str) -> Result<Sender, ValueError> {
    Sender::parse(text).map_err(|error| address_error(text, error))
}

/// Parses an envelope sender as local mail systems pass it: some of them write the null sender as `MAILER-DAEMON`.
///
/// # Errors
/// Not exactly one address.
pub fn local_sender(text: &str) -> Result<Sender, ValueError> {
    sender(if text.eq_ignore_ascii_case("MAILER-DAEMON") { "" } else { text })
}

fn address_error(text: &str, error: AddressError) -> ValueError {
    ValueError { exit: ExitStatus::Data, reason: address_hint(text).unwrap_or_else(|| error.to_string()) }
}

/// Returns what is wrong with a text that is not an address, where it is one of the usual mistakes.
fn address_hint(text: &str) -> Option<String> {
    if text.chars().any(char::is_control) {
        return None;
    }
    if let Some(hint) = address_type_hint(text) {
        return Some(hint);
    }
    let list = list::parse(text).ok()?;
    // Without a domain it is hardly meant as an address: `$(id)`, `a, b`.
    if !list.iter().all(|text| text.contains('@') && Address::parse(text).is_ok()) {
        return None;
    }
    match list.as_slice() {
        [] => None,
        [only] if text.ends_with('>') => {
            let address = Address::parse(only).ok()?;
            Some(format!("is more than an address: give only {}", quoted(&address.to_string())))
        }
        [_] => None,
        _ => Some("is a list of addresses: give each address as an argument of its own".to_owned()),
    }
}

/// Returns what is wrong with an address whose type is in lower case: `fax:+49301234`.
pub fn address_type_hint(text: &str) -> Option<String> {
    let (kind, rest) = text.split_once(':')?;
    let upper = kind.to_ascii_uppercase();
    let address = AddressType::parse(&upper).ok().and_then(|kind| Address::new(kind, rest).ok());
    let address = address.filter(|_| upper != kind)?;
    Some(format!("has a type in lower case: give {}", quoted(&address.to_string())))
}

/// Parses an address pattern: an address in which `*` stands for any text.
///
/// # Errors
/// Empty, too long, or with control characters.
pub fn pattern(text: &str) -> Result<AddressPattern, ValueError> {
    AddressPattern::parse(text).map_err(|error| ValueError::usage(error.to_string()))
}

/// Point in time, as given: the clock is known only once the configuration is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeArg {
    /// Fixed time.
    At(Timestamp),
    /// Distance from now.
    Span(Duration),
}

impl TimeArg {
    /// Returns the time, a span counted forward from `now`.
    pub fn after(self, now: Timestamp) -> Timestamp {
        match self {
            TimeArg::At(time) => time,
            TimeArg::Span(span) => now.after(span),
        }
    }

    /// Returns the time, a span counted back from `now`.
    pub fn before(self, now: Timestamp) -> Timestamp {
        match self {
            TimeArg::At(time) => time,
            TimeArg::Span(span) => Timestamp::from_seconds(now.seconds().saturating_sub(span.as_secs())),
        }
    }
}

/// Parses TIME: RFC 3339, an RFC 5322 date, or a span.
///
/// # Errors
/// None of these forms.
pub fn time(text: &str) -> Result<TimeArg, ValueError> {
    if let Ok(span) = parse_span(text) {
        return Ok(TimeArg::Span(span));
    }
    if let Ok(time) = Timestamp::parse(text, Timestamp::default()) {
        return Ok(TimeArg::At(time));
    }
    let hint = unit_hint(text).or_else(|| {
        let full = [format!("{text}T00:00:00Z"), format!("{text}:00Z"), format!("{text}Z")];
        let fixed = full.iter().find(|full| Timestamp::parse(full, Timestamp::default()).is_ok())?;
        Some(format!("has no time of day or time zone: give {fixed}, for example"))
    });
    Err(ValueError::usage(hint.unwrap_or_else(|| {
        "is not a time: give 2026-05-01T12:00:00Z, \"Fri, 1 May 2026 12:00:00 +0200\" or a span such as 2h".to_owned()
    })))
}

/// Parses SPAN: `90s`, `15m`, `2h`, `3d`, `1w`, or several of them.
///
/// # Errors
/// No number, no unit, or an unknown one.
pub fn span(text: &str) -> Result<Duration, ValueError> {
    parse_span(text).map_err(|_| {
        let hint = unit_hint(text);
        ValueError::usage(hint.unwrap_or_else(|| "is not a span: give 90s, 15m, 2h, 3d or 1w, for example".to_owned()))
    })
}

fn unit_hint(text: &str) -> Option<String> {
    let number = !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| format!("has no unit: give {text}s, {text}m or {text}h"))
}

/// Longest time that a command waits for a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitLimit {
    /// Until there is a result.
    Unlimited,
    /// This long.
    Span(Duration),
}

/// Parses the value of `--wait`: seconds, a span, or nothing.
///
/// # Errors
/// None of these forms.
pub fn wait_limit(text: &str) -> Result<WaitLimit, ValueError> {
    if text.is_empty() {
        return Ok(WaitLimit::Unlimited);
    }
    match text.parse::<u64>() {
        Ok(seconds) => Ok(WaitLimit::Span(Duration::from_secs(seconds).min(CENTURY))),
        Err(_) => parse_span(text)
            .map(WaitLimit::Span)
            .map_err(|_| ValueError::usage("is not a time limit: give seconds, or a span such as 5m")),
    }
}

/// Parses a number of parallel hand-offs, from 1 to 65535.
///
/// # Errors
/// Anything else.
pub fn job_count(text: &str) -> Result<usize, ValueError> {
    match text.parse::<u16>() {
        Ok(count) if count > 0 => Ok(usize::from(count)),
        _ => Err(ValueError::usage("is not a number from 1 to 65535")),
    }
}

/// Parses a number of messages, 0 included.
///
/// # Errors
/// Not a number.
pub fn message_count(text: &str) -> Result<usize, ValueError> {
    text.parse().map_err(|_| ValueError::usage("is not a number of messages"))
}

/// Parses a number of messages, at least 1.
///
/// # Errors
/// Anything else.
pub fn positive_message_count(text: &str) -> Result<usize, ValueError> {
    match text.parse::<u32>() {
        Ok(count) if count > 0 => Ok(count as usize),
        _ => Err(ValueError::usage("is not a number of messages, 1 or more")),
    }
}

/// Parses the events to report: `never`, or a list of `success`, `failure` and `delay`.
///
/// # Errors
/// Any other word.
pub fn notify(text: &str) -> Result<NotifyOn, ValueError> {
    NotifyOn::parse(text)
        .map_err(|_| ValueError::usage("is unknown: give never, or a list of success, failure and delay"))
}

/// Events to report for one recipient.
#[derive(Clone, Debug)]
pub struct RecipientNotifyArg {
    /// The recipient.
    pub address: Address,
    /// Events to report.
    pub notify: NotifyOn,
}

/// Parses `ADDR=WHEN`.
///
/// # Errors
/// No `=`, a bad address or an unknown event.
pub fn recipient_notify(text: &str) -> Result<RecipientNotifyArg, ValueError> {
    // The last sign: a local part may contain one.
    let Some((address, when)) = text.rsplit_once('=') else {
        return Err(ValueError::usage("is not ADDR=WHEN, such as bob@example.org=success,failure"));
    };
    Ok(RecipientNotifyArg { notify: notify(when)?, address: recipient(address)? })
}

/// Original recipient (RFC 3461) of one recipient.
#[derive(Clone, Debug)]
pub struct OriginalRecipientArg {
    /// The recipient.
    pub address: Address,
    /// Its address as the sender wrote it.
    pub original: OriginalRecipient,
}

/// Parses `ADDR=TYPE;ADDR`.
///
/// # Errors
/// Another form, or a bad address.
pub fn original_recipient(text: &str) -> Result<OriginalRecipientArg, ValueError> {
    let form = || ValueError::usage("is not ADDR=TYPE;ADDR, such as bob@example.org=rfc822;robert@example.org");
    let equals = text.find(';').and_then(|end| text[..end].rfind('=')).ok_or_else(form)?;
    let original = OriginalRecipient::parse(&text[equals + 1..]).map_err(|_| form())?;
    Ok(OriginalRecipientArg { address: recipient(&text[..equals])?, original })
}

/// Recipient that another one takes the place of.
#[derive(Clone, Debug)]
pub struct ReplacementArg {
    /// Recipient of the first submission.
    pub old: Address,
    /// Recipient of the resent message.
    pub new: Address,
}

/// Parses `OLD=NEW`.
///
/// # Errors
/// No `=`, or a bad address.
pub fn replacement(text: &str) -> Result<ReplacementArg, ValueError> {
    // The last sign: the old address may contain one, and the new one seldom does.
    match text.rsplit_once('=') {
        Some((old, new)) => Ok(ReplacementArg { old: recipient(old)?, new: recipient(new)? }),
        None => Err(ValueError::usage("is not OLD=NEW, such as bob@old.example=bob@new.example")),
    }
}

/// Parses an envelope id.
///
/// # Errors
/// Not printable ASCII, or too long.
pub fn envelope_id(text: &str) -> Result<EnvelopeId, ValueError> {
    EnvelopeId::parse(text).map_err(|_| {
        ValueError::usage("is not an envelope id: give 1 to 100 printable ASCII characters, no space at the ends")
    })
}

/// Parses an enhanced status code.
///
/// # Errors
/// Another form.
pub fn status_code(text: &str) -> Result<Status, ValueError> {
    Status::parse(text)
        .ok_or_else(|| ValueError::usage("is not a status code of RFC 3463: give 2.0.0 or 5.1.1, for example"))
}

/// Returns the output format that `--json` selects.
pub fn output_form(json: bool) -> OutputFormat {
    if json { OutputFormat::Json } else { OutputFormat::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_mistakes_in_addresses_have_a_reason_of_their_own() {
        let reason = |text: &str| recipient(text).unwrap_err().reason;
        assert_eq!(reason("a@x,b@y"), "is a list of addresses: give each address as an argument of its own");
        assert_eq!(reason("Bob <b@x>"), "is more than an address: give only \"b@x\"");
        assert_eq!(reason("fax:+4930"), "has a type in lower case: give \"FAX:+4930\"");
        assert_eq!(reason("a\r@x, b@y"), "contains a control character");
        assert!(reason("$(id)").starts_with("is not one bare address"), "{}", reason("$(id)"));
        assert!(reason("a b@x").starts_with("is not one bare address"), "{}", reason("a b@x"));
    }

    #[test]
    fn times_count_from_now() {
        let now = Timestamp::from_seconds(1_000);
        assert_eq!(time("5m").unwrap().after(now).seconds(), 1_300);
        assert_eq!(time("5m").unwrap().before(now).seconds(), 700);
        assert_eq!(time("2026-05-01T12:00:00Z").unwrap().before(now).seconds(), 1_777_636_800);
        assert!(time("2026-05-01").unwrap_err().reason.contains("give 2026-05-01T00:00:00Z"));
        assert!(time("2026-05-01T12:00").unwrap_err().reason.contains("give 2026-05-01T12:00:00Z"));
        assert_eq!(span("5").unwrap_err().reason, "has no unit: give 5s, 5m or 5h");
    }
}
