//! Names of the one message of the model, and the records of its log.

use std::fmt;

/// Directory of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Directory {
    New,
    Cur,
    Hold,
    Sent,
    Failed,
    Log,
}

/// Directories in which a message can be, in the order in which `find` reads them.
pub const QUEUE_DIRECTORIES: [Directory; 5] =
    [Directory::New, Directory::Cur, Directory::Hold, Directory::Sent, Directory::Failed];

/// Name of the message file or of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    pub directory: Directory,
    /// Number in the mark `A`; 0 without one.
    pub attempt: u8,
    /// True with the mark `R`.
    pub result: bool,
    /// Stands for the time `T` of a deferred message, which differs after each attempt.
    pub deferrals: u8,
}

/// Name of the log.
pub const LOG: Name = Name::plain(Directory::Log);

impl Name {
    /// Returns the name without marks in a directory.
    pub const fn plain(directory: Directory) -> Name {
        Name { directory, attempt: 0, result: false, deferrals: 0 }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/ID", format!("{:?}", self.directory).to_lowercase())?;
        if self.deferrals > 0 {
            write!(f, ",T={}", self.deferrals)?;
        }
        if self.attempt > 0 {
            write!(f, ",A={}", self.attempt)?;
        }
        if self.result {
            f.write_str(",R")?;
        }
        Ok(())
    }
}

/// State of a recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    #[default]
    Owed,
    Delivered,
    Failed,
}

/// Recipients of the message: one or two. The second of one is owed and never asked for.
pub type Recipients = [Recipient; 2];

/// Record of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    Attempt(u8),
    Result(u8, Recipients),
    Reported,
    Heard,
    Held,
    Released,
    Cancelled,
    /// Line that a power cut made unreadable.
    Unreadable,
}

/// State of the message, as its name's marks and its log tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct History {
    pub recipients: Recipients,
    /// Attempt without a result; 0 for none.
    pub open_attempt: u8,
    /// Last attempt.
    pub attempts: u8,
    /// True if an attempt without a result was followed by another.
    pub has_unknown_result: bool,
    pub reported: bool,
    pub heard: bool,
    pub held: bool,
    pub cancelled: bool,
}

impl History {
    /// Adds up the marks of a name and the records of the log.
    pub fn of(name: Name, log: &[Record], recipients: usize) -> History {
        let mut history = History::default();
        if name.result {
            history.recipients[..recipients].fill(Recipient::Delivered);
        }
        for record in log {
            history.apply(*record);
        }
        if name.attempt > history.attempts {
            history.attempts = name.attempt;
            history.open_attempt = if name.result { 0 } else { name.attempt };
        }
        history
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::Attempt(number) => {
                self.has_unknown_result |= self.open_attempt > 0 && self.open_attempt != number;
                self.attempts = self.attempts.max(number);
                self.open_attempt = number;
            }
            Record::Result(number, results) => {
                self.attempts = self.attempts.max(number);
                if self.open_attempt <= number {
                    self.open_attempt = 0;
                }
                for (state, result) in self.recipients.iter_mut().zip(results) {
                    if result != Recipient::Owed {
                        *state = result;
                    }
                }
            }
            Record::Reported => self.reported = true,
            Record::Heard => self.heard = true,
            Record::Held => self.held = true,
            Record::Released => self.held = false,
            Record::Cancelled => self.cancelled = true,
            Record::Unreadable => {}
        }
    }

    pub fn is_settled(&self, recipients: usize) -> bool {
        self.recipients[..recipients].iter().all(|state| *state != Recipient::Owed)
    }

    pub fn all_delivered(&self, recipients: usize) -> bool {
        self.recipients[..recipients].iter().all(|state| *state == Recipient::Delivered)
    }

    pub fn has_failure(&self) -> bool {
        self.recipients.contains(&Recipient::Failed)
    }
}
