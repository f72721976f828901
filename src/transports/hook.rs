//! Hooks: programs that look at a message beside the delivery, and may say where it is filed. A hook that fails in any
//! way changes nothing: mail goes on as if it were not there.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::mail::message::folder::Folder;
use crate::transports::answer::ProgramEnding;
use crate::transports::argv::CommandTemplate;
use crate::transports::placeholder::Placeholder;

use crate::transports::environment;
use crate::transports::program::{ProgramControl, ProgramRun, ResultChannel};

/// A configured hook.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its command line.
    pub command: CommandTemplate,
    /// When it is killed.
    pub timeout: Duration,
    /// Put into its environment.
    pub env: Vec<(String, String)>,
}

/// What a hook wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookVerdict {
    /// The next hook is asked.
    Continue,
    /// No further hook is asked.
    Stop,
    /// The message is dropped.
    Drop,
    /// It failed, and counts for nothing: why.
    Broken(String),
    /// We were told to stop at once; it must be asked again.
    Interrupted,
}

/// A hook's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookAnswer {
    /// What it wants.
    pub verdict: HookVerdict,
    /// Where it wants the message, if it says so.
    pub folder: Option<Folder>,
}

/// Exit status of a hook that wants no further hook asked.
const STOP: i32 = 99;

/// Exit status of a hook that wants the message dropped.
const DROP: i32 = 100;

impl Hook {
    /// The program's name or path.
    pub fn program(&self) -> String {
        self.command.program()
    }

    /// Runs it on a message. `own` are variables for its environment.
    pub fn ask(
        &self,
        input: BorrowedFd<'_>,
        words: &[(Placeholder, &str)],
        own: &[(&str, String)],
        control: ProgramControl<'_>,
    ) -> HookAnswer {
        let mut env = environment::configured(&self.env);
        env.extend(own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let run = ProgramRun {
            argv: self.command.fill_words(words),
            env: &env,
            input: Some(input),
            results: ResultChannel::Exit,
            timeout: self.timeout,
        };
        let finished = run.run_to_end(control, &mut |_| {});
        let wish = match finished.ending {
            ProgramEnding::Exited(0) => HookVerdict::Continue,
            ProgramEnding::Exited(STOP) => HookVerdict::Stop,
            ProgramEnding::Exited(DROP) => HookVerdict::Drop,
            ProgramEnding::Interrupted => HookVerdict::Interrupted,
            ProgramEnding::NotStarted(_) | ProgramEnding::NoResources(_) => {
                HookVerdict::Broken(finished.failure_text())
            }
            _ => HookVerdict::Broken(format!("{} {}", self.program(), finished.failure_text())),
        };
        if !matches!(wish, HookVerdict::Continue | HookVerdict::Stop) {
            return HookAnswer { verdict: wish, folder: None };
        }
        match folder(&finished.stdout) {
            Ok(folder) => HookAnswer { verdict: wish, folder },
            Err(text) => {
                HookAnswer { verdict: HookVerdict::Broken(format!("{}: {text}", self.program())), folder: None }
            }
        }
    }
}

/// The last `folder=NAME` line of what a hook printed.
fn folder(stdout: &[u8]) -> Result<Option<Folder>, String> {
    let text = String::from_utf8_lossy(stdout);
    let Some(name) = text.lines().filter_map(|line| line.strip_prefix("folder=")).next_back() else { return Ok(None) };
    let shown: String = crate::values::printable::line(name).chars().take(60).collect();
    Folder::parse(name).map(Some).map_err(|error| format!("folder={shown} {error}"))
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
