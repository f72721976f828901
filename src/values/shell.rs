//! Position of an argument in a command line: tells whether a shell would execute it, and which characters are safe
//! there.

/// Interpreter of the next argument of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShellReader {
    /// A program that takes the argument literally.
    Program,
    /// A shell that still reads its own options.
    Shell,
    /// A shell that was given `-c`: the first argument after its options is a script.
    Script,
    /// The arguments of a script, which the shell no longer interprets.
    Arguments,
    /// A program such as ssh(1) that joins its arguments into a script for another shell.
    Remote,
}

impl ShellReader {
    /// Returns the interpreter of the argument that follows `text`. A shell can itself be an argument, for example of
    /// env(1) or timeout(1).
    pub fn after(self, text: &str) -> ShellReader {
        let name = text.rsplit('/').next().unwrap_or(text);
        let option = text.starts_with(['-', '+']);
        match self {
            ShellReader::Remote | ShellReader::Arguments => self,
            ShellReader::Shell if text.starts_with('-') && !text.starts_with("--") && text.contains('c') => {
                ShellReader::Script
            }
            ShellReader::Shell | ShellReader::Script if option => self,
            ShellReader::Script => ShellReader::Arguments,
            _ if ["ssh", "rsh", "su", "runuser"].contains(&name) => ShellReader::Remote,
            _ if SHELLS.contains(&name) => ShellReader::Shell,
            ShellReader::Shell => ShellReader::Arguments,
            ShellReader::Program => ShellReader::Program,
        }
    }
}

const SHELLS: [&str; 10] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "csh", "tcsh"];

/// Returns true for bytes that no shell interprets, at any position in a word.
pub fn is_inert(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"@._+-=%/:,".contains(&byte)
}
