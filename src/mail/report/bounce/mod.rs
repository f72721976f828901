//! Parser of incoming reports: delivery status notifications (RFC 3464), message disposition notifications (RFC 8098),
//! and plain-text bounces.
//!
//! The bytes are untrusted. The parser does not panic on any input, reads the bytes a bounded number of times, and
//! gives no more than the header of a returned message to the MIME parser.

mod code;
mod dsn;
mod mdn;
mod original;
mod parts;
mod reported;
mod text;
mod value;

use crate::mail::message::header::{Header, InputSupply, MAX_HEADER_BYTES};
use crate::mail::report::bounce::original::ReportBytes;
use crate::mail::report::bounce::parts::{MimePart, MimeParts, plain_line_ends};

pub use crate::mail::report::bounce::original::ReturnedOriginal;
pub use crate::mail::report::bounce::reported::{ReportedAction, ReportedRecipient};

/// Kind of an incoming report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncomingReportKind {
    /// Delivery status notification (RFC 3464).
    Dsn,
    /// Message disposition notification (RFC 8098).
    Mdn,
    /// Plain-text bounce with known wording.
    Text,
    /// Not a report, or one that cannot be parsed.
    None,
}

impl IncomingReportKind {
    /// Returns the kind as one word.
    pub fn word(self) -> &'static str {
        match self {
            IncomingReportKind::Dsn => "dsn",
            IncomingReportKind::Mdn => "mdn",
            IncomingReportKind::Text => "text",
            IncomingReportKind::None => "none",
        }
    }
}

/// Content of an incoming report on other messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingReport {
    /// Kind of the report.
    pub kind: IncomingReportKind,
    /// Decoded envelope id of the reported message (RFC 3464 section 2.2.1).
    pub envelope_id: Option<String>,
    /// `Message-ID` of the reported message, without brackets.
    pub message_id: Option<String>,
    /// Reported recipients in the order of the report.
    pub recipients: Vec<ReportedRecipient>,
    /// Position of the returned message in the report.
    pub original: ReturnedOriginal,
}

impl IncomingReport {
    fn not_a_report() -> IncomingReport {
        IncomingReport {
            kind: IncomingReportKind::None,
            envelope_id: None,
            message_id: None,
            recipients: Vec::new(),
            original: ReturnedOriginal::None,
        }
    }
}

/// Parses a whole message as a report. The message can be truncated, and can contain any bytes.
pub fn read_report(bytes: &[u8]) -> IncomingReport {
    let received = bytes;
    let bytes = &*plain_line_ends(bytes);
    let parts = MimeParts::of(bytes);
    let complaint = |part: &MimePart| part.kind.is("message/feedback-report");
    // An abuse complaint (RFC 5965) has the structure of a report, but says nothing about delivery.
    if parts.kind.parameter("report-type") == Some("feedback-report") || parts.list.iter().any(complaint) {
        return IncomingReport::not_a_report();
    }
    let body = |part: &MimePart| part.encoding.decode(bytes.get(part.body.clone()).unwrap_or_default()).into_owned();
    let find = |names: [&str; 2]| parts.list.iter().position(|part| names.iter().any(|name| part.kind.is(name)));
    let status = find(["message/delivery-status", "message/global-delivery-status"]);
    let disposition = find(["message/disposition-notification", "message/global-disposition-notification"]);
    let returned =
        original::find(&ReportBytes { received, plain: bytes }, &parts.list, status.or(disposition).unwrap_or(0));
    let mut understood =
        IncomingReport { original: returned.place, message_id: returned.message_id, ..IncomingReport::not_a_report() };
    if let Some(part) = status.and_then(|at| parts.list.get(at)) {
        let report = dsn::read(&body(part));
        understood.kind = IncomingReportKind::Dsn;
        understood.envelope_id = report.envelope_id;
        understood.recipients = report.recipients;
    } else if let Some(part) = disposition.and_then(|at| parts.list.get(at)) {
        let report = mdn::read(&body(part));
        understood.kind = IncomingReportKind::Mdn;
        understood.message_id = report.message_id.or(understood.message_id);
        understood.recipients.extend(report.recipient);
    }
    if !understood.recipients.is_empty() || understood.kind == IncomingReportKind::Mdn {
        return understood;
    }
    let head = bytes.get(..MAX_HEADER_BYTES).unwrap_or(bytes);
    let texts = text::texts(bytes, &parts.list);
    let read = Header::scan(head, InputSupply::End).and_then(|header| text::read(&header, &texts));
    match read {
        Some(read) => {
            let kind = if understood.kind == IncomingReportKind::Dsn {
                IncomingReportKind::Dsn
            } else {
                IncomingReportKind::Text
            };
            let message_id = understood.message_id.or(read.message_id);
            IncomingReport { kind, message_id, recipients: read.recipients, ..understood }
        }
        None if understood.kind == IncomingReportKind::Dsn => understood,
        None => IncomingReport::not_a_report(),
    }
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
