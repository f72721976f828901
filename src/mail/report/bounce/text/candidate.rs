//! Addresses in a text of unknown wording, with the role that the words before them give.

use crate::mail::report::bounce::text::listing;

/// Position of an address in its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidatePosition {
    /// At the beginning, perhaps after a mark or a label such as `Recipient:`.
    Leading {
        /// Number of bytes before the first word.
        indent: usize,
        /// True for `<a@x>`.
        bracketed: bool,
    },
    /// At the beginning, as the argument of the SMTP command `RCPT`, or after a reply code of SMTP.
    Dialogue,
    /// Inside a sentence.
    Embedded,
}

/// Address that can be a failed recipient.
#[derive(Debug)]
pub struct CandidateAddress<'t> {
    /// Number of the line.
    pub line: usize,
    /// Address without brackets.
    pub address: &'t str,
    /// Position in the line.
    pub position: CandidatePosition,
    /// Rest of the line.
    pub rest: &'t str,
}

/// Maximum length of a label before an address.
const LONGEST_LABEL: usize = 40;

/// Number of characters before an address that are searched for a word that excludes it.
const NEAR: usize = 80;

/// Labels and words directly before an address that is no recipient.
const NOT_RECIPIENTS: &[&str] = &[
    "from",
    "from:",
    "sender",
    "sender:",
    "by",
    "reply-to:",
    "return-path:",
    "message-id:",
    "message-id",
    "id",
    "id:",
    "references:",
    "in-reply-to:",
    "subject:",
    "behalf of",
    "helo",
    "ehlo",
    "expanded from:",
    "generated from",
    "expanded from",
    "cc:",
    "bcc:",
];

/// Words of an invitation to write to an address, of an example, or of a success.
const INVITATIONS: &[&str] = &[
    "contact",
    "write to",
    "questions",
    "assistance",
    "for help",
    "support at",
    "for support",
    "send e-mail to",
    "send email to",
    "send mail to",
    "send a message",
    "send your message",
    "forward this",
    "forward it",
    "forward the",
    "notify",
    "reply to",
    "report this",
    "inquir",
    "complain",
    "successfully",
    "instead",
    "e.g.",
    "for example",
    "such as",
];

/// Local parts of addresses that mail systems have for themselves.
const SYSTEM_NAMES: &[&str] =
    &["mailer-daemon", "postmaster", "hostmaster", "abuse", "noreply", "no-reply", "mail-daemon", "mailerdaemon"];

/// Returns the addresses of the line with this number that can be failed recipients.
pub fn of_line<'t>(lines: &[&'t str], number: usize) -> Vec<CandidateAddress<'t>> {
    let line = lines.get(number).copied().unwrap_or_default();
    // A sentence can begin in the line above. A list cannot: its introduction ends in a colon.
    let above = number.checked_sub(1).and_then(|above| lines.get(above)).copied().unwrap_or_default();
    let above = if above.trim_end().ends_with(':') { "" } else { above };
    let is_reply_of_success = line.trim_start_matches(|c: char| c.is_whitespace() || "<>".contains(c)).starts_with('2');
    let is_quoted = line.starts_with('>') && !line.starts_with(">>>");
    let mut found = Vec::new();
    if is_reply_of_success || is_quoted || !line.contains('@') {
        return found;
    }
    let mut from = 0;
    while let Some(at) = line.get(from..).and_then(|rest| rest.find('@')).map(|at| from + at) {
        let (start, end) = extent(line, from, at);
        from = end.max(at + 1);
        let (Some(before), Some(address), Some(rest)) = (line.get(..start), line.get(start..end), line.get(end..))
        else {
            continue;
        };
        let dotted = address.rsplit_once('@').is_some_and(|(_, domain)| domain.contains('.'));
        if dotted && listing::is_address(address) && !is_excluded(above, before, address) {
            let position = beside(&found, before).unwrap_or_else(|| position(before));
            found.push(CandidateAddress { line: number, address, position, rest });
        }
    }
    found
}

