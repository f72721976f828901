//! Lists of addresses in bounces, and the text below each address.

use crate::mail::address::{Address, AddressType};

/// Maximum number of lines between a wording and the first address.
const FARTHEST: usize = 20;

/// Maximum number of recipients read from one text.
pub const MOST: usize = 1000;

/// Maximum number of addresses after the first one of a line.
const MOST_BESIDE: usize = 100;

/// Prefixes that can precede an address.
const MARKS: [&str; 5] = ["* ", "- ", ">>> ", "Recipient: ", "Recipient address: "];

/// Maximum number of lines below a wording that belong to its single address.
const LONGEST_NOTE: usize = 100;

/// Recipient in the list, with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRecipient {
    /// Address of the recipient.
    pub address: String,
    /// Text after the address, up to an empty line or the next recipient.
    pub said: String,
}

/// Format of the addresses in one list. A line in another format is text about a recipient.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ListingShape {
    indent: usize,
    bracketed: bool,
}

/// Parses a list that begins with `rest`, or with the lines below it.
pub fn list(rest: &str, below: &[&str]) -> Vec<FoundRecipient> {
    let mut found: Vec<FoundRecipient> = Vec::new();
    let mut shape = None;
    let mut told = false;
    // Index of the first recipient of a line with several, and of the last, whose text is about all of them.
    let mut lines: Vec<(usize, usize)> = Vec::new();
    let rest = Some(rest).filter(|rest| leading(rest).is_some());
    for (number, line) in rest.into_iter().chain(below.iter().copied()).enumerate() {
        if found.len() == MOST || (found.is_empty() && number > FARTHEST) || (!found.is_empty() && is_rule(line)) {
            break;
        }
        match leading(line).filter(|(its, _)| shape.is_none_or(|shape| shape == *its)) {
            Some((its, first)) => {
                shape = Some(its);
                told = false;
                let start = found.len();
                let beside = beside(line, &first.address);
                found.push(first);
                found.extend(beside);
                lines.push((start, found.len() - 1));
            }
            None => {
                let Some(last) = found.last_mut() else { continue };
                let line = line.trim();
                told |= line.is_empty() && !last.said.is_empty() && !last.said.ends_with(":\n");
                if !told && !line.is_empty() {
                    last.said.push_str(line);
                    last.said.push('\n');
                }
            }
        }
    }
    for (start, last) in lines.into_iter().filter(|(start, last)| start < last) {
        let said = found.get(last).map(|last| last.said.clone()).unwrap_or_default();
        found.get_mut(start..last).unwrap_or_default().iter_mut().for_each(|one| one.said.clone_from(&said));
    }
    found
}

/// Parses the addresses that follow the first one of a line, after a comma, a semicolon or `and`.
fn beside(line: &str, first: &str) -> Vec<FoundRecipient> {
    let mut found = Vec::new();
    let mut rest = line.split_once(first).map_or("", |(_, rest)| rest);
    while found.len() < MOST_BESIDE {
        let text = rest.trim_start_matches(['>', '"', '\'', ' ']);
        let Some(text) = [",", ";", "and ", "& "].iter().find_map(|between| text.strip_prefix(between)) else { break };
        let Some((_, next)) = leading(text) else { break };
        rest = text.split_once(next.address.as_str()).map_or("", |(_, rest)| rest);
        found.push(next);
    }
    found
}

/// Parses the addresses directly after a wording, in one line.
pub fn inline(rest: &str, below: &[&str]) -> Vec<FoundRecipient> {
    let mut found = Vec::new();
    let first = if rest.is_empty() { below.first().copied().unwrap_or_default() } else { rest };
    if let Some((_, alone)) = leading(first) {
        found = list(first, below.get(..LONGEST_NOTE).unwrap_or(below));
        found.truncate(1 + beside(first, &alone.address).len());
    }
    found
}

/// Parses lines of the form `550 <a@x>... no such user`.
pub fn replies(below: &[&str]) -> Vec<FoundRecipient> {
    let reply = |line: &&str| {
        let (code, rest) = line.trim().split_once(' ')?;
        let (_, found) = leading(rest).filter(|_| code.len() == 3 && code.starts_with(['4', '5']))?;
        Some(FoundRecipient { said: line.trim().to_owned(), ..found })
    };
    below.iter().filter_map(reply).take(MOST).collect()
}

/// Parses the single address of a `To:` line.
pub fn to(lines: &[&str]) -> Vec<FoundRecipient> {
    let line = lines.iter().find_map(|line| line.trim_start().strip_prefix("To:")).unwrap_or_default();
    let address = line.rsplit_once('<').map_or(line, |(_, rest)| rest).trim().trim_end_matches('>');
    let found = is_address(address).then(|| FoundRecipient { address: address.to_owned(), said: String::new() });
    found.into_iter().collect()
}

