//! Reader of bounces of unknown wording. It goes by structure: an address that is not part of the returned message, with a
//! status code or words of a failure in its block.

use std::collections::HashSet;

use crate::mail::report::bounce::reported::ReportCertainty;
use crate::mail::report::bounce::text::candidate::{self, CandidateAddress, CandidatePosition};
use crate::mail::report::bounce::text::evidence::{self, EvidenceWeight, LineEvidence};
use crate::mail::report::bounce::text::listing::{FoundRecipient, MOST};
use crate::mail::report::bounce::text::page::TextPage;
use crate::mail::report::bounce::text::parties::KnownAddresses;
use crate::mail::report::bounce::text::sender::SystemSender;
use crate::mail::status::StatusClass;

/// Maximum number of lines that belong to one address, and of lines before it that introduce it.
const LONGEST_BLOCK: usize = 30;

/// Maximum number of bytes of the text about one address.
const LONGEST_SAID: usize = 2000;

/// Recipient that the structure of a text names.
#[derive(Debug, PartialEq, Eq)]
pub struct InferredRecipient {
    /// Address and text.
    pub found: FoundRecipient,
    /// Stated if a permanent status code is part of its block.
    pub certainty: ReportCertainty,
}

/// Returns the recipients that failed or are delayed. `subject` is that of the bounce.
pub fn recipients(
    page: &TextPage<'_>,
    sender: SystemSender,
    known: &KnownAddresses,
    subject: &str,
) -> Vec<InferredRecipient> {
    let text = StructuredText::of(page, sender, known);
    let is_bounce = evidence::of_subject(subject) == EvidenceWeight::Strong || text.has_strong_evidence();
    // Parcels are undeliverable too. Without the name of a mail system, the text must have what only a bounce has.
    let is_about_mail = sender == SystemSender::Named || known.has_returned || text.has_code();
    if evidence::is_absence(subject) || !is_bounce || !is_about_mail {
        return Vec::new();
    }
    let blocks = [text.blocks(), text.sentences(known), text.single()];
    let found = blocks.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
    let mut seen = HashSet::new();
    found.into_iter().filter(|one| seen.insert(one.found.address.to_ascii_lowercase())).take(MOST).collect()
}

/// Lines of the mail system, with the evidence and the addresses in them.
struct StructuredText<'p, 't> {
    lines: &'p [&'t str],
    evidence: Vec<LineEvidence>,
    candidates: Vec<CandidateAddress<'t>>,
    /// Least weight of words near an address.
    least: EvidenceWeight,
}

impl<'p, 't> StructuredText<'p, 't> {
    fn of(page: &'p TextPage<'t>, sender: SystemSender, known: &KnownAddresses) -> StructuredText<'p, 't> {
        let lines = page.lines();
        let lines = lines.get(..quoted_header(lines).unwrap_or(lines.len())).unwrap_or(lines);
        let candidates = (0..lines.len()).flat_map(|number| candidate::of_line(lines, number));
        let is_other = |one: &CandidateAddress<'_>| !known.parties.contains(&one.address.to_ascii_lowercase());
        let least = match sender {
            SystemSender::Null => EvidenceWeight::Strong,
            SystemSender::Named => EvidenceWeight::Weak,
        };
        StructuredText {
            lines,
            evidence: evidence::of_lines(page),
            candidates: candidates.filter(is_other).take(MOST).collect(),
            least,
        }
    }

