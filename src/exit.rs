//! Exit statuses, and errors that carry one.

use std::fmt;

/// Exit status of a command, after sysexits(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: success, also if recipients are still owed.
    Ok,
    /// 1: the command failed for some of several ids.
    Partial,
    /// 64: the command line is invalid.
    Usage,
    /// 65: the message is invalid or has no recipient.
    Data,
    /// 66: no message has this id.
    NoInput,
    /// 67: no transport accepts the address.
    NoUser,
    /// 69: a transport is unavailable, or a recipient failed permanently.
    Unavailable,
    /// 70: internal error, a bug.
    Software,
    /// 73: the spool cannot be created.
    CannotCreate,
    /// 74: input or output error.
    Io,
    /// 75: temporary failure; try again later.
    TryAgain,
    /// 77: permission is denied.
    NoPermission,
    /// 78: the configuration is invalid.
    Config,
    /// 128 plus the number of the signal that ended the run.
    Signal(i32),
}

impl ExitStatus {
    /// Returns the number passed to exit(3).
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
    /// Returns the status for a calling mail system: local errors become 75 (try again), because the caller would
    /// bounce the mail on any other.
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

/// Error that ends a command: an exit status and a message.
#[derive(Debug)]
pub struct Refusal {
    /// Exit status of the run.
    pub status: ExitStatus,
    /// Message on one line: what failed, why, and what to do.
    pub message: String,
}

impl Refusal {
    /// Builds a refusal from an exit status and a message.
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

/// Returns a [`Refusal`] as an error.
pub fn refuse<T>(exit: ExitStatus, message: impl Into<String>) -> anyhow::Result<T> {
    Err(Refusal::new(exit, message).into())
}

/// Returns the exit status of a command that handled several ids: the status itself for one id, [`ExitStatus::Partial`]
/// if some of several failed.
pub fn combine(ends: &[ExitStatus]) -> ExitStatus {
    match ends {
        [one] => *one,
        _ if ends.iter().all(|end| *end == ExitStatus::Ok) => ExitStatus::Ok,
        _ => ExitStatus::Partial,
    }
}
