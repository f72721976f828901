//! Parser of incoming reports: delivery status notifications (RFC 3464), message disposition notifications (RFC 8098),
//! and plain-text bounces.
//!
//! The bytes are untrusted. The parser does not panic on any input, reads the bytes a bounded number of times, and
//! gives no more than the header of a returned message to the MIME parser.

mod code;
mod dsn;
mod incoming;
mod mdn;
mod original;
mod parts;
mod reported;
mod text;
mod value;

use std::ops::Range;

use crate::mail::message::header::{Header, InputSupply, MAX_HEADER_BYTES};
use crate::mail::message::mime::TransferEncoding;
use crate::mail::report::bounce::original::ReportBytes;
use crate::mail::report::bounce::parts::{MimePart, MimeParts, plain_line_ends};
use crate::mail::report::bounce::text::TextReport;

pub use crate::mail::report::bounce::incoming::{IncomingReport, IncomingReportKind};
pub use crate::mail::report::bounce::original::ReturnedOriginal;
pub use crate::mail::report::bounce::reported::{ReportCertainty, ReportedAction, ReportedRecipient};

/// Maximum number of messages in a report that are searched for a wrapped report.
const MOST_WRAPPED: usize = 4;

/// Readers that a text goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextReaders {
    /// The reader of known wordings, then the reader of structures.
    All,
    /// The reader of structures alone. It shows how much is recognized of the bounces of an unknown mail system.
    Structure,
}

/// Parses a whole message as a report. The message can be truncated, and can contain any bytes.
pub fn read_report(bytes: &[u8]) -> IncomingReport {
    read_report_with(bytes, TextReaders::All)
}

/// Parses a whole message as a report, its text with these readers. The message can be truncated, and can contain any bytes.
pub fn read_report_with(bytes: &[u8], readers: TextReaders) -> IncomingReport {
    let plain = plain_line_ends(bytes);
    let report = ReportBytes { received: bytes, plain: &plain };
    let parts = MimeParts::of(report.plain);
    if is_complaint(&parts) {
        return IncomingReport::not_a_report();
    }
    let fields = read_fields(&report, &parts);
    if !fields.recipients.is_empty() || fields.kind == IncomingReportKind::Mdn {
        return fields;
    }
    let head = report.plain.get(..MAX_HEADER_BYTES).unwrap_or(report.plain);
    let Some(header) = Header::scan(head, InputSupply::End) else { return fields };
    let texts = text::texts(report.plain, &parts.list);
    let known = if readers == TextReaders::All { text::read(&header, &texts) } else { None };
    if let Some(read) = known {
        return with_text(fields, read);
    }
    if text::is_from_daemon(&header)
        && let Some(wrapped) = read_wrapped(&report, &parts)
    {
        return wrapped;
    }
    let returned = original::returned_header(&report, &parts.list);
    let returned = returned.as_deref().and_then(|bytes| Header::scan(bytes, InputSupply::End));
    if let Some(read) = text::infer(&header, &texts, returned.as_ref()) {
        return with_text(fields, read);
    }
    if fields.kind == IncomingReportKind::None { IncomingReport::not_a_report() } else { fields }
}

fn with_text(fields: IncomingReport, read: TextReport) -> IncomingReport {
    let kind = if fields.kind == IncomingReportKind::None { IncomingReportKind::Text } else { fields.kind };
    let message_id = fields.message_id.or(read.message_id);
    IncomingReport { kind, message_id, recipients: read.recipients, ..fields }
}

/// Returns true for an abuse complaint (RFC 5965): it has the structure of a report, but says nothing about delivery.
fn is_complaint(parts: &MimeParts) -> bool {
    let complaint = |part: &MimePart| part.kind.is("message/feedback-report");
    parts.kind.parameter("report-type") == Some("feedback-report") || parts.list.iter().any(complaint)
}

/// Parses the machine-readable part of a report. Without one the kind is [`IncomingReportKind::None`].
fn read_fields(report: &ReportBytes<'_>, parts: &MimeParts) -> IncomingReport {
    let body =
        |part: &MimePart| part.encoding.decode(report.plain.get(part.body.clone()).unwrap_or_default()).into_owned();
    let find = |names: [&str; 2]| parts.list.iter().position(|part| names.iter().any(|name| part.kind.is(name)));
    let status = find(["message/delivery-status", "message/global-delivery-status"]);
    let disposition = find(["message/disposition-notification", "message/global-disposition-notification"]);
    let returned = original::find(report, &parts.list, status.or(disposition).unwrap_or(0));
    let mut understood =
        IncomingReport { original: returned.place, message_id: returned.message_id, ..IncomingReport::not_a_report() };
    if let Some(part) = status.and_then(|at| parts.list.get(at)) {
        let read = dsn::read(&body(part));
        understood.kind = IncomingReportKind::Dsn;
        understood.envelope_id = read.envelope_id;
        understood.recipients = read.recipients;
    } else if let Some(part) = disposition.and_then(|at| parts.list.get(at)) {
        let read = mdn::read(&body(part));
        understood.kind = IncomingReportKind::Mdn;
        understood.message_id = read.message_id.or(understood.message_id);
        understood.recipients.extend(read.recipient);
    }
    understood
}

