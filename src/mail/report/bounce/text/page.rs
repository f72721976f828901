//! Searchable text of a bounce: the part that the mail system wrote, as lines and as one string.

/// Maximum number of bytes read from a text.
const LONGEST: usize = 1 << 16;

/// Maximum number of occurrences of a wording that are read.
const MOST_FOUND: usize = 100;

/// Prefixes of lines after which a mail system quotes the message.
const QUOTES: [&str; 14] = [
    "original message",
    "original mail info",
    "this is a copy of",
    "below this line is a copy",
    "below is a copy of",
    "included is a copy",
    "enclosed is a copy",
    "message headers follow",
    "unsent message follows",
    "the header of the original message",
    "received:",
    "return-path:",
    "dkim-signature:",
    "x-received:",
];

/// Text of a mail system, up to the message that it quotes.
pub struct TextPage<'t> {
    lines: Vec<&'t str>,
    quoted: Vec<&'t str>,
    flat: String,
    small: String,
    starts: Vec<usize>,
}

/// Position after a wording.
pub struct PagePosition<'p, 't> {
    /// Rest of the line after the wording.
    pub rest: &'p str,
    /// Lines below the wording.
    pub below: &'p [&'t str],
}

impl<'t> TextPage<'t> {
    /// Splits a text into lines, up to [`LONGEST`] bytes.
    pub fn of(text: &'t str) -> TextPage<'t> {
        let text = text.get(..text.floor_char_boundary(LONGEST)).unwrap_or(text);
        let mut lines: Vec<&str> = text.lines().collect();
        let quote = lines.iter().position(|line| is_quote(line)).unwrap_or(lines.len());
        let quoted = lines.split_off(quote);
        let (mut flat, mut starts) = (String::new(), Vec::with_capacity(lines.len()));
        for line in &lines {
            starts.push(flat.len());
            for word in line.split_whitespace() {
                flat.push_str(word);
                flat.push(' ');
            }
        }
        let small = flat.to_ascii_lowercase();
        TextPage { lines, quoted, flat, small, starts }
    }

    /// Returns the lines of the mail system.
    pub fn lines(&self) -> &[&'t str] {
        &self.lines
    }

    /// Returns the lines of the quoted message.
    pub fn quoted(&self) -> &[&'t str] {
        &self.quoted
    }

    /// Returns all words in lower case, each followed by one space.
    pub fn small(&self) -> &str {
        &self.small
    }

    /// Returns the number of the line with the byte at `start` of [`TextPage::small`].
    pub fn line_of(&self, start: usize) -> Option<usize> {
        self.starts.partition_point(|line| *line <= start).checked_sub(1)
    }

    /// Finds a wording, given in lower case, across line breaks.
    pub fn find(&self, wording: &str) -> Option<PagePosition<'_, 't>> {
        self.position_after(self.small.find(wording)? + wording.len())
    }

    /// Finds each occurrence of a wording, given in lower case, across line breaks: at most [`MOST_FOUND`], each with the
    /// lines up to the next one.
    pub fn find_all(&self, wording: &str) -> Vec<PagePosition<'_, 't>> {
        self.positions(self.small.match_indices(wording).map(|(start, _)| start), wording.len())
    }

    /// Finds each line that begins with a wording, given in lower case: at most [`MOST_FOUND`], each with the lines up to
    /// the next one.
    pub fn find_lines(&self, wording: &str) -> Vec<PagePosition<'_, 't>> {
        let begins = |start: &usize| self.small.get(*start..).is_some_and(|small| small.starts_with(wording));
        let mut starts: Vec<usize> = self.starts.iter().copied().filter(begins).collect();
        // An empty line has no words of its own, and begins where the next line does.
        starts.dedup();
        self.positions(starts.into_iter(), wording.len())
    }

    fn positions(&self, starts: impl Iterator<Item = usize>, len: usize) -> Vec<PagePosition<'_, 't>> {
        let starts: Vec<usize> = starts.take(MOST_FOUND).collect();
        let ends = starts.iter().skip(1).filter_map(|start| self.line_of(*start)).chain([self.lines.len()]);
        let position = |(start, end): (&usize, usize)| {
            let mut found = self.position_after(*start + len)?;
            let before_next = end.saturating_sub(self.lines.len() - found.below.len());
            found.below = found.below.get(..before_next).unwrap_or(found.below);
            Some(found)
        };
        starts.iter().zip(ends).filter_map(position).collect()
    }

    fn position_after(&self, end: usize) -> Option<PagePosition<'_, 't>> {
        let next = self.starts.partition_point(|start| *start < end);
        let line_end = self.starts.get(next).copied().unwrap_or(self.flat.len());
        Some(PagePosition { rest: self.flat.get(end..line_end)?.trim(), below: self.lines.get(next..)? })
    }
}

fn is_quote(line: &str) -> bool {
    let text = line.trim_matches(|c: char| c.is_whitespace() || "-=*_".contains(c));
    let begins = |wording: &&str| text.get(..wording.len()).is_some_and(|start| start.eq_ignore_ascii_case(wording));
    QUOTES.iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wording_is_found_across_lines() {
        let page = TextPage::of("It could\n  not BE  delivered\nto: a@x\n\n--- Original message ---\nReceived: b\n");
        let found = page.find("could not be delivered to:").unwrap();
        assert_eq!((found.rest, found.below), ("a@x", &[""][..]));
        assert_eq!(page.quoted().len(), 2);
        assert_eq!((page.find_lines("to:").len(), page.find_lines("be").len()), (1, 0));
        assert_eq!(page.small(), "it could not be delivered to: a@x ");
    }

    #[test]
    fn each_occurrence_has_the_lines_up_to_the_next() {
        let page = TextPage::of("No: a@x\nwhy\n\nno: b@x no: c@x\nmore\n");
        let of = |found: Vec<PagePosition<'_, '_>>| -> Vec<(String, Vec<String>)> {
            let text = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
            found.iter().map(|found| (found.rest.to_owned(), text(found.below))).collect()
        };
        let pair =
            |rest: &str, below: &[&str]| (rest.to_owned(), below.iter().map(|line| (*line).to_owned()).collect());
        assert_eq!(
            of(page.find_all("no:")),
            [pair("a@x", &["why", ""]), pair("b@x no: c@x", &[]), pair("c@x", &["more"])]
        );
        assert_eq!(of(page.find_lines("no:")), [pair("a@x", &["why", ""]), pair("b@x no: c@x", &["more"])]);
        assert_eq!(TextPage::of(&"no:\n".repeat(9000)).find_all("no:").len(), MOST_FOUND);
    }

    #[test]
    fn a_wording_at_the_end_of_a_line_has_no_rest() {
        let page = TextPage::of("failed:\n  a@x\n");
        let found = page.find("failed:").unwrap();
        assert_eq!((found.rest, found.below), ("", &["  a@x"][..]));
        assert!(page.find("failed: a@x b").is_none());
    }
}
