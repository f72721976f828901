//! Sources: `fetch` prints one message per run, and `ack` tells the source that the message is durable.

use std::path::Path;
use std::time::Duration;

use crate::mail::envelope::WayTrust;
use crate::transports::argv::CommandTemplate;
use crate::transports::finished::ProgramEnding;
use crate::transports::placeholder::Placeholder;

use crate::transports::environment;
use crate::transports::program::{ProgramControl, ProgramRun, ResultChannel, Sink};
use crate::values::quoting::quoted;

/// Configured source (`[inbound.NAME]`).
#[derive(Clone, Debug)]
pub struct MailSource {
    /// Name: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// `fetch`: prints one message per run.
    pub fetch: Vec<String>,
    /// `ack`: gets the reference of each durable message; `None` if `fetch` removes the message at the source.
    pub ack: Option<CommandTemplate>,
    /// Handling of fetched messages at the source.
    pub keeping: SourceKeeping,
    /// Interval between polls.
    pub every: Duration,
    /// Time limit for each run of a command.
    pub timeout: Duration,
    /// Mailbox for the mail of the source, if not that of this user.
    pub mailbox: Option<String>,
    /// Trust in the way on which mail comes to the source.
    pub way: WayTrust,
    /// Configured environment variables, as names and values.
    pub env: Vec<(String, String)>,
}

/// Handling of fetched messages at the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKeeping {
    /// Source may delete fetched messages.
    No,
    /// Source keeps fetched messages, and `fetch` gets their references.
    Yes,
}

/// Result of one run of `fetch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchResult {
    /// Message, with the source's reference if it gave one.
    Message(Option<String>),
    /// No more messages.
    Nothing,
    /// Failed poll; with the reason.
    Failed(String),
    /// Interrupted by a signal.
    Interrupted,
}

/// Longest reference, in bytes.
const LONGEST_REF: usize = 500;

impl MailSource {
    /// Runs `fetch`. `sink` gets its output, which must be discarded unless the result is a message. `seen` is a file
    /// with the references of earlier messages, for a source that keeps them.
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
        let run =
            ProgramRun { results: ResultChannel::Lines, ..ProgramRun::new(self.fetch.clone(), &env, self.timeout) };
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

    /// Runs `ack`, which tells the source that a message is durable.
    ///
    /// # Errors
    /// A text for a reference that is not safe in the command line, or for any other end than exit status 0.
    pub fn acknowledge(
        &self,
        reference: &str,
        id: &str,
        spool: &Path,
        control: ProgramControl<'_>,
    ) -> Result<(), String> {
        let Some(template) = &self.ack else { return Ok(()) };
        if template.could_be_option(Placeholder::Ref, reference) {
            let text = "it could be read as an option; put \"--\" before {ref}";
            return Err(format!("cannot take reference {}: {text}", quoted(reference)));
        }
        let own = [("MSPOOL_REF", reference.to_owned()), ("MSPOOL_ID", id.to_owned())];
        let env = self.environment(spool, &own);
        let argv = template.fill_words(&[(Placeholder::Ref, reference), (Placeholder::Id, id)]);
        ProgramRun::new(argv, &env, self.timeout).succeed(control)
    }

    fn environment(&self, spool: &Path, own: &[(&str, String)]) -> Vec<(String, String)> {
        let mut env = environment::configured(&self.env);
        env.push(("MSPOOL_INBOUND".to_owned(), self.name.clone()));
        env.push(("MSPOOL_SPOOL".to_owned(), spool.to_string_lossy().into_owned()));
        env.extend(own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        env
    }
}

/// Returns the reference of the last line `ref ID` on descriptor 3. A reference with control characters or of more than
/// 500 bytes counts as none.
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
