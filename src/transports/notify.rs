//! Notification of the user about new mail.

use std::path::Path;
use std::time::Duration;

use crate::transports::argv::CommandTemplate;
use crate::transports::placeholder::Placeholder;

use crate::transports::environment;
use crate::transports::program::{ProgramControl, ProgramRun};

/// Configured command for new mail.
#[derive(Clone, Debug)]
pub struct NotifyCommand {
    /// Command line.
    pub command: CommandTemplate,
    /// Prefix of the message classes for which the command runs; empty for all.
    pub class: String,
    /// Time limit for a run.
    pub timeout: Duration,
    /// Configured environment variables, as names and values.
    pub env: Vec<(String, String)>,
}

/// Values of a filed message. All texts are safe for a terminal.
#[derive(Clone, Debug)]
pub struct NewMailValues<'a> {
    /// Queue id.
    pub id: &'a str,
    /// Path of the filed message.
    pub path: &'a str,
    /// Folder; empty for the inbox itself.
    pub folder: &'a str,
    /// Message class.
    pub class: &'a str,
    /// Author, from the `From` field.
    pub from: &'a str,
    /// Subject.
    pub subject: &'a str,
}

impl NotifyCommand {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// A text for any other end than exit status 0.
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
        ProgramRun::new(argv, &env, self.timeout).succeed(control)
    }
}