/// Returns the position of the address before, if only a separator of a list lies between.
fn beside(found: &[CandidateAddress<'_>], before: &str) -> Option<CandidatePosition> {
    let last = found.last()?;
    let between = before.rsplit_once(last.address)?.1;
    let words = between.trim_matches(|c: char| c.is_whitespace() || "<>'\",;".contains(c));
    let is_list = (words.is_empty() && between.contains([',', ';'])) || words == "and" || words == "&";
    is_list.then_some(last.position)
}

/// Returns every address in a text.
pub fn all(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find('@')).map(|at| from + at) {
        let (start, end) = extent(text, from, at);
        from = end.max(at + 1);
        found.extend(text.get(start..end).filter(|address| listing::is_address(address)));
    }
    found
}

/// Returns the beginning and the end of the address around an `@`. It begins at `from` or later.
fn extent(line: &str, from: usize, at: usize) -> (usize, usize) {
    let is_local = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
    let domain = |c: char| c.is_alphanumeric() || ".-".contains(c);
    let head = line.get(from..at).unwrap_or_default();
    let start = at - head.chars().rev().take_while(|c| is_local(*c)).map(char::len_utf8).sum::<usize>();
    let marks = line.get(start..at).unwrap_or_default();
    // A mark, or a type as in `SMTP=a@x`, is no part of the address.
    let local = marks.trim_start_matches(|c: char| "'*-=|`.!#".contains(c));
    let typed = local.split_once('=').filter(|(kind, _)| kind.eq_ignore_ascii_case("smtp"));
    let start = at - typed.map_or(local, |(_, local)| local).len();
    let tail = line.get(at + 1..).unwrap_or_default();
    let end = at + 1 + tail.chars().take_while(|c| domain(*c)).map(char::len_utf8).sum::<usize>();
    let trimmed = line.get(start..end).unwrap_or_default().trim_end_matches(['.', '-']);
    (start, start + trimmed.len())
}

fn is_excluded(above: &str, before: &str, address: &str) -> bool {
    let small = before.to_ascii_lowercase();
    let sentence = format!("{} {small}", end_of(above, NEAR).to_ascii_lowercase());
    let near = end_of(&sentence, NEAR);
    let words = near.trim_end_matches(|c: char| c.is_whitespace() || "<'\"[(".contains(c));
    let ends = |word: &str| {
        let head = words.strip_suffix(word);
        head.is_some_and(|head| head.is_empty() || head.ends_with(|c: char| !c.is_alphanumeric() && c != '-'))
    };
    let local = address.split('@').next().unwrap_or_default().to_ascii_lowercase();
    let is_system = SYSTEM_NAMES.contains(&local.as_str());
    // A Message-ID and a path in a URL look like addresses.
    let begins = |name: &str| small.trim_start().starts_with(name);
    is_system
        || NOT_RECIPIENTS.iter().any(|word| ends(word))
        || INVITATIONS.iter().any(|word| near.contains(word))
        || ["message-id", "subject:", "from:", "received:", "x-"].iter().any(|name| begins(name))
        || small.contains("mail from:")
}

/// Returns the last bytes of a text, at most `len`.
fn end_of(text: &str, len: usize) -> &str {
    text.get(text.ceil_char_boundary(text.len().saturating_sub(len))..).unwrap_or_default()
}

fn position(before: &str) -> CandidatePosition {
    let indent = before.len() - before.trim_start().len();
    let bracketed = before.ends_with('<');
    let label = before.trim().trim_start_matches(['*', '-', '>', '<', '\'', '"', '(', '[', ' ']);
    let label = label.trim_end_matches(['<', '\'', '"', '(', '[', ' ']).trim_end();
    let is_code = label.len() == 3 && label.starts_with(['4', '5']) && label.bytes().all(|byte| byte.is_ascii_digit());
    if is_code || label.eq_ignore_ascii_case("rcpt to:") {
        return CandidatePosition::Dialogue;
    }
    let is_label = label.ends_with([':', ';', '=']) && label.len() <= LONGEST_LABEL && !label.contains(['.', ',']);
    if label.is_empty() || is_label {
        CandidatePosition::Leading { indent, bracketed }
    } else {
        CandidatePosition::Embedded
    }
}
