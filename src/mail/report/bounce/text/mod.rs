//! Plain-text bounces. No standard defines their format, so three conditions must be met: a sender that writes bounces,
//! a known wording, and an address at the position where that wording has it. Where no wording is known, [`infer`] goes by
//! the structure of the text.

mod candidate;
mod evidence;
mod family;
mod listing;
mod page;
mod parties;
mod sender;
mod structure;

use crate::mail::message::header::{Header, HeaderField};
use crate::mail::message::mime;
use crate::mail::report::bounce::code;
use crate::mail::report::bounce::dsn;
use crate::mail::report::bounce::parts::MimePart;
use crate::mail::report::bounce::reported::{ReportCertainty, ReportedAction, ReportedRecipient};
use crate::mail::report::bounce::text::listing::FoundRecipient;
use crate::mail::report::bounce::text::page::TextPage;
use crate::mail::report::bounce::text::parties::KnownAddresses;
use crate::mail::report::bounce::text::sender::SystemSender;
use crate::mail::report::bounce::value;

pub use crate::mail::report::bounce::text::sender::is_from_daemon;

/// Maximum number of text parts read.
const MOST_TEXTS: usize = 4;

/// Content of a plain-text bounce.
pub struct TextReport {
    /// Recipients in the order of the text.
    pub recipients: Vec<ReportedRecipient>,
    /// `Message-ID` of the message that is quoted after the text.
    pub message_id: Option<String>,
}

/// Returns the plain-text parts of a message, or else its HTML parts as text.
pub fn texts(bytes: &[u8], parts: &[MimePart]) -> Vec<String> {
    let of = |wanted: fn(&MimePart) -> bool| {
        let parts = parts.iter().filter(move |part| wanted(part)).take(MOST_TEXTS);
        let text =
            |part: &MimePart| mime::text(&part.kind, part.encoding, bytes.get(part.body.clone()).unwrap_or_default());
        parts.map(text).collect::<Vec<String>>()
    };
    let plain = of(|part| part.kind.is("text/plain") || part.kind.is_any("multipart"));
    if plain.is_empty() { of(|part| part.kind.is("text/html")) } else { plain }
}

/// Parses the texts of the message with this header by known wordings. Returns `None` if they are not a bounce.
pub fn read(header: &Header<'_>, texts: &[String]) -> Option<TextReport> {
    let recipients = texts.iter().find_map(|text| recipients(header, text))?;
    Some(TextReport { recipients, message_id: texts.iter().find_map(|text| quoted_message_id(text)) })
}

/// Parses the texts of the message with this header by their structure. `returned` is the header of the returned message,
/// if that is a part of its own. Returns `None` if the texts are not a bounce.
pub fn infer(header: &Header<'_>, texts: &[String], returned: Option<&Header<'_>>) -> Option<TextReport> {
    let sender = sender::system_sender(header)?;
    let in_texts = texts.iter().find_map(|text| inferred(header, sender, text, returned));
    let recipients = in_texts.or_else(|| named_by(header, sender, texts.first()?))?;
    Some(TextReport { recipients, message_id: texts.iter().find_map(|text| quoted_message_id(text)) })
}

/// Returns the recipients that the header of the bounce names.
fn named_by(header: &Header<'_>, sender: SystemSender, text: &str) -> Option<Vec<ReportedRecipient>> {
    let page = TextPage::of(text);
    let found = if sender == SystemSender::Named { named_in(header) } else { Vec::new() };
    let subject = mime::field_text(header, "Subject").unwrap_or_default();
    let action = if evidence::is_delay(&page, &subject) { ReportedAction::Delayed } else { ReportedAction::Failed };
    let alone = found.len() == 1;
    let reported: Vec<_> = found.into_iter().map(|found| told(&page, found, action, alone)).collect();
    Some(reported).filter(|reported| !reported.is_empty())
}

