//! Quoting of user input in messages: safe for a terminal and cut to a readable length.

use crate::values::printable;

/// Maximum number of characters of an input that a message shows.
const SHOWN_CHARS: usize = 60;

/// Returns the text as `"text"`, with `"`, `\` and unprintable characters escaped, cut after 60 characters.
pub fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * SHOWN_CHARS) + 2);
    shown.push('"');
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN_CHARS {
            shown.push('…');
            break;
        }
        if printable::is_unsafe(c) || c == '"' || c == '\\' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.push('"');
    debug_assert!(!shown.chars().any(printable::is_unsafe), "a quoted text is safe for a terminal");
    shown
}

#[cfg(test)]
mod tests {
    use crate::values::quoting::quoted;

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        assert_eq!(quoted("a\x1b[2J\n\u{202e}\"b\\ü"), r#""a\u{1b}[2J\n\u{202e}\"b\\ü""#);
        assert_eq!(quoted(&"x".repeat(61)), format!("\"{}…\"", "x".repeat(60)));
        assert_eq!(quoted(""), "\"\"");
    }
}