    fn line(&self, number: usize) -> &'t str {
        self.lines.get(number).copied().unwrap_or_default()
    }

    fn evidence(&self, number: usize) -> LineEvidence {
        self.evidence.get(number).copied().unwrap_or(LineEvidence { weight: EvidenceWeight::None, code: None })
    }

    fn has_strong_evidence(&self) -> bool {
        (0..self.lines.len()).any(|number| self.evidence(number).is_strong())
    }

    fn has_code(&self) -> bool {
        (0..self.lines.len()).any(|number| self.evidence(number).code.is_some())
    }

    fn is_enough(&self, number: usize) -> bool {
        let evidence = self.evidence(number);
        evidence.code.is_some() || evidence.weight >= self.least
    }

    fn is_empty(&self, number: usize) -> bool {
        self.line(number).trim().is_empty()
    }

    /// Returns the addresses that begin a line, each with the evidence in its own block or in the words that introduce the
    /// list.
    fn blocks(&self) -> Vec<InferredRecipient> {
        let mut found = Vec::new();
        let mut introduced = None;
        for (at, one) in self.candidates.iter().enumerate() {
            if one.position == CandidatePosition::Embedded {
                continue;
            }
            let block = self.block(at);
            let own = block.clone().any(|number| self.is_enough(number));
            let by_list = one.position != CandidatePosition::Dialogue
                && (introduced == Some(one.position)
                    || self.introduction(one.line).any(|number| self.is_enough(number)));
            introduced = by_list.then_some(one.position);
            if own || by_list {
                found.push(self.inferred(one, block));
            }
        }
        found
    }

    /// Returns the lines of an address: its own, and those below up to an empty line or the next address that begins a line.
    /// If nothing follows the address before an empty line, the next paragraph is about it.
    fn block(&self, at: usize) -> std::ops::Range<usize> {
        let Some(one) = self.candidates.get(at) else { return 0..0 };
        let start = one.line;
        let next = self.candidates.iter().skip(at + 1).find(|other| {
            other.line > start && other.position != CandidatePosition::Embedded && other.address != one.address
        });
        let limit = next.map_or(self.lines.len(), |next| next.line).min(start + LONGEST_BLOCK);
        let has_text = |number: usize| !self.is_empty(number);
        let end = (start + 1..limit).find(|number| self.is_empty(*number)).unwrap_or(limit);
        if end > start + 1 || one.rest.chars().any(char::is_alphanumeric) {
            return start..end;
        }
        let Some(more) = (end..limit).find(|number| has_text(*number)) else { return start..end };
        start..(more..limit).find(|number| self.is_empty(*number)).unwrap_or(limit)
    }

    /// Returns the lines that introduce an address: those above in its paragraph, or else the paragraph above.
    fn introduction(&self, line: usize) -> std::ops::Range<usize> {
        let first = line.saturating_sub(LONGEST_BLOCK);
        let begin =
            |end: usize| (first..end).rev().find(|number| self.is_empty(*number)).map_or(first, |empty| empty + 1);
        let own = begin(line);
        if own < line {
            return own..line;
        }
        let end = (first..line).rev().find(|number| !self.is_empty(*number)).map_or(line, |last| last + 1);
        begin(end)..end
    }

    /// Returns the addresses inside sentences, with the evidence in their paragraph. Recipients of the returned message
    /// come before others.
    fn sentences(&self, known: &KnownAddresses) -> Vec<InferredRecipient> {
        let mut found = Vec::new();
        for one in &self.candidates {
            let paragraph = self.paragraph(one.line);
            let is_meant = known.recipients.contains(&one.address.to_ascii_lowercase());
            let tells = |number: usize| self.evidence(number).is_strong() || (is_meant && self.is_enough(number));
            if paragraph.clone().any(tells) {
                found.push(self.inferred(one, one.line..paragraph.end));
            }
        }
        let is_meant = |one: &InferredRecipient| known.recipients.contains(&one.found.address.to_ascii_lowercase());
        if found.iter().any(is_meant) {
            found.retain(is_meant);
        }
        found
    }

    fn paragraph(&self, line: usize) -> std::ops::Range<usize> {
        let (first, last) = (line.saturating_sub(LONGEST_BLOCK), self.lines.len().min(line + LONGEST_BLOCK));
        let start = (first..line).rev().find(|number| self.is_empty(*number)).map_or(first, |empty| empty + 1);
        start..(line..last).find(|number| self.is_empty(*number)).unwrap_or(last)
    }

    /// Returns the address of a text that names only one.
    fn single(&self) -> Vec<InferredRecipient> {
        let Some(first) = self.candidates.first() else { return Vec::new() };
        let is_other = |one: &CandidateAddress<'_>| !one.address.eq_ignore_ascii_case(first.address);
        if self.candidates.iter().any(is_other) {
            return Vec::new();
        }
        vec![self.inferred(first, first.line..self.paragraph(first.line).end)]
    }

    fn inferred(&self, one: &CandidateAddress<'_>, block: std::ops::Range<usize>) -> InferredRecipient {
        let permanent =
            |number: usize| self.evidence(number).code.is_some_and(|status| status.class() == StatusClass::Permanent);
        let certainty = if block.clone().any(permanent) { ReportCertainty::Stated } else { ReportCertainty::Inferred };
        let rest = one.rest.trim_start_matches(|c: char| c.is_whitespace() || ">:;,.'\")]".contains(c)).trim();
        let below = block.skip(1).map(|number| self.line(number).trim());
        let mut said = String::new();
        // A reply can stand before the address: `550 <a@x>... no such user`.
        let line = self.line(one.line).trim();
        let own = if self.evidence(one.line).code.is_some() || rest.is_empty() { line } else { rest };
        for text in [own].into_iter().filter(|text| *text != one.address).chain(below).filter(|text| !text.is_empty()) {
            let space = LONGEST_SAID.saturating_sub(said.len()).min(text.len());
            said.push_str(text.get(..text.floor_char_boundary(space)).unwrap_or_default());
            said.push('\n');
        }
        InferredRecipient { found: FoundRecipient { address: one.address.to_owned(), said }, certainty }
    }
}

