//! Hooks: programs that read a message, and may choose its folder. A hook that fails in any way has no effect on the
//! message, so that a broken hook never loses mail.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::mail::message::folder::Folder;
use crate::transports::argv::CommandTemplate;
use crate::transports::finished::ProgramEnding;
use crate::transports::placeholder::Placeholder;

use crate::transports::environment;
use crate::transports::program::{ProgramControl, ProgramRun};
use crate::values::quoting::quoted;

/// Configured hook.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Command line.
    pub command: CommandTemplate,
    /// Time limit for a run.
    pub timeout: Duration,
    /// Configured environment variables, as names and values.
    pub env: Vec<(String, String)>,
}

/// Decision of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookVerdict {
    /// Exit 0: run the next hook.
    Continue,
    /// Exit 99: skip the remaining hooks.
    Stop,
    /// Exit 100: drop the message.
    Drop,
    /// Failure, which is ignored; with the reason.
    Broken(String),
    /// Interrupted by a signal; the hook must run again later.
    Interrupted,
}

/// Answer of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookAnswer {
    /// Decision.
    pub verdict: HookVerdict,
    /// Requested folder, if any.
    pub folder: Option<Folder>,
}

/// Exit status that skips the remaining hooks.
const STOP: i32 = 99;

/// Exit status that drops the message.
const DROP: i32 = 100;

impl Hook {
    /// Returns the name or path of the program.
    pub fn program(&self) -> String {
        self.command.program()
    }

    /// Runs the hook with the message as standard input. `words` are values of placeholders, `own` are additional
    /// environment variables.
    pub fn ask(
        &self,
        input: BorrowedFd<'_>,
        words: &[(Placeholder, &str)],
        own: &[(&str, String)],
        control: ProgramControl<'_>,
    ) -> HookAnswer {
        let mut env = environment::configured(&self.env);
        env.extend(own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let argv = self.command.fill_words(words);
        let run = ProgramRun { input: Some(input), ..ProgramRun::new(argv, &env, self.timeout) };
        let finished = run.run_to_end(control, &mut |_| {});
        let verdict = match finished.ending {
            ProgramEnding::Exited(0) => HookVerdict::Continue,
            ProgramEnding::Exited(STOP) => HookVerdict::Stop,
            ProgramEnding::Exited(DROP) => HookVerdict::Drop,
            ProgramEnding::Interrupted => HookVerdict::Interrupted,
            ProgramEnding::NotStarted(_) | ProgramEnding::NoResources(_) => {
                HookVerdict::Broken(finished.failure_text())
            }
            _ => HookVerdict::Broken(format!("{} {}", self.program(), finished.failure_text())),
        };
        if !matches!(verdict, HookVerdict::Continue | HookVerdict::Stop) {
            return HookAnswer { verdict, folder: None };
        }
        match folder(&finished.stdout) {
            Ok(folder) => HookAnswer { verdict, folder },
            Err(text) => {
                HookAnswer { verdict: HookVerdict::Broken(format!("{}: {text}", self.program())), folder: None }
            }
        }
    }
}

/// Returns the folder of the last line `folder=NAME` in a hook's output.
fn folder(stdout: &[u8]) -> Result<Option<Folder>, String> {
    let text = String::from_utf8_lossy(stdout);
    let Some(name) = text.lines().filter_map(|line| line.strip_prefix("folder=")).next_back() else { return Ok(None) };
    Folder::parse(name).map(Some).map_err(|error| format!("folder {} {error}", quoted(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_folder_counts() {
        assert_eq!(folder(b"hello\n"), Ok(None));
        assert_eq!(folder(b"folder=A\nnoise\nfolder=B\n"), Ok(Some(Folder::parse("B").unwrap())));
        assert!(folder(b"folder=../../etc\n").is_err());
    }
}
