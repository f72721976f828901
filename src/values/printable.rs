//! Sanitizing of untrusted text for a terminal, a log or a single line. The only module that uses `unicode-width`.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Use of a program's output, which limits its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextLimit {
    /// Text of a result, which is stored.
    Result,
    /// Excerpt in a message of ours, and an id that a transport gave.
    Excerpt,
    /// Text beside a progress bar.
    Progress,
}

impl TextLimit {
    /// Returns the maximum length, in characters.
    pub fn chars(self) -> usize {
        match self {
            TextLimit::Result => 1000,
            TextLimit::Excerpt => 200,
            TextLimit::Progress => 60,
        }
    }
}

/// Returns true for control characters, bidirectional overrides and invisible characters. Printed unchanged, they could
/// move the cursor or make text look different from what it is.
pub fn is_unsafe(c: char) -> bool {
    let bidi = matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let hidden =
        matches!(c, '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || bidi || hidden
}

/// Returns the text on one line: each unsafe character becomes `?`, each tab or newline a space.
pub fn line(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' || c == '\n' {
                ' '
            } else if is_unsafe(c) {
                '?'
            } else {
                c
            }
        })
        .collect()
}

/// Joins the non-empty lines of a program's output with ` / `, sanitizes them, and cuts the result to the limit;
/// the last character of a cut text is `…`.
pub fn output(bytes: &[u8], limit: TextLimit) -> String {
    let longest = limit.chars();
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().map(|part| line(part.trim())).filter(|part| !part.is_empty());
    let joined = lines.collect::<Vec<_>>().join(" / ");
    debug_assert!(!joined.chars().any(is_unsafe), "output is safe for a terminal");
    if joined.chars().count() <= longest {
        return joined;
    }
    joined.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

/// Cuts or pads the text to exactly `columns` terminal columns. A cut text ends in `…`.
pub fn fit(text: &str, columns: usize) -> String {
    let width = text.width();
    if width <= columns {
        return format!("{text}{}", " ".repeat(columns - width));
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide > columns.saturating_sub(1) {
            break;
        }
        used += wide;
        cut.push(c);
    }
    if columns > 0 {
        cut.push('…');
        used += 1;
    }
    debug_assert!(used <= columns, "a cut text fits");
    format!("{cut}{}", " ".repeat(columns.saturating_sub(used)))
}

/// Returns the number of terminal columns that the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        let hostile = "a\x1b]0;owned\x07b\u{9b}2Jc\u{202e}d\re\0f\x7fg\u{2066}h";
        assert_eq!(line(hostile), "a?]0;owned?b?2Jc?d?e?f?g?h");
    }

    #[test]
    fn output_becomes_one_line() {
        assert_eq!(output(b"one\n\n  two\t2\r\n\xff\n", TextLimit::Excerpt), "one / two 2 / \u{fffd}");
        assert_eq!(output(&[b'a'; 61], TextLimit::Progress), format!("{}…", "a".repeat(59)));
        assert_eq!(output(&[b'a'; 60], TextLimit::Progress), "a".repeat(60));
        assert_eq!(output(b"", TextLimit::Progress), "");
    }

    #[test]
    fn fitting_counts_columns() {
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日… ");
        assert_eq!(fit("abc", 0), "");
    }

    proptest! {
        #[test]
        fn every_fit_is_exact(text in "\\PC{0,20}", columns in 1usize..30) {
            prop_assert_eq!(width(&fit(&text, columns)), columns);
        }

        #[test]
        fn no_line_is_unsafe(text in ".{0,40}") {
            prop_assert!(!line(&text).chars().any(is_unsafe));
        }
    }
}
