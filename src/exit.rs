//! How a run ends: the exit codes, and errors that know theirs.

use std::fmt;

use crate::sys::distrust::Distrust;
use crate::sys::error::PathError;

/// Exit codes, after sysexits(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: done, also when mail is still owed.
    Ok,
    /// 1: some of the ids failed.
    Partial,
    /// 64: wrong usage.
    Usage,
    /// 65: bad message, or no recipient.
    Data,
    /// 66: no such id.
    NoInput,
    /// 67: nobody takes that address.
    NoUser,
    /// 69: that transport cannot, or a recipient failed for good.
    Unavailable,
    /// 70: a bug.
    Software,
    /// 73: the spool cannot be made.
    CannotCreate,
    /// 74: input or output error.
    Io,
    /// 75: try again.
    TryAgain,
    /// 77: not permitted.
    NoPermission,
    /// 78: configuration.
    Config,
    /// 128 and the number of the signal that ended the run.
    Signal(i32),
}

impl ExitStatus {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            ExitStatus::Ok => 0,
            ExitStatus::Partial => 1,
            ExitStatus::Usage => 64,
            ExitStatus::Data => 65,
            ExitStatus::NoInput => 66,
            ExitStatus::NoUser => 67,
            ExitStatus::Unavailable => 69,
            ExitStatus::Software => 70,
            ExitStatus::CannotCreate => 73,
            ExitStatus::Io => 74,
            ExitStatus::TryAgain => 75,
            ExitStatus::NoPermission => 77,
            ExitStatus::Config => 78,
            ExitStatus::Signal(signal) => (128 + signal.clamp(1, 127)) as u8,
        }
    }
}

impl ExitStatus {
    /// The same for a mail system: whatever is wrong with this machine is to be tried again, for it would return the
    /// mail to its sender otherwise.
    pub fn for_mail_systems(self) -> ExitStatus {
        match self {
            ExitStatus::Software
            | ExitStatus::CannotCreate
            | ExitStatus::Io
            | ExitStatus::NoPermission
            | ExitStatus::Config => ExitStatus::TryAgain,
            exit => exit,
        }
    }
}

/// A refusal with its reason: the end of a verb that did nothing, or stopped.
#[derive(Debug)]
pub struct Refusal {
    /// How the run ends.
    pub status: ExitStatus,
    /// One line that says why, and what to do.
    pub message: String,
}

impl Refusal {
    /// Builds one.
    pub fn new(status: ExitStatus, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// Ends a verb with this exit code and reason.
pub fn refuse<T>(exit: ExitStatus, message: impl Into<String>) -> anyhow::Result<T> {
    Err(Refusal::new(exit, message).into())
}

/// True when an error comes from a file or program that another user could have written.
pub fn is_distrust(error: &anyhow::Error) -> bool {
    let is = |cause: &(dyn std::error::Error + 'static)| {
        let path = cause.downcast_ref::<PathError>().is_some_and(|error| error.distrust().is_some());
        path || cause.is::<Distrust>()
    };
    error.chain().any(is)
}

/// The end of a verb that went over several ids: its own code for one, [`Exit::Partial`] where some of several failed.
pub fn combine(ends: &[ExitStatus]) -> ExitStatus {
    match ends {
        [one] => *one,
        _ if ends.iter().all(|end| *end == ExitStatus::Ok) => ExitStatus::Ok,
        _ => ExitStatus::Partial,
    }
}
