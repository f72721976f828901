//! Reading a line that the terminal does not show.

use std::io::{self, BufRead};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Terminal that does not show what is typed. Dropping it restores it.
struct HiddenInput(Termios);

impl HiddenInput {
    /// Hides what is typed; `None` if standard input is no terminal.
    fn begin() -> Option<HiddenInput> {
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin.as_fd(), OptionalActions::Flush, &hidden).ok()?;
        Some(HiddenInput(before))
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, &self.0);
    }
}

/// Reads a line of standard input into `line`, without its end. On a terminal, `ask` prints the question before.
///
/// # Errors
/// Standard input cannot be read, or ends before a line.
pub fn read(line: &mut String, ask: impl FnOnce()) -> io::Result<()> {
    let hidden = HiddenInput::begin();
    if hidden.is_some() {
        ask();
    }
    if io::stdin().lock().read_line(line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    while line.ends_with(['\n', '\r']) {
        line.pop();
    }
    Ok(())
}
