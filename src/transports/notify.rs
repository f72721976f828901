//! Telling the user that mail has come.

use std::path::Path;
use std::time::Duration;

use crate::transports::answer::ProgramEnding;
use crate::transports::argv::CommandTemplate;
use crate::transports::placeholder::Placeholder;

use crate::transports::environment;
use crate::transports::program::{ProgramControl, ProgramRun, ResultChannel};

/// A configured command that is run for new mail.
#[derive(Clone, Debug)]
pub struct NotifyCommand {
    /// Its command line.
    pub command: CommandTemplate,
    /// The message classes that it is run for, as a prefix; empty for all.
    pub class: String,
    /// When it is killed.
    pub timeout: Duration,
    /// Put into its environment.
    pub env: Vec<(String, String)>,
}

/// A message that was filed, in words that are safe for any terminal.
#[derive(Clone, Debug)]
pub struct NewMailValues<'a> {
    /// Its queue id.
    pub id: &'a str,
    /// Where it was filed.
    pub path: &'a str,
    /// The folder; empty for the inbox itself.
    pub folder: &'a str,
    /// Its message class.
    pub class: &'a str,
    /// Whom it is from.
    pub from: &'a str,
    /// Its subject.
    pub subject: &'a str,
}

impl NotifyCommand {
    /// Runs the command; `Err` is what went wrong.
    pub fn run(&self, news: &NewMailValues<'_>, spool: &Path, control: ProgramControl<'_>) -> Result<(), String> {
        let mut env = environment::configured(&self.env);
        let own = [
            ("MSPOOL_ID", news.id),
            ("MSPOOL_PATH", news.path),
            ("MSPOOL_FOLDER", news.folder),
            ("MSPOOL_CLASS", news.class),
            ("MSPOOL_FROM", news.from),
            ("MSPOOL_SUBJECT", news.subject),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env.push(("MSPOOL_SPOOL".to_owned(), spool.to_string_lossy().into_owned()));
        let words = [
            (Placeholder::Id, news.id),
            (Placeholder::Path, news.path),
            (Placeholder::Folder, news.folder),
            (Placeholder::Class, news.class),
            (Placeholder::From, news.from),
            (Placeholder::Subject, news.subject),
        ];
        let argv = self.command.fill_words(&words);
        let run = ProgramRun { argv, env: &env, input: None, results: ResultChannel::Exit, timeout: self.timeout };
        let finished = run.run_to_end(control, &mut |_| {});
        if finished.ending == ProgramEnding::Exited(0) { Ok(()) } else { Err(finished.failure_text()) }
    }
}
