//! Printing: results to standard output, everything else to standard error. Each text is one line, safe for a terminal.

use std::io::{self, BufWriter, StdoutLock, Write};

use anyhow::Result;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::sys::error::reason_text;
use crate::values::printable;

/// Returns standard output, locked and buffered. Dropping it writes the rest of the buffer.
pub fn stdout() -> BufWriter<StandardOutput> {
    BufWriter::with_capacity(64 << 10, StandardOutput(io::stdout().lock()))
}

/// Standard output whose errors say what could not be written.
pub struct StandardOutput(StdoutLock<'static>);

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

/// Returns the same kind of error, with the output in its text. An interrupted call is repeated by the caller.
fn named(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    io::Error::new(error.kind(), format!("cannot write to standard output: {}", reason_text(&error)))
}

/// Prints an error: one line on standard error, after `mspool: `. A closed standard error is ignored, so that it cannot
/// stop a delivery.
pub fn error(text: &str) {
    let _ = writeln!(io::stderr(), "mspool: {}", printable::line(text));
}

/// Prints a notice that is not an error: one line on standard error.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", printable::line(text));
}

/// Prints a text of mspool itself, unchanged; it must be safe for a terminal.
pub fn text(text: &str) -> Result<()> {
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Prints one line of text with control characters replaced.
pub fn line(out: &mut impl Write, text: &str) -> Result<()> {
    Ok(writeln!(out, "{}", printable::line(text))?)
}

/// Prints an object as one line of JSON. All characters that are unsafe for a terminal are written as escapes, also
/// those that JSON allows in a string.
pub fn json(out: &mut impl Write, value: &impl Serialize) -> Result<()> {
    let mut bytes = Vec::with_capacity(256);
    value
        .serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, TerminalSafeFormatter(CompactFormatter)))?;
    bytes.push(b'\n');
    Ok(out.write_all(&bytes)?)
}

struct TerminalSafeFormatter(CompactFormatter);

impl Formatter for TerminalSafeFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| printable::is_unsafe(*c)) {
            self.0.write_string_fragment(writer, &fragment[from..at])?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            from = at + c.len_utf8();
        }
        self.0.write_string_fragment(writer, &fragment[from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_never_steers_a_terminal_and_loses_nothing() {
        let hostile = "a\u{9b}b\u{202e}c\u{7f}d\x1be\u{e0041}\"\\\n";
        let mut out = Vec::new();
        json(&mut out, &serde_json::json!({ "subject": hostile })).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.trim_end().chars().any(printable::is_unsafe), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["subject"], hostile);
    }
}