/// Parses the delivery report that a gateway put as a whole into a message of its own. A report inside that report is not
/// opened.
fn read_wrapped(report: &ReportBytes<'_>, parts: &MimeParts) -> Option<IncomingReport> {
    parts.list.iter().filter(|part| original::is_message(part)).take(MOST_WRAPPED).find_map(|part| {
        let inner = ReportBytes {
            received: report.received.get(part.body.clone())?,
            plain: &part.encoding.decode(report.plain.get(part.body.clone())?),
        };
        let parts = MimeParts::of(inner.plain);
        let read = if is_complaint(&parts) { None } else { Some(read_fields(&inner, &parts)) };
        let read = read.filter(|read| read.kind == IncomingReportKind::Dsn && !read.recipients.is_empty())?;
        let shifted = |range: Range<usize>| range.start + part.body.start..range.end + part.body.start;
        let original = match read.original {
            _ if part.encoding != TransferEncoding::Identity => ReturnedOriginal::None,
            ReturnedOriginal::None => ReturnedOriginal::None,
            ReturnedOriginal::Header(range) => ReturnedOriginal::Header(shifted(range)),
            ReturnedOriginal::Full(range) => ReturnedOriginal::Full(shifted(range)),
        };
        Some(IncomingReport { original, ..read })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mail::status::Status;

    /// Report with the usual three parts and LF line ends.
    fn report(report_type: &str, middle: &str, fields: &str, last: &str, original: &str) -> String {
        format!(
            "From: mx\nContent-Type: multipart/report; {report_type}; boundary=\"=b=\"\n\n--=b=\n\nSorry.\n--=b=\n\
             Content-Type: {middle}\n\n{fields}\n--=b=\nContent-Type: {last}\n\n{original}\n--=b=--\n"
        )
    }

    const FIELDS: &str = "Original-Envelope-Id: E+2B1\n\nFinal-Recipient: rfc822;a@x\nAction: failed\nStatus: 5.1.1\n";
    const FIELDS_IN_BASE64: &str = "T3JpZ2luYWwtRW52ZWxvcGUtSWQ6IEUrMkIxCgpGaW5hbC1SZWNpcGllbnQ6IHJm\n\
         YzgyMjthQHgKQWN0aW9uOiBmYWlsZWQKU3RhdHVzOiA1LjEuMQo=\n";
    const MAIL: &str = "Message-ID: <m@h>\nSubject: hi\n\nHello.\n";

    fn dsn(last: &str) -> String {
        report("report-type=delivery-status", "message/delivery-status", FIELDS, last, MAIL)
    }

    #[test]
    fn a_delivery_report_and_its_original() {
        let text = dsn("message/rfc822");
        let understood = read_report(text.as_bytes());
        assert_eq!(understood.kind, IncomingReportKind::Dsn);
        assert_eq!(understood.envelope_id.as_deref(), Some("E+1"));
        assert_eq!(understood.message_id.as_deref(), Some("m@h"));
        let [recipient] = understood.recipients.as_slice() else { panic!("{understood:?}") };
        assert_eq!((recipient.action, recipient.status), (ReportedAction::Failed, Some(Status::NO_MAILBOX)));
        let ReturnedOriginal::Full(range) = understood.original else { panic!("{understood:?}") };
        assert_eq!(&text[range], MAIL);
    }

    #[test]
    fn what_was_returned_is_a_message_or_a_header() {
        let original = |text: &str| read_report(text.as_bytes()).original.word();
        assert_eq!(original(&dsn("text/rfc822-headers")), "header");
        assert_eq!(original(&dsn("message/global-headers")), "header");
        assert_eq!(original(&dsn("message/global")), "full");
        assert_eq!(original(&dsn("text/plain")), "none");
        assert_eq!(original(&dsn("message/rfc822").replace("\nHello.\n", "\n  \n")), "header");
        assert_eq!(original(&dsn("message/rfc822").replace("\n\nHello.\n", "\n")), "header");
        assert_eq!(original(&dsn("message/rfc822").replace(MAIL, "Hello.\n")), "full");
        let cut = dsn("message/rfc822").replace("\n--=b=--\n", "");
        let understood = read_report(cut.as_bytes());
        assert_eq!(understood.message_id.as_deref(), Some("m@h"));
        let ReturnedOriginal::Header(range) = understood.original else { panic!("{understood:?}") };
        assert_eq!(&cut[range], "Message-ID: <m@h>\nSubject: hi\n");
    }

    #[test]
    fn an_encoded_original_is_not_what_was_sent() {
        let text = dsn("message/rfc822\nContent-Transfer-Encoding: quoted-printable").replace("<m@h>", "<m=40h>");
        let understood = read_report(text.as_bytes());
        assert_eq!((understood.original.word(), understood.message_id.as_deref()), ("none", Some("m@h")));
    }

    #[test]
    fn shapes_of_real_reports() {
        let plain = dsn("message/rfc822");
        let nested = format!(
            "Content-Type: multipart/mixed; boundary=o\n\n--o\n\nhi\n--o\n{}\n--o--\n",
            plain.strip_prefix("From: mx\n").unwrap()
        );
        for text in [
            plain.replace("; report-type=delivery-status", ""),
            plain.replace("multipart/report; report-type=delivery-status", "MULTIPART/Mixed"),
            plain.replace("message/delivery-status", "message/global-delivery-status"),
            plain.replace('\n', "\r\n"),
            plain.replace(&format!("\n{FIELDS}"), &format!("Content-Transfer-Encoding: Base64\n\n{FIELDS_IN_BASE64}")),
            nested,
        ] {
            let understood = read_report(text.as_bytes());
            assert_eq!((understood.kind, understood.recipients.len()), (IncomingReportKind::Dsn, 1), "{text}");
            assert_eq!(understood.original.word(), "full", "{text}");
            assert_eq!(understood.message_id.as_deref(), Some("m@h"), "{text}");
        }
        let understood = read_report(plain.replace('\n', "\r").as_bytes());
        assert_eq!((understood.kind, understood.recipients.len()), (IncomingReportKind::Dsn, 1));
        assert_eq!((understood.original.word(), understood.message_id.as_deref()), ("header", Some("m@h")));
    }

    #[test]
    fn a_disposition_report_names_its_message() {
        let fields = "Final-Recipient: rfc822;a@x\nOriginal-Message-ID: <o@h>\nDisposition: a/b; displayed\n";
        let text = report(
            "report-type=disposition-notification",
            "message/disposition-notification",
            fields,
            "text/plain",
            "",
        );
        let understood = read_report(text.as_bytes());
        assert_eq!((understood.kind, understood.message_id.as_deref()), (IncomingReportKind::Mdn, Some("o@h")));
        assert_eq!(
            (understood.recipients[0].action, understood.recipients[0].status),
            (ReportedAction::Displayed, None)
        );
    }

    #[test]
    fn complaints_and_other_mail_are_no_reports() {
        let fields = "Feedback-Type: abuse\nOriginal-Rcpt-To: a@x\n";
        let complaint =
            report("report-type=feedback-report", "message/feedback-report", fields, "message/rfc822", MAIL);
        let forwarded = format!("Content-Type: message/rfc822\n\n{}", dsn("message/rfc822"));
        for text in [complaint.as_str(), forwarded.as_str(), MAIL, ""] {
            assert_eq!(read_report(text.as_bytes()), IncomingReport::not_a_report(), "{text}");
        }
    }

    #[test]
    fn one_level_of_wrapping_by_a_gateway_is_opened() {
        let report = dsn("message/rfc822");
        let wrap = |sender: &str, field: &str, inner: &str| {
            format!(
                "From: {sender}\nContent-Type: multipart/mixed; boundary=g\n\n--g\n\nScanned.\n--g\n\
                 Content-Type: message/rfc822\n{field}\n{inner}\n--g--\n"
            )
        };
        let read = |text: &str| read_report(text.as_bytes());
        let text = wrap("MAILER-DAEMON@gate.test", "", &report);
        let understood = read(&text);
        assert_eq!((understood.kind, understood.envelope_id.as_deref()), (IncomingReportKind::Dsn, Some("E+1")));
        assert_eq!((understood.recipients.len(), understood.message_id.as_deref()), (1, Some("m@h")));
        let ReturnedOriginal::Full(range) = understood.original else { panic!("{understood:?}") };
        assert_eq!(&text[range], MAIL);
        let encoded = wrap(
            "MAILER-DAEMON@gate.test",
            "Content-Transfer-Encoding: quoted-printable\n",
            &report.replace('=', "=3D"),
        );
        let understood = read(&encoded);
        assert_eq!((understood.recipients.len(), understood.original), (1, ReturnedOriginal::None));
        // A person who forwards a bounce, two levels, and a message that is no delivery report.
        let twice = wrap(
            "MAILER-DAEMON@a.test",
            "",
            &wrap("MAILER-DAEMON@b.test", "", &report).replace("=g", "=h").replace("--g", "--h"),
        );
        for text in [wrap("joe@h.test", "", &report), twice, wrap("MAILER-DAEMON@gate.test", "", MAIL)] {
            assert_eq!(read(&text), IncomingReport::not_a_report(), "{text}");
        }
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let known = [
            "\n",
            "\r\n",
            "\r",
            "--b\n",
            "--b--\r\n",
            "Content-Type: multipart/report; boundary=b\n\n",
            "\n\n",
            "Content-Type: message/delivery-status\n\n",
            "Content-Type: message/rfc822\n\n",
            "Return-Path: <>\n",
            "Content-Transfer-Encoding: base64\n",
            "Final-Recipient: rfc822;a@x\n",
            "Action: failed\n",
            "Status: 5.1",
            "Hi. This is the \n",
            "<a@x.test>:\n",
            "550 5.1.1",
            "address(es) failed:\n",
            "--- Original message\n",
            " ",
            "rcpt to:",
            "transcript of session follows\n",
            "Original-Recipient: utf-8;\\x{",
            "Message-ID: <\n",
            "From: mailer-daemon@x\n",
            "undeliverable: ",
            "a@x.test ",
        ];
        prop_oneof![
            4 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..12),
        ]
    }

    fn is_sound(bytes: &[u8]) -> bool {
        match read_report(bytes).original {
            ReturnedOriginal::None => true,
            ReturnedOriginal::Header(range) | ReturnedOriginal::Full(range) => {
                range.start < range.end && range.end <= bytes.len()
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes: Vec<u8>, pieces in prop::collection::vec(piece(), 0..40)) {
            prop_assert!(is_sound(&bytes));
            prop_assert!(is_sound(&pieces.concat()));
        }

        #[test]
        fn the_original_is_exact(
            body in prop::collection::vec(any::<u8>(), 0..200), tail in "(\r|\n|\r\n)?", end in "\r?\n",
        ) {
            let mail = [b"To: a@x\n\n.", body.as_slice(), tail.as_bytes()].concat();
            let (before, after) = dsn("message/rfc822").replace(MAIL, "\0").split_once('\0').map(|(before, after)| {
                (before.replace('\n', &end).into_bytes(), after.replace('\n', &end).into_bytes())
            }).unwrap();
            let bytes = [before.clone(), mail.clone(), after].concat();
            prop_assert_eq!(read_report(&bytes).original, ReturnedOriginal::Full(before.len()..before.len() + mail.len()));
        }

        #[test]
        fn a_report_comes_back_as_it_was_made(
            cases in prop::collection::vec(
                ("[a-z+]{1,9}@[a-z]{1,9}\\.test", 0usize..5, 0u16..8, 0u16..1000, "[ -~]{0,40}"),
                1..5,
            ),
            id in "[!-*,-~]{1,20}",
        ) {
            let words = [("failed", 5), ("delayed", 4), ("delivered", 2), ("relayed", 2), ("expanded", 2)];
            let mut fields = format!("Reporting-MTA: dns; mx.test\nOriginal-Envelope-Id: {id}\n");
            for (address, word, subject, detail, text) in &cases {
                let (word, class) = words[*word];
                fields.push_str(&format!(
                    "\nFinal-Recipient: rfc822; {address}\nAction: {word}\nStatus: {class}.{subject}.{detail}\n\
                     Diagnostic-Code: smtp; {text}\n"
                ));
            }
            let text = report("report-type=x", "message/delivery-status", &fields, "message/rfc822", MAIL);
            let understood = read_report(text.as_bytes());
            prop_assert_eq!(understood.kind, IncomingReportKind::Dsn);
            prop_assert_eq!(understood.envelope_id, Some(id));
            prop_assert_eq!(understood.recipients.len(), cases.len());
            for (recipient, (address, word, subject, detail, text)) in understood.recipients.iter().zip(&cases) {
                prop_assert_eq!(&recipient.address, address);
                prop_assert_eq!(recipient.action.word(), words[*word].0);
                prop_assert_eq!(recipient.status.unwrap().to_string(), format!("{}.{subject}.{detail}", words[*word].1));
                prop_assert_eq!(recipient.diagnostic.as_deref().unwrap_or_default(), text.trim());
            }
        }
    }
}
