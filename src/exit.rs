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
    /// 67: no transport takes that address.
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
    /// The same for a mail system: a local error is to be tried again, since the mail system would otherwise return the
    /// mail to its sender.
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

/// Kind of a refusal: the exit status, and the reply to an SMTP client, follow from it and never from its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// The command line asks for something that makes no sense.
    Usage,
    /// The message, or something else that was read, is not acceptable.
    BadData,
    /// The message is larger than the limit.
    TooLarge,
    /// The message has been here too often.
    MailLoop,
    /// No id, file or message of that name exists.
    NotFound,
    /// The named transport cannot do what is asked.
    Unavailable,
    /// A file that would be created exists.
    AlreadyExists,
    /// The filesystem of the spool has too little room.
    NoRoom,
    /// Another run is in the way; the same call may succeed later.
    Busy,
    /// The process has more rights than it may have.
    Permission,
    /// The configuration, or a file that it names, is wrong.
    Config,
    /// This signal ended the command.
    Interrupted(i32),
}

impl RefusalKind {
    /// Returns the exit status.
    pub fn exit_status(self) -> ExitStatus {
        match self {
            RefusalKind::Usage => ExitStatus::Usage,
            RefusalKind::BadData | RefusalKind::TooLarge | RefusalKind::MailLoop => ExitStatus::Data,
            RefusalKind::NotFound => ExitStatus::NoInput,
            RefusalKind::Unavailable => ExitStatus::Unavailable,
            RefusalKind::AlreadyExists => ExitStatus::CannotCreate,
            RefusalKind::NoRoom | RefusalKind::Busy => ExitStatus::TryAgain,
            RefusalKind::Permission => ExitStatus::NoPermission,
            RefusalKind::Config => ExitStatus::Config,
            RefusalKind::Interrupted(signal) => ExitStatus::Signal(signal),
        }
    }
}

/// Refusal with its reason: a command did nothing, or stopped.
#[derive(Debug)]
pub struct Refusal {
    /// Kind, from which the exit status follows.
    pub kind: RefusalKind,
    /// One line with the reason, and what to do.
    pub message: String,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Refusal {
        Refusal { kind, message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// Returns a refusal of this kind as an error.
pub fn refuse<T>(kind: RefusalKind, message: impl Into<String>) -> anyhow::Result<T> {
    Err(Refusal::new(kind, message).into())
}

/// Returns true when an error comes from a file or program that another user could have written.
pub fn is_distrust(error: &anyhow::Error) -> bool {
    let is = |cause: &(dyn std::error::Error + 'static)| {
        let path = cause.downcast_ref::<PathError>().is_some_and(|error| error.distrust().is_some());
        path || cause.is::<Distrust>()
    };
    error.chain().any(is)
}

/// Returns the exit status of a command that went over several ids: the status of the only one, or
/// [`ExitStatus::Partial`] where some of several failed.
pub fn combine(statuses: &[ExitStatus]) -> ExitStatus {
    match statuses {
        [one] => *one,
        _ if statuses.iter().all(|status| *status == ExitStatus::Ok) => ExitStatus::Ok,
        _ => ExitStatus::Partial,
    }
}
