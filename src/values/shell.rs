//! Where in a command line a shell would read an argument as a program, and what may stand there.

/// Who reads the next argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShellReader {
    /// A program that takes it as it is.
    Program,
    /// A shell, in its options.
    Shell,
    /// A shell that was given `-c`: what follows its options is a program.
    Script,
    /// Nobody any more: the program's own arguments.
    Arguments,
    /// A program that joins its arguments for a shell elsewhere.
    Remote,
}

impl ShellReader {
    /// Who reads what comes behind this argument. A shell may itself be an argument, of env(1) or timeout(1).
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

/// Characters that mean nothing to any shell, wherever in its text they stand.
pub fn is_inert(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"@._+-=%/:,".contains(&byte)
}