/// Returns true for a mail address with a domain.
pub fn is_address(text: &str) -> bool {
    let bare = Address::new(AddressType::smtp(), text).ok();
    let domain = bare.as_ref().and_then(Address::domain).unwrap_or_default();
    domain.starts_with(|c: char| c.is_alphanumeric() || c == '[') && !domain.contains(['/', '='])
}

/// Parses the address at the beginning of a line.
fn leading(line: &str) -> Option<(ListingShape, FoundRecipient)> {
    let indent = line.len() - line.trim_start().len();
    let text = line.trim();
    let text = MARKS.iter().find_map(|mark| text.strip_prefix(mark)).unwrap_or(text).trim_start();
    let bracketed = text.starts_with('<');
    let (address, rest) = if let Some(inner) = text.strip_prefix('<') {
        inner.split_once('>')?
    } else if let Some((address, rest)) = text.strip_prefix('"').and_then(|inner| inner.split_once('"'))
        && !rest.starts_with('@')
    {
        (address, rest)
    } else {
        let end = text.find(|c: char| c.is_whitespace() || "<[(,;:".contains(c)).unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(end)?;
        (word.trim_end_matches(['.', '\'']).trim_start_matches('\''), rest)
    };
    // In `a@x<mailto:a@x>`, `a@x on DATE` and `>>> a@x <a@x>` the rest repeats the address or has no diagnostic.
    let rest =
        if rest.trim_start().starts_with('<') { rest.split_once('>').map_or(rest, |(_, rest)| rest) } else { rest };
    let rest = rest.trim_start_matches([':', '.', ' ', ',']).trim();
    let said = if rest.is_empty() || rest.starts_with("on ") { String::new() } else { format!("{rest}\n") };
    is_address(address)
        .then(|| (ListingShape { indent, bracketed }, FoundRecipient { address: address.to_owned(), said }))
}

/// Returns true for a rule, which ends a list.
fn is_rule(line: &str) -> bool {
    ["---", "===", "***", "___"].iter().any(|rule| line.trim_start().starts_with(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let lines: Vec<&str> = text.lines().collect();
        list("", &lines).into_iter().map(|found| (found.address, found.said.replace('\n', "|"))).collect()
    }

    fn pair(address: &str, said: &str) -> (String, String) {
        (address.to_owned(), said.to_owned())
    }

    #[test]
    fn addresses_stand_at_the_beginning_of_lines() {
        assert_eq!(
            found("\n<a@x>:\nno.\nreally\n\n<b@x>: full\nc@x\n---\n<d@x>\n"),
            [pair("a@x", "no.|really|"), pair("b@x", "full|c@x|")]
        );
        assert_eq!(found("  a@x\n    host b:\n    b@x\n  \"c@x\":\n"), [pair("a@x", "host b:|b@x|"), pair("c@x", "")]);
        assert_eq!(found("a@x: 550 no\nb@x[unknown]"), [pair("a@x", "550 no|"), pair("b@x", "[unknown]|")]);
        assert_eq!(found("a@x on Mon, 1 May\n  gone"), [pair("a@x", "gone|")]);
        assert_eq!(found("* a@x<mailto:a@x>\n\nwhy\n\nmore"), [pair("a@x", "why|")]);
        assert_eq!(found("a@x\n\nFor this reason:\n\nwhy\n\nmore"), [pair("a@x", "For this reason:|why|")]);
        assert_eq!(found("nobody\nhere"), []);
        assert_eq!(found("<a@x>, <b@x>:\nno\n\n"), [pair("a@x", "no|"), pair("b@x", "no|")]);
        assert_eq!(found("a@x; b@x and c@x: no"), [pair("a@x", "no|"), pair("b@x", "no|"), pair("c@x", "no|")]);
        assert_eq!(found("a@x: b@x said no"), [pair("a@x", "b@x said no|")]);
    }

    #[test]
    fn an_address_may_follow_its_wording() {
        assert_eq!(inline("<a@x>.", &["", "no"])[0], FoundRecipient { address: "a@x".into(), said: "no\n".into() });
        assert_eq!(inline("'a@x', sorry", &[])[0].address, "a@x");
        assert_eq!(inline("a friend", &["b@x"]), []);
        assert_eq!(inline("a@x and b@x", &["c@x"]).len(), 2);
    }

    #[test]
    fn replies_name_their_recipient() {
        let found = replies(&[">>> RCPT To:<a@x>", "<<< 550 no", "550 <a@x>... User unknown", "421 x (smtp)... later"]);
        assert_eq!(found, [FoundRecipient { address: "a@x".into(), said: "550 <a@x>... User unknown".into() }]);
    }

    #[test]
    fn only_a_single_address_is_taken_from_a_field() {
        assert_eq!(to(&["X: y", "To: Bob <a@x>"])[0].address, "a@x");
        assert_eq!(to(&["To: a@x, b@x"]), []);
    }
}
