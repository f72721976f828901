//! Address lists of header fields (RFC 5322 section 3.4, with the obsolete syntax of section 4.4). The parser is
//! strict, because every address it returns becomes a recipient.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// Error for a list that cannot be parsed.
#[derive(Debug, PartialEq, Eq)]
pub struct AddressListError {
    /// Reason, which continues a sentence that begins with the list.
    pub reason: &'static str,
}

impl fmt::Display for AddressListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for AddressListError {}

/// Entry of a list that is not an address.
#[derive(Debug, PartialEq, Eq)]
pub struct BadEntry {
    /// Text of the entry, without the separators.
    pub text: String,
    /// Reason why it is not an address.
    pub error: AddressListError,
}

/// Addresses of a list, and the entries that are none.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SortedEntries {
    /// Bare addresses (`local@domain`, or `local` alone) of all mailboxes in order, including members of groups.
    pub addresses: Vec<String>,
    /// Entries that are not addresses, in order.
    pub bad: Vec<BadEntry>,
}

/// Parses a list and returns the bare addresses (`local@domain`, or `local` alone) of all mailboxes in order, including
/// members of groups.
pub fn parse(text: &str) -> Result<Vec<String>, AddressListError> {
    let mut reader = AddressListReader { chars: text.chars().peekable(), found: Vec::new() };
    let mut position = ListPosition::Top;
    while let ListStep::More = reader.step(&mut position)? {}
    Ok(reader.found)
}

/// Parses a list whose entries need not all be addresses. An entry that is none ends at the next separator; one with a
/// quote or a comment that is not closed has no certain end, and takes the rest of the list.
pub fn sort(text: &str) -> SortedEntries {
    let mut reader = AddressListReader { chars: text.chars().peekable(), found: Vec::new() };
    let mut sorted = SortedEntries::default();
    let mut position = ListPosition::Top;
    loop {
        let entry_at = reader.clone();
        let good = reader.found.len();
        match reader.step(&mut position) {
            Ok(ListStep::End) => break,
            Ok(ListStep::More) => {}
            Err(error) => {
                reader = AddressListReader { chars: entry_at.chars, found: reader.found };
                reader.found.truncate(good);
                let text = reader.skip_entry().trim().to_owned();
                sorted.bad.push(BadEntry { text, error });
            }
        }
    }
    sorted.addresses = reader.found;
    sorted
}

/// Progress of a parser in its list.
enum ListStep {
    /// The list goes on.
    More,
    /// The list is at its end.
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ListPosition {
    Top,
    Group,
}

/// Token of a phrase or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ListWord {
    Atom(String),
    Quoted(String),
    Dot,
}

#[derive(Clone)]
struct AddressListReader<'a> {
    chars: Peekable<Chars<'a>>,
    found: Vec<String>,
}

const fn bad<T>(reason: &'static str) -> Result<T, AddressListError> {
    Err(AddressListError { reason })
}