/// Returns the first line of the header of a message that is quoted without a line that says so: three fields that
/// messages have, one of them a field that no summary shows.
fn quoted_header(lines: &[&str]) -> Option<usize> {
    const FIELDS: [&str; 6] = ["from", "to", "cc", "subject", "date", "reply-to"];
    const TELLING: [&str; 6] = ["received", "return-path", "message-id", "mime-version", "content-type", "x-mailer"];
    let (mut start, mut known, mut telling) = (0, 0, 0);
    for (number, line) in lines.iter().enumerate() {
        let name = line.split_once(':').map(|(name, _)| name.trim_start_matches(['>', ' ']).to_ascii_lowercase());
        let is_continuation = line.starts_with([' ', '\t']) && known > 0 && !line.trim().is_empty();
        match name.as_deref() {
            Some(name) if FIELDS.contains(&name) || TELLING.contains(&name) => {
                start = if known == 0 { number } else { start };
                known += 1;
                telling += usize::from(TELLING.contains(&name));
            }
            Some(name) if known > 0 && !name.is_empty() && !name.contains(' ') => {}
            _ if is_continuation => {}
            _ => (known, telling) = (0, 0),
        }
        if known >= 3 && telling > 0 {
            return Some(start);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_from(sender: SystemSender, subject: &str, text: &str) -> Vec<(String, &'static str)> {
        let mut known = KnownAddresses { has_returned: true, ..KnownAddresses::default() };
        known.parties.insert("joe@h.test".to_owned());
        known.recipients.insert("meant@x.test".to_owned());
        let found = recipients(&TextPage::of(text), sender, &known, subject);
        found.into_iter().map(|one| (one.found.address, one.certainty.word())).collect()
    }

    fn read(text: &str) -> Vec<(String, &'static str)> {
        read_from(SystemSender::Named, "", text)
    }

    fn stated(address: &str) -> (String, &'static str) {
        (address.to_owned(), "stated")
    }

    fn inferred(address: &str) -> (String, &'static str) {
        (address.to_owned(), "inferred")
    }

    #[test]
    fn every_block_of_a_list() {
        let text = "Alas, mail for these people went astray:\n\n<a@x.test>\nRemote host: 550 5.1.1 no such user\n\n\
                    <b@x.test>\nThe mailbox is over quota.\n\nAsk postmaster@mx.test.\n";
        assert_eq!(read(text), [stated("a@x.test"), inferred("b@x.test")]);
        let text = "<a@x.test>; <b@x.test>: unknown user\n";
        assert_eq!(read(text), [inferred("a@x.test"), inferred("b@x.test")]);
        let text = "Undeliverable to the following:\n\n  * a@x.test\n  * b@x.test\n\nSorry.\n";
        assert_eq!(read(text), [inferred("a@x.test"), inferred("b@x.test")]);
    }

    #[test]
    fn the_dialogue_with_the_other_system() {
        let text = "This went wrong:\n>>> RCPT TO:<a@x.test>\n<<< 250 ok\n>>> RCPT TO:<b@x.test>\n<<< 550 unknown user\n\
                    554 <c@x.test>... no such host\n250 <d@x.test> ok\n";
        assert_eq!(read(text), [stated("b@x.test"), stated("c@x.test")]);
    }

    #[test]
    fn an_address_inside_a_sentence() {
        assert_eq!(read("We could not deliver your mail to a@x.test, because it is full.\n"), [inferred("a@x.test")]);
        let text = "Mail from joe@h.test through relay@far.test to meant@x.test was undeliverable (550 no).\n";
        assert_eq!(read(text), [stated("meant@x.test")]);
    }

    #[test]
    fn addresses_with_another_role() {
        for text in [
            "Your mail was undeliverable. Please contact help@x.test.\n",
            "Your mail was undeliverable. For questions write\nto the office: write to a@x.test.\n",
            "Undeliverable: mail from other@x.test\n",
            "Undeliverable.\nMessage-ID: <a@x.test>\n",
            "Undeliverable.\n\nReceived: by mx\nTo: a@x.test\n",
            "Undeliverable.\n\nSubject: hi\nDate: today\nMessage-ID: <1@x.test>\nTo: a@x.test\n",
            "Undeliverable.\n\n> a@x.test\n",
            "550 joe@h.test: undeliverable\n",
            "Your mail to a@x.test was successfully delivered.\n",
            "a@x.test\n",
        ] {
            assert_eq!(read(text), [], "{text}");
        }
    }

    #[test]
    fn other_automatic_mail_is_no_bounce() {
        let null = |subject, text| read_from(SystemSender::Null, subject, text);
        let away = "I am away until Monday. Your mail is not forwarded. In urgent cases ask a@x.test.\n";
        assert_eq!(null("Re: hi", away), []);
        assert_eq!(null("Out of office: Undeliverable", "Undeliverable to a@x.test\n"), []);
        assert_eq!(null("Your order", "Payment for a@x.test failed: the card has expired.\n"), []);
        assert_eq!(null("Failure", "The address a@x.test was not found.\n"), []);
        assert_eq!(null("Failure", "<a@x.test>: unknown user\n"), [inferred("a@x.test")]);
        let parcel = "We were unable to deliver your parcel.\nAsk shop@x.test.\n";
        let found =
            recipients(&TextPage::of(parcel), SystemSender::Null, &KnownAddresses::default(), "Delivery failed");
        assert_eq!(found, []);
    }

    proptest! {
        #[test]
        fn any_text_gives_addresses_that_it_has(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just("a@x.test".to_owned()), Just("<b@y.test>".to_owned()), Just("\n".to_owned()),
                    Just("\n\n".to_owned()), Just("550 ".to_owned()), Just("undeliverable ".to_owned()),
                    Just("rcpt to:".to_owned()), Just("@".to_owned()), Just("From: ".to_owned()), "\\PC{0,6}",
                ],
                0..60,
            ),
        ) {
            let text = pieces.concat();
            for (address, _) in read(&text) {
                prop_assert!(text.contains(&address));
                prop_assert!(crate::mail::report::bounce::text::listing::is_address(&address));
            }
        }
    }
}
