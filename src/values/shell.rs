//! Where in a command line a shell would read an argument as a program, and what may stand there.

/// Who reads the next argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
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

impl Reader {
    /// Who reads what comes behind this argument. A shell may itself be an argument, of env(1) or timeout(1).
    pub fn after(self, text: &str) -> Reader {
        let name = text.rsplit('/').next().unwrap_or(text);
        let option = text.starts_with(['-', '+']);
        match self {
            Reader::Remote | Reader::Arguments => self,
            Reader::Shell if text.starts_with('-') && !text.starts_with("--") && text.contains('c') => Reader::Script,
            Reader::Shell | Reader::Script if option => self,
            Reader::Script => Reader::Arguments,
            _ if ["ssh", "rsh", "su", "runuser"].contains(&name) => Reader::Remote,
            _ if SHELLS.contains(&name) => Reader::Shell,
            Reader::Shell => Reader::Arguments,
            Reader::Program => Reader::Program,
        }
    }
}

const SHELLS: [&str; 10] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "csh", "tcsh"];

/// Characters that mean nothing to any shell, wherever in its text they stand.
pub fn is_inert(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"@._+-=%/:,".contains(&byte)
}