impl AddressListReader<'_> {
    /// Parses one separator or one entry. `;` ends a group, and separates addresses as some mail programs write them.
    fn step(&mut self, position: &mut ListPosition) -> Result<ListStep, AddressListError> {
        self.blanks()?;
        match self.chars.peek() {
            Some(',') => {
                self.chars.next();
            }
            Some(';') => {
                self.chars.next();
                *position = ListPosition::Top;
            }
            // A group without its final `;` is accepted: its members are unambiguous.
            None => return Ok(ListStep::End),
            Some(_) => self.entry(position)?,
        }
        Ok(ListStep::More)
    }

    fn entry(&mut self, position: &mut ListPosition) -> Result<(), AddressListError> {
        let words = self.words()?;
        match self.chars.peek() {
            Some('<') => {
                self.chars.next();
                self.bracketed()?;
            }
            Some(':') if *position == ListPosition::Top && !words.is_empty() => {
                self.chars.next();
                *position = ListPosition::Group;
                return Ok(());
            }
            Some('@') => {
                self.mailbox(&words)?;
                self.blanks()?;
                // `joe@x <joe@x>`: many programs omit the quotes that an @ in the name requires.
                if self.chars.next_if_eq(&'<').is_some() {
                    self.found.pop();
                    self.bracketed()?;
                }
            }
            None | Some(',' | ';') => self.found.push(local_part(&words)?),
            Some(_) => return bad("has a special character instead of an address"),
        }
        self.blanks()?;
        match self.chars.peek() {
            None | Some(',' | ';') => Ok(()),
            Some(_) => bad("has two addresses without a comma between them"),
        }
    }

    /// Skips the rest of an entry that is not an address, and returns its text. A separator in a quote, in a comment or
    /// between brackets belongs to the entry.
    fn skip_entry(&mut self) -> String {
        let mut text = String::new();
        let mut comments = 0usize;
        let (mut is_quoted, mut is_bracketed) = (false, false);
        while let Some(c) = self.chars.peek().copied() {
            if matches!(c, ',' | ';') && !is_quoted && !is_bracketed && comments == 0 {
                break;
            }
            self.chars.next();
            text.push(c);
            match c {
                '\\' => text.extend(self.chars.next()),
                '"' if comments == 0 => is_quoted = !is_quoted,
                _ if is_quoted => {}
                '(' => comments += 1,
                ')' => comments = comments.saturating_sub(1),
                // A bracket that is not closed before the next one has no certain end.
                '<' => is_bracketed = self.chars.clone().find(|c| matches!(c, '<' | '>')) == Some('>'),
                '>' => is_bracketed = false,
                _ => {}
            }
        }
        text
    }

    /// Parses `route:local@domain>` and ignores the obsolete source route (RFC 5321 section 3.6.1).
    fn bracketed(&mut self) -> Result<(), AddressListError> {
        self.blanks()?;
        if self.chars.peek() == Some(&'@') {
            loop {
                match self.chars.next() {
                    Some(':') => break,
                    Some('>') | None => return bad("has a source route without an address"),
                    Some(_) => {}
                }
            }
        }
        let words = self.words()?;
        match self.chars.peek() {
            Some('@') => self.mailbox(&words)?,
            Some('>') if words.is_empty() => {}
            Some('>') => self.found.push(local_part(&words)?),
            _ => return bad("has < without >"),
        }
        self.blanks()?;
        if self.chars.next() == Some('>') { Ok(()) } else { bad("has < without >") }
    }

    fn mailbox(&mut self, words: &[ListWord]) -> Result<(), AddressListError> {
        let local = local_part(words)?;
        self.chars.next();
        self.blanks()?;
        let domain = if self.chars.peek() == Some(&'[') {
            self.literal()?
        } else {
            let words = self.words()?;
            if words.iter().any(|word| matches!(word, ListWord::Quoted(_))) {
                return bad("has a quoted domain");
            }
            local_part(&words).or(bad("has an @ without a domain"))?
        };
        self.found.push(format!("{local}@{domain}"));
        Ok(())
    }

    fn literal(&mut self) -> Result<String, AddressListError> {
        let mut text = String::new();
        for c in self.chars.by_ref() {
            text.push(c);
            match c {
                ']' => return Ok(text),
                '[' if text.len() > 1 => break,
                '\\' => break,
                c if c.is_whitespace() => break,
                _ => {}
            }
        }
        bad("has a domain literal that is not closed")
    }

    fn words(&mut self) -> Result<Vec<ListWord>, AddressListError> {
        let mut words = Vec::new();
        loop {
            self.blanks()?;
            match self.chars.peek() {
                Some('"') => words.push(ListWord::Quoted(self.quoted()?)),
                Some('.') => {
                    self.chars.next();
                    words.push(ListWord::Dot);
                }
                Some(c) if is_atom(*c) => {
                    let mut atom = String::new();
                    while let Some(c) = self.chars.next_if(|c| is_atom(*c)) {
                        atom.push(c);
                    }
                    words.push(ListWord::Atom(atom));
                }
                _ => return Ok(words),
            }
        }
    }

    fn quoted(&mut self) -> Result<String, AddressListError> {
        self.chars.next();
        let mut text = String::new();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => return Ok(text),
                '\\' => match self.chars.next() {
                    Some(c) => text.push(c),
                    None => break,
                },
                c => text.push(c),
            }
        }
        bad("has a quote that is not closed")
    }

    /// Skips blanks and nested comments.
    fn blanks(&mut self) -> Result<(), AddressListError> {
        let mut depth = 0usize;
        while let Some(c) = self.chars.peek() {
            match c {
                '(' => depth += 1,
                ')' if depth > 0 => depth -= 1,
                '\\' if depth > 0 => {
                    self.chars.next();
                }
                _ if depth > 0 => {}
                c if c.is_whitespace() => {}
                _ => return Ok(()),
            }
            self.chars.next();
        }
        if depth > 0 { bad("has a comment that is not closed") } else { Ok(()) }
    }
}

/// Joins atoms and quoted strings that are separated by dots; blanks around the dots are obsolete syntax. Removes
/// quotes that are not needed.
fn local_part(words: &[ListWord]) -> Result<String, AddressListError> {
    let mut text = String::new();
    let mut after_word = false;
    for word in words {
        match word {
            ListWord::Dot => {
                text.push('.');
                after_word = false;
            }
            _ if after_word => return bad("has a name without an address in < >"),
            ListWord::Atom(atom) => {
                text.push_str(atom);
                after_word = true;
            }
            ListWord::Quoted(inner) => {
                if words.len() == 1 && inner.split('.').all(|part| !part.is_empty() && part.chars().all(is_atom)) {
                    text.push_str(inner);
                } else {
                    text.push('"');
                    for c in inner.chars() {
                        if matches!(c, '"' | '\\') {
                            text.push('\\');
                        }
                        text.push(c);
                    }
                    text.push('"');
                }
                after_word = true;
            }
        }
    }
    if words.iter().all(|word| *word == ListWord::Dot) { bad("has no address") } else { Ok(text) }
}

fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ok(text: &str) -> Vec<String> {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn reads_what_people_write() {
        assert_eq!(ok("a@x, b@y"), ["a@x", "b@y"]);
        assert_eq!(ok("Ann Other <a@x>, \"Other, Bob\" <b@y>"), ["a@x", "b@y"]);
        assert_eq!(ok("=?utf-8?q?caf=C3=A9?= <c@x>"), ["c@x"]);
        assert_eq!(ok("A. N. Other <a.n@x>"), ["a.n@x"]);
        assert_eq!(ok("root"), ["root"]);
        assert_eq!(
            ok("Joe Q. Public <john.q.public@example.com> (a, comment \\) (nested)), x@y"),
            ["john.q.public@example.com", "x@y"]
        );
        assert_eq!(ok("undisclosed-recipients:;"), Vec::<String>::new());
        assert_eq!(ok("A Group: Ed <e@x>, joe@y; , z@w"), ["e@x", "joe@y", "z@w"]);
        assert_eq!(ok("<@a.example,@b.example:c@d.example>"), ["c@d.example"]);
        assert_eq!(ok("a . b @ x . y"), ["a.b@x.y"]);
        assert_eq!(ok("\"a b\"@x, \"bob\"@x"), ["\"a b\"@x", "bob@x"]);
        assert_eq!(ok("u@[IPv6:::1], u@[127.0.0.1]"), ["u@[IPv6:::1]", "u@[127.0.0.1]"]);
        assert_eq!(ok(",, a@x,,"), ["a@x"]);
        assert_eq!(ok("j\u{fc}rgen@b\u{fc}cher.example"), ["j\u{fc}rgen@b\u{fc}cher.example"]);
        assert_eq!(ok(""), Vec::<String>::new());
        assert_eq!(ok("<>"), Vec::<String>::new());
        assert_eq!(ok("joe@home <joe@x>"), ["joe@x"]);
        assert_eq!(ok("a@x; Bob <b@y>; c"), ["a@x", "b@y", "c"]);
        assert_eq!(ok("Team: a@x; b@y"), ["a@x", "b@y"]);
    }

    #[test]
    fn what_is_no_address_does_not_hide_the_others() {
        let sorted = |text: &str| {
            let sorted = sort(text);
            let bad: Vec<String> = sorted.bad.into_iter().map(|entry| entry.text).collect();
            (sorted.addresses.join(" "), bad.join("|"))
        };
        let is = |text: &str, good: &str, bad: &str| {
            assert_eq!(sorted(text), (good.to_owned(), bad.to_owned()), "{text}");
        };
        is("bob at example.com, ok@ok", "ok@ok", "bob at example.com");
        is("a@x, b@y c@z ; d@w", "a@x d@w", "b@y c@z");
        is("Team: a@x, b b, c@y; d@w", "a@x c@y d@w", "b b");
        is("a@x, \"open, b@y", "a@x", "\"open, b@y");
        is("a@x, (open, b@y", "a@x", "(open, b@y");
        is("Ann <x y, b@y>, c@z", "c@z", "Ann <x y, b@y>");
        is("Ann <a@x, Bob <b@y>", "b@y", "Ann <a@x");
        is("a b\\, c@x, d@y", "d@y", "a b\\, c@x");
        is("@, [x], ok@ok", "ok@ok", "@|[x]");
    }

    #[test]
    fn refuses_what_it_would_have_to_guess() {
        for text in [
            "foo bar", "a@x b@y", "Ann <a@x", "a@", "@x", "\"open", "(open", "Ann a@x", "<@r>", "a@\"x\"", "u@[1.2",
            "a@x> b", "[x]", ".",
        ] {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
    }

    proptest! {
        #[test]
        fn sorting_agrees_with_parsing(text in "[a-c@.,;:<>()\"\\\\ \\[\\]]{0,40}") {
            let sorted = sort(&text);
            match parse(&text) {
                Ok(addresses) => prop_assert_eq!(sorted, SortedEntries { addresses, bad: Vec::new() }),
                Err(error) => prop_assert_eq!(&sorted.bad[0].error, &error),
            }
        }

        #[test]
        fn never_panics_and_never_lets_a_line_through(text in "\\PC{0,60}") {
            for address in parse(&text).unwrap_or_default() {
                prop_assert!(!address.is_empty());
                prop_assert!(!address.contains(['\n', '\r', '\0']));
            }
        }

        #[test]
        fn every_quoted_local_part_comes_back(local in "[ -~]{1,20}") {
            let quoted: String = local.chars().flat_map(|c| if matches!(c, '"' | '\\') { vec!['\\', c] } else { vec![c] }).collect();
            let found = parse(&format!("\"{quoted}\"@x")).unwrap();
            let again = parse(&found[0]).unwrap();
            prop_assert_eq!(&found, &again);
        }
    }
}