fn inferred(
    header: &Header<'_>,
    sender: SystemSender,
    text: &str,
    returned: Option<&Header<'_>>,
) -> Option<Vec<ReportedRecipient>> {
    let page = TextPage::of(text);
    let fields = fields(text);
    if !fields.is_empty() {
        return Some(fields);
    }
    let subject = mime::field_text(header, "Subject").unwrap_or_default();
    let known = KnownAddresses::of(header, returned, &page);
    let found = structure::recipients(&page, sender, &known, &subject);
    let action = if evidence::is_delay(&page, &subject) { ReportedAction::Delayed } else { ReportedAction::Failed };
    let alone = found.len() == 1;
    let reported = found.into_iter().map(|one| {
        let certainty = one.certainty;
        ReportedRecipient { certainty, ..told(&page, one.found, action, alone) }
    });
    Some(reported.collect()).filter(|reported: &Vec<ReportedRecipient>| !reported.is_empty())
}

fn recipients(header: &Header<'_>, text: &str) -> Option<Vec<ReportedRecipient>> {
    let page = TextPage::of(text);
    let daemon = sender::is_from_daemon(header);
    if !daemon && !family::opens_report(&page) {
        return None;
    }
    let fields = fields(text);
    if !fields.is_empty() {
        return Some(fields);
    }
    let subject = header.all("Subject").next().map(HeaderField::value).unwrap_or_default();
    let mut found = family::recipients(&page, &subject);
    if found.is_empty() && daemon {
        let action = family::action(&page, &subject, "");
        found = named_in(header).into_iter().map(|found| (found, action)).collect();
    }
    let alone = found.len() == 1;
    let mut reported: Vec<ReportedRecipient> = Vec::new();
    for (found, action) in found {
        if reported.iter().all(|known| known.address != found.address) {
            reported.push(told(&page, found, action, alone));
        }
    }
    Some(reported).filter(|reported| !reported.is_empty())
}

fn told(page: &TextPage<'_>, found: FoundRecipient, action: ReportedAction, alone: bool) -> ReportedRecipient {
    let own = code::find(&found.said).map(|status| (status, found.said.clone()));
    // Some systems list the recipients first, and quote the answer of the other system further below.
    let about = |line: &&str| alone || line.contains(&found.address);
    let below = || {
        let mut lines = page.lines().iter().copied().filter(about);
        lines.find_map(|line| Some((code::find(line)?, line.to_owned())))
    };
    let (status, said) = match own.or_else(below) {
        Some((status, said)) => (Some(status).filter(|status| action.allows(*status)), said),
        None => (None, found.said.clone()),
    };
    let original = made_from(&found.said);
    ReportedRecipient {
        address: found.address,
        original,
        action,
        certainty: ReportCertainty::Stated,
        status,
        diagnostic: value::said(&said),
        remote_mta: None,
    }
}

/// Returns the original address from a note that it was rewritten: `(generated from a@x)`.
fn made_from(said: &str) -> Option<String> {
    let note = said.strip_prefix('(')?;
    let wordings = ["generated from", "ultimately generated from", "expanded from:", "expanded from"];
    let text = wordings.iter().find_map(|wording| note.strip_prefix(wording))?.split(')').next()?.trim();
    let address = text.trim_start_matches('<').trim_end_matches('>');
    listing::is_address(address).then(|| address.to_owned())
}

/// Parses the fields of a delivery report that was pasted into the text.
fn fields(text: &str) -> Vec<ReportedRecipient> {
    let begins = |line: &str, name: &str| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let has = |name: &str| text.lines().any(|line| begins(line.trim_start(), name));
    let report = has("Final-Recipient:") && (has("Action:") || has("Status:"));
    if report { dsn::read(text.as_bytes()).recipients } else { Vec::new() }
}

/// Parses `X-Failed-Recipients`, a field of Exim and others.
fn named_in(header: &Header<'_>) -> Vec<FoundRecipient> {
    let fields = header.all("X-Failed-Recipients").map(HeaderField::value).collect::<Vec<String>>().join(",");
    let addresses = fields.split(',').map(str::trim).filter(|text| listing::is_address(text));
    addresses
        .take(listing::MOST)
        .map(|address| FoundRecipient { address: address.to_owned(), said: String::new() })
        .collect()
}

