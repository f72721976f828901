//! Inbound transports: a command that gives one message a run, and one that tells its source that the message is safe.

use std::path::Path;
use std::time::Duration;

use crate::transports::answer::ProgramEnding;
use crate::transports::argv::CommandTemplate;
use crate::transports::placeholder::Placeholder;

use crate::transports::environment;
use crate::transports::program::{ProgramControl, ProgramRun, ResultChannel, Sink};
use crate::values::quoting::quoted;

/// A configured source of mail.
#[derive(Clone, Debug)]
pub struct MailSource {
    /// Its name: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// Prints one message a run.
    pub fetch: Vec<String>,
    /// Told of each message that is safe here; `None` where fetching alone takes it away.
    pub ack: Option<CommandTemplate>,
    /// Whether it keeps what it gave.
    pub keeping: SourceKeeping,
    /// How often it is asked.
    pub every: Duration,
    /// When a run of its commands is killed.
    pub timeout: Duration,
    /// The mailbox that its mail is for, if not this user's.
    pub mailbox: Option<String>,
    /// Put into the environment of its commands.
    pub env: Vec<(String, String)>,
}

/// Whether a source keeps what it gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKeeping {
    /// It need not: what it gave is here.
    No,
    /// It does, and is told what it gave.
    Yes,
}

/// What came of one run of the fetch command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchResult {
    /// A message, and the source's name for it.
    Message(Option<String>),
    /// Nothing is left.
    Nothing,
    /// It cannot be asked now: why.
    Failed(String),
    /// We were told to stop at once.
    Interrupted,
}

/// Longest reference taken, in bytes.
const LONGEST_REF: usize = 500;

impl MailSource {
    /// Runs the fetch command; what it prints goes into the sink. Without a message nothing of that counts.
    /// `seen` is a file with the names of what it gave before, for a source that keeps it.
    pub fn fetch(
        &self,
        spool: &Path,
        seen: Option<&Path>,
        control: ProgramControl<'_>,
        sink: &mut Sink<'_>,
    ) -> FetchResult {
        let mut bytes = 0;
        let own = seen.map(|path| ("MSPOOL_SEEN", path.to_string_lossy().into_owned()));
        let env = self.environment(spool, own.as_slice());
        let run = ProgramRun {
            argv: self.fetch.clone(),
            env: &env,
            input: None,
            results: ResultChannel::Lines,
            timeout: self.timeout,
        };
        let finished = run.run_into(control, &mut |piece| {
            bytes += piece.len();
            sink(piece)
        });
        match finished.ending {
            ProgramEnding::Exited(0) if bytes == 0 => FetchResult::Nothing,
            ProgramEnding::Exited(0) => FetchResult::Message(reference(&finished.lines)),
            ProgramEnding::Exited(1) => FetchResult::Nothing,
            ProgramEnding::Interrupted => FetchResult::Interrupted,
            _ => FetchResult::Failed(finished.failure_text()),
        }
    }

    /// Tells the source that a message is safe here.
    pub fn acknowledge(
        &self,
        reference: &str,
        id: &str,
        spool: &Path,
        control: ProgramControl<'_>,
    ) -> Result<(), String> {
        let Some(template) = &self.ack else { return Ok(()) };
        if template.could_be_option(Placeholder::Ref, reference) {
            return Err(format!("{} could be taken for an option; put \"--\" before {{ref}}", quoted(reference)));
        }
        let own = [("MSPOOL_REF", reference.to_owned()), ("MSPOOL_ID", id.to_owned())];
        let env = self.environment(spool, &own);
        let argv = template.fill_words(&[(Placeholder::Ref, reference), (Placeholder::Id, id)]);
        let run = ProgramRun { argv, env: &env, input: None, results: ResultChannel::Exit, timeout: self.timeout };
        let finished = run.run_to_end(control, &mut |_| {});
        if finished.ending == ProgramEnding::Exited(0) { Ok(()) } else { Err(finished.failure_text()) }
    }

    fn environment(&self, spool: &Path, own: &[(&str, String)]) -> Vec<(String, String)> {
        let mut env = environment::configured(&self.env);
        env.push(("MSPOOL_INBOUND".to_owned(), self.name.clone()));
        env.push(("MSPOOL_SPOOL".to_owned(), spool.to_string_lossy().into_owned()));
        env.extend(own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        env
    }
}

/// The last `ref ID` line on descriptor 3. One that could not stand in a line of its own is none.
fn reference(lines: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(lines);
    let last = text.lines().filter_map(|line| line.strip_prefix("ref ")).next_back()?.trim().to_owned();
    let plain = !last.chars().any(char::is_control) && (1..=LONGEST_REF).contains(&last.len());
    plain.then_some(last)
}

#[cfg(test)]
mod tests {
    use crate::transports::source::reference;

    #[test]
    fn references() {
        assert_eq!(reference(b"ref a b\nref 42\n").as_deref(), Some("42"));
        assert_eq!(reference(b"ref \n"), None);
        assert_eq!(reference(b"ref a\0b\n"), None);
        assert_eq!(reference(b"reference 1\n"), None);
    }
}
