//! Transports: whatever takes a message for some recipients and says what became of it.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::mail::address::{Address, Sender};
use crate::mail::answer::{Answer, Ending, Outcome, Verdict};
use crate::mail::argv::{Batch, Template};
use crate::mail::placeholder::Value;
use crate::mail::record::RecipientState;
use crate::mail::route::Claims;
use crate::mail::status::Status;
use crate::sys::signals::Signals;

use super::child::{Finished, Results, Run};
use super::{command, maildir, preprocess};

/// A configured transport.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Its name: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// What it takes.
    pub claims: Claims,
    /// How it delivers.
    pub action: Action,
    /// When a run of its command is killed.
    pub timeout: Duration,
    /// Hand-offs at once, in one run of the spooler.
    pub parallel: usize,
    /// What its success means.
    pub success: Success,
    /// A command that says whether it can be used now.
    pub probe: Option<Vec<String>>,
    /// What it needs for itself while it works.
    pub resource: Option<String>,
    /// Run once the resource is taken.
    pub connect: Option<Vec<String>>,
    /// Run before the resource is given back.
    pub disconnect: Option<Vec<String>>,
    /// Put into the environment of its commands.
    pub env: Vec<(String, String)>,
    /// How long a result that comes later is waited for.
    pub async_timeout: Duration,
    /// Filters that make what it is given, in order.
    pub preprocess: Vec<Template>,
    /// Run once the message is finished, to undo what the filters did elsewhere.
    pub undo: Option<Template>,
    /// Changes with its configuration.
    pub fingerprint: String,
}

/// How a transport delivers.
#[derive(Clone, Debug)]
pub enum Action {
    /// By running a command.
    Command {
        /// The command line.
        template: Template,
        /// Where it says what became of the recipients.
        results: Results,
    },
    /// By filing in this Maildir.
    Maildir(PathBuf),
}

/// What taking responsibility means for the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Success {
    /// It has the message.
    Delivered,
    /// Another system takes it further.
    Relayed,
}

/// One message for some recipients, on its way into a transport.
#[derive(Debug)]
pub struct HandOff<'a> {
    /// The queue id.
    pub id: &'a str,
    /// The envelope sender.
    pub sender: &'a Sender,
    /// Whom it is for, each with its place in the envelope.
    pub recipients: &'a [(usize, &'a Address)],
    /// The sender's name for the message, or the queue id.
    pub envid: &'a str,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// What the sender said of the message's bytes: `7BIT`, `8BITMIME`, or nothing.
    pub body: &'a str,
    /// Where the spool is.
    pub spool: &'a Path,
    /// The message: an open file that stands at its first byte.
    pub input: BorrowedFd<'a>,
    /// Where in that file the message begins.
    pub body_at: u64,
    /// Whether an earlier attempt may have succeeded without anybody noticing.
    pub before: Before,
    /// Which of the messages made by preprocessing this is; empty for the only one.
    pub part: &'a str,
    /// Which messages made by preprocessing some recipients have already, by position in `recipients`.
    pub parts: &'a [(usize, String)],
    /// A directory for preprocessing, where the transport needs one.
    pub work: Option<&'a Path>,
    /// Bytes that preprocessing may make of the message.
    pub limit: u64,
}

/// What is known of earlier attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// None can have succeeded.
    NotDelivered,
    /// One ended unseen.
    MaybeDelivered,
}

impl Transport {
    /// How many recipients one hand-off takes.
    pub fn batch(&self) -> Batch {
        if self.preprocess.iter().any(|filter| filter.batch() == Batch::One) {
            return Batch::One;
        }
        match &self.action {
            Action::Command { template, .. } => template.batch(),
            Action::Maildir(_) => Batch::All,
        }
    }

    /// True when it reaches beyond this machine, as far as we can know: any command may.
    pub fn is_remote(&self) -> bool {
        matches!(self.action, Action::Command { .. })
    }

    /// The word for how it delivers.
    pub fn kind(&self) -> &'static str {
        match self.action {
            Action::Command { .. } => "command",
            Action::Maildir(_) => "maildir",
        }
    }

    /// What a recipient is after success.
    pub fn success_state(&self) -> RecipientState {
        match self.success {
            Success::Delivered => RecipientState::Delivered,
            Success::Relayed => RecipientState::Relayed,
        }
    }

    /// Hands a message over and reads the answer: one outcome for each recipient, in order. `heard` gets the result
    /// lines as they come.
    pub fn deliver(&self, hand_off: &HandOff<'_>, signals: &Signals, heard: &mut dyn FnMut(&str)) -> Answer {
        match hand_off.work {
            Some(work) => preprocess::deliver(self, hand_off, work, signals, heard),
            None => self.deliver_as_it_is(hand_off, signals, heard),
        }
    }

    pub(super) fn deliver_as_it_is(
        &self,
        hand_off: &HandOff<'_>,
        signals: &Signals,
        heard: &mut dyn FnMut(&str),
    ) -> Answer {
        match &self.action {
            Action::Command { template, results } => {
                command::deliver(self, template, *results, hand_off, signals, heard)
            }
            Action::Maildir(path) => maildir::deliver(path, hand_off),
        }
    }

    /// Undoes what preprocessing did elsewhere; `Err` is what went wrong.
    pub fn undo(&self, id: &str, spool: &Path, signals: &Signals) -> Result<(), String> {
        let Some(undo) = &self.undo else { return Ok(()) };
        let argv = undo.fill_words(&[(Value::Id, id), (Value::Transport, &self.name)]);
        let mut env = command::environment(&self.env);
        env.push(("MSPOOL_ID".to_owned(), id.to_owned()));
        env.push(("MSPOOL_TRANSPORT".to_owned(), self.name.clone()));
        env.push(("MSPOOL_SPOOL".to_owned(), spool.to_string_lossy().into_owned()));
        let run = Run { argv, env: &env, input: None, results: Results::Exit, timeout: self.timeout };
        let finished = run.finish(signals, &mut |_| {});
        if finished.ending == Ending::Exited(0) { Ok(()) } else { Err(finished.trouble()) }
    }

    /// Runs one of the commands around deliveries: probe, connect, disconnect.
    pub fn run_beside(&self, argv: &[String], spool: &Path, signals: &Signals) -> Finished {
        let mut env = command::environment(&self.env);
        env.push(("MSPOOL_TRANSPORT".to_owned(), self.name.clone()));
        env.push(("MSPOOL_SPOOL".to_owned(), spool.to_string_lossy().into_owned()));
        let run = Run { argv: argv.to_vec(), env: &env, input: None, results: Results::Exit, timeout: self.timeout };
        run.finish(signals, &mut |_| {})
    }
}

/// The answer for recipients that were not even tried.
pub(super) fn refused(status: Status, text: &str) -> Outcome {
    Outcome::new(Verdict::Failed, status, text)
}