/// Returns the first `Message-ID` in the text, which is that of the quoted message.
fn quoted_message_id(text: &str) -> Option<String> {
    let name = "Message-ID:";
    let mut lines = text.lines();
    let line = lines.find(|line| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))?;
    let value = line.get(name.len()..)?.trim();
    let mut folded = || lines.next().filter(|line| line.starts_with([' ', '\t']));
    value::message_id(if value.is_empty() { folded()? } else { value })
}

#[cfg(test)]
mod tests {
    use crate::mail::report::bounce::{IncomingReport, IncomingReportKind, read_report};

    fn lines(understood: &IncomingReport) -> Vec<String> {
        let line = |recipient: &crate::mail::report::bounce::text::ReportedRecipient| {
            let status = recipient.status.map_or("-".to_owned(), |status| status.to_string());
            format!("{} {} {status}", recipient.address, recipient.action.word())
        };
        understood.recipients.iter().map(line).collect()
    }

    fn told(text: &str) -> Vec<String> {
        let understood = read_report(text.as_bytes());
        assert_eq!(understood.kind == IncomingReportKind::None, understood.recipients.is_empty(), "{text}");
        lines(&understood)
    }

    fn from_daemon(text: &str) -> Vec<String> {
        told(&format!("Return-Path: <>\nFrom: MAILER-DAEMON@mx.test\n\n{text}"))
    }

    #[test]
    fn qmail_and_its_kin() {
        let text = "Hi. This is the qmail-send program at mx.test.\nSorry about that.\n\n<a@x.test>:\n\
                    192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 unknown\n\n<b@x.test>:\n\
                    I tried for too long. (#4.4.1)\n\n--- Below this line is a copy of the message.\n\n\
                    Return-Path: <joe@h>\nMessage-ID:\n <m@h>\nTo: c@x.test\n\n<d@x.test>:\nno\n";
        for line_end in ["\n", "\r\n", "\r"] {
            let text = format!("From: list-owner@h.test\n\n{text}").replace('\n', line_end);
            let understood = read_report(text.as_bytes());
            assert_eq!(lines(&understood), ["a@x.test failed 5.1.1", "b@x.test failed 4.4.1"]);
            assert_eq!(understood.message_id.as_deref(), Some("m@h"));
            assert!(understood.recipients[0].diagnostic.as_deref().unwrap().ends_with("550 5.1.1 unknown"));
        }
    }

    #[test]
    fn exim() {
        let text = "This message was created automatically by mail delivery software.\n\nA message that you sent could \
                    not be delivered to one or more of its\nrecipients. The following address(es)\nfailed:\n\n\
                    \x20 a@x.test\n    host mx.test [192.0.2.5]: 452 full:\n    z@x.test\n  b@x.test\n    gone\n\n\
                    ------ This is a copy of your message. ------\n\n";
        assert_eq!(from_daemon(text), ["a@x.test failed 4.0.0", "b@x.test failed -"]);
        let text = "A message that you sent has not yet been delivered.\nThe address to which the message has not yet \
                    been delivered is:\n\n  a@x.test\n    Delay reason: busy\n\nNo action is required.\n";
        assert_eq!(from_daemon(text), ["a@x.test delayed -"]);
    }

    #[test]
    fn the_address_that_the_sender_wrote() {
        for note in ["(generated from o@x.test)\n", "(expanded from <o@x.test>): no\n"] {
            let text = format!("From: postmaster@mx.test\n\nAddress(es) failed:\n\n<a@x.test> {note}");
            assert_eq!(read_report(text.as_bytes()).recipients[0].original.as_deref(), Some("o@x.test"));
        }
        assert_eq!(crate::mail::report::bounce::text::made_from("(no)"), None);
    }

    #[test]
    fn every_recipient_is_named() {
        let text = "Unknown user: a@x.test\nno\nUnknown user: b@x.test\n\nOriginal message follows.\n\nUnknown user: c@x.test\n";
        assert_eq!(from_daemon(text), ["a@x.test failed -", "b@x.test failed -"]);
        let text = "Failed to deliver to 'a@x.test'\nSMTP 550 5.1.1 no\n\nFailed to deliver to 'b@x.test'\nSMTP 552 5.2.2 full\n";
        assert_eq!(from_daemon(text), ["a@x.test failed 5.1.1", "b@x.test failed 5.2.2"]);
        let text = "   ----- The following addresses had permanent fatal errors -----\n<a@x.test>\n\n   ----- The following \
                    addresses had transient non-fatal errors -----\n<b@x.test>\n\n   ----- Transcript of session follows \
                    -----\n550 5.1.1 <a@x.test>... User unknown\n<b@x.test>... Deferred: 451 4.2.0 busy\n";
        assert_eq!(from_daemon(text), ["a@x.test failed 5.1.1", "b@x.test delayed 4.2.0"]);
    }

