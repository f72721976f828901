//! Reader of mbox files in the mboxrd format: `From ` after an empty line begins a message, and lines that begin with
//! `>` and `From ` have one `>` added.

/// Meaning of a chunk of an mbox.
#[derive(Debug, PartialEq, Eq)]
pub enum MboxPiece<'a> {
    /// The chunk begins a new message.
    Begin,
    /// Bytes of the current message, in order.
    Bytes(&'a [u8], &'a [u8]),
    /// The chunk adds no bytes yet: an empty line that may separate two messages, or one before the first message.
    Nothing,
    /// The file is not an mbox: other text precedes the first `From ` line.
    NoMbox,
}

/// Position of a chunk in its line. A line can arrive in several chunks, because it can be longer than the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinePosition {
    /// Beginning of a line.
    LineStart,
    /// Continuation of a line.
    Within,
}

/// State of the reader between chunks.
#[derive(Debug, Default)]
pub struct MboxReader {
    begun: bool,
    empty_line: &'static [u8],
}

impl MboxReader {
    /// Processes the next chunk: at most one line, including its line end.
    pub fn take<'a>(&mut self, piece: &'a [u8], position: LinePosition) -> MboxPiece<'a> {
        let starts = position == LinePosition::LineStart;
        if starts && piece.starts_with(b"From ") && (!self.begun || !self.empty_line.is_empty()) {
            *self = MboxReader { begun: true, empty_line: b"" };
            return MboxPiece::Begin;
        }
        let empty: &'static [u8] = match piece {
            b"\n" if starts => b"\n",
            b"\r\n" if starts => b"\r\n",
            _ => b"",
        };
        if !self.begun {
            return if empty.is_empty() { MboxPiece::NoMbox } else { MboxPiece::Nothing };
        }
        let before = std::mem::replace(&mut self.empty_line, empty);
        match (empty.is_empty(), before.is_empty()) {
            (false, true) => MboxPiece::Nothing,
            (false, false) => MboxPiece::Bytes(before, b""),
            (true, _) if starts => MboxPiece::Bytes(before, unquoted(piece)),
            (true, _) => MboxPiece::Bytes(before, piece),
        }
    }
}

fn unquoted(line: &[u8]) -> &[u8] {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    if quotes > 0 && line[quotes..].starts_with(b"From ") { &line[1..] } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(mbox: &str) -> Option<Vec<String>> {
        let mut unpacker = MboxReader::default();
        let mut messages: Vec<String> = Vec::new();
        for line in mbox.split_inclusive('\n') {
            match unpacker.take(line.as_bytes(), LinePosition::LineStart) {
                MboxPiece::Begin => messages.push(String::new()),
                MboxPiece::Bytes(a, b) => {
                    let last = messages.last_mut().unwrap();
                    last.push_str(std::str::from_utf8(a).unwrap());
                    last.push_str(std::str::from_utf8(b).unwrap());
                }
                MboxPiece::Nothing => {}
                MboxPiece::NoMbox => return None,
            }
        }
        Some(messages)
    }

    #[test]
    fn messages_come_out_as_they_went_in() {
        let mbox = "From a Mon\nSubject: 1\n\nFrom here on\n>From me\n>>From you\n\n\nFrom b Tue\nSubject: 2\n\nx";
        // "From here on" follows the empty line after a header: in an mbox that is a new message.
        let mbox = mbox.replace("\n\nFrom here", "\n\n>From here");
        assert_eq!(unpack(&mbox).unwrap(), ["Subject: 1\n\nFrom here on\nFrom me\n>From you\n\n", "Subject: 2\n\nx"]);
    }

    #[test]
    fn only_the_one_empty_line_of_the_format_is_dropped() {
        assert_eq!(unpack("From a\nA: b\n\nx\n\n").unwrap(), ["A: b\n\nx\n"]);
        assert_eq!(unpack("From a\r\nA: b\r\n\r\nx\r\n\r\nFrom b\r\ny").unwrap(), ["A: b\r\n\r\nx\r\n", "y"]);
    }

    #[test]
    fn something_else_is_no_mbox() {
        assert_eq!(unpack("Subject: x\n\nFrom a\n"), None);
        assert_eq!(unpack("\n\nFrom a\nb"), Some(vec!["b".to_owned()]));
        assert_eq!(unpack(""), Some(vec![]));
    }
}