    #[test]
    fn the_answer_may_stand_below_the_list() {
        let text = "   ----- The following addresses had permanent fatal errors -----\n<a@x.test>\n\n   ----- \
                    Transcript of session follows -----\n>>> RCPT To:<a@x.test>\n<<< 553 5.3.0 No such name\n";
        assert_eq!(from_daemon(text), ["a@x.test failed 5.3.0"]);
        let text = "Delivery has failed to these recipients or groups:\n\nAnn<mailto:q>\na@x.test<mailto:a@x.test>\n\
                    Not found.\n\nDiagnostic information:\n\nserver returned '550 5.1.10 Resolver'\n";
        assert_eq!(from_daemon(text), ["a@x.test failed 5.1.10"]);
    }

    #[test]
    fn a_report_may_be_pasted_into_the_text() {
        let text = "It failed.\n\nReporting-MTA: dns; mx.test\n\nFinal-Recipient: rfc822; a@x.test\nAction: delayed\n\n\
                    Return-Path: <joe@h>\nStatus: RO\n";
        assert_eq!(from_daemon(text), ["a@x.test delayed 4.0.0"]);
    }

    #[test]
    fn recipients_may_be_named_in_the_header() {
        let text = "From: mailer-daemon@mx.test\nX-Failed-Recipients: a@x.test,\n b@x.test\n\nTut uns leid.\n";
        assert_eq!(told(text), ["a@x.test failed -", "b@x.test failed -"]);
        assert!(told(&text.replace("mailer-daemon", "joe")).is_empty());
    }

    #[test]
    fn a_text_of_unknown_wording_is_read_by_its_structure() {
        let text = "Alas! These went astray:\n\n  * a@x.test -- 550 5.1.1 never heard of them\n  * b@x.test -- too much \
                    mail, over quota\n\nAsk help@mx.test: contact help@mx.test\n\n--- Original message ---\n\
                    From: joe@h\nTo: c@x.test\nMessage-ID: <m@h>\n";
        let understood =
            read_report(format!("From: Mail Robot <mdaemon@mx.test>\nTo: joe@h.test\n\n{text}").as_bytes());
        assert_eq!(lines(&understood), ["a@x.test failed 5.1.1", "b@x.test failed -"]);
        let certain: Vec<&str> = understood.recipients.iter().map(|recipient| recipient.certainty.word()).collect();
        assert_eq!((certain, understood.message_id.as_deref()), (vec!["stated", "inferred"], Some("m@h")));
        assert_eq!(
            from_daemon("Your mail to a@x.test is delayed. We will keep trying.\n451 4.4.1 no answer\n"),
            ["a@x.test delayed 4.4.1"]
        );
        for sender in ["News <news@smtp.shop.test>", "joe@h.test", "list-owner@x.test"] {
            assert!(told(&format!("From: {sender}\nTo: joe@h.test\n\n{text}")).is_empty(), "{sender}");
        }
    }

    #[test]
    fn people_who_talk_about_bounces_send_none() {
        let quoted =
            "Look what I got:\n\nHi. This is the qmail-send program at mx.test.\n\n<a@x.test>:\nno. (#5.1.1)\n";
        assert!(told(&format!("From: joe@h.test\nReturn-Path: <joe@h.test>\n\n{quoted}")).is_empty());
        assert!(told("From: joe@h.test\n\nUnknown user: a@x.test\n").is_empty());
        assert!(from_daemon("I am away until Monday. Write to a@x.test instead.\n").is_empty());
        assert!(from_daemon("Hi. This is the qmail-send program at mx.test.\n\nSorry.\n").is_empty());
    }
}
