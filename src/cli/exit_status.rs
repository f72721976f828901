//! From an error to an exit status: the one place where that is decided.

use std::io;

use anyhow::Error;

use crate::exit::{ExitStatus, Refusal};
use crate::output::print;
use crate::spool::draft::CommitError;
use crate::spool::error::SpoolError;
use crate::sys::distrust::Distrust;
use crate::sys::error::PathError;
use crate::sys::error::is_shortage;

use crate::config::error::ConfigError;

/// Says what went wrong, in one line, and gives the exit status for it.
pub fn conclude(error: &Error) -> ExitStatus {
    let exit = status(error);
    if exit != ExitStatus::Ok {
        print::error(&format!("{error:#}"));
    }
    exit
}

fn status(error: &Error) -> ExitStatus {
    for cause in error.chain() {
        if let Some(refusal) = cause.downcast_ref::<Refusal>() {
            return refusal.kind.exit_status();
        }
        if cause.downcast_ref::<ConfigError>().is_some() || cause.downcast_ref::<Distrust>().is_some() {
            return ExitStatus::Config;
        }
        if let Some(error) = cause.downcast_ref::<CommitError>() {
            return of_commit(error);
        }
        if let Some(error) = cause.downcast_ref::<SpoolError>() {
            return of_spool(error);
        }
        if let Some(error) = cause.downcast_ref::<PathError>() {
            return of_io(&error.source);
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return of_io(error);
        }
        if let Some(error) = cause.downcast_ref::<serde_json::Error>().filter(|error| error.is_io()) {
            return error.io_error_kind().map_or(ExitStatus::Io, |kind| of_io(&kind.into()));
        }
    }
    ExitStatus::Software
}

fn of_commit(error: &CommitError) -> ExitStatus {
    if error.may_be_queued.is_empty() { of_io(&error.cause.source) } else { ExitStatus::Io }
}

/// Returns true if a message may be queued in spite of the error: a second try could make a second message.
pub fn is_outcome_unknown(error: &Error) -> bool {
    error.downcast_ref::<CommitError>().is_some_and(|error| !error.may_be_queued.is_empty())
}

fn of_spool(error: &SpoolError) -> ExitStatus {
    match error {
        SpoolError::Path(error) => of_io(&error.source),
        SpoolError::CannotMake(error) if error.distrust().is_some() => ExitStatus::Config,
        SpoolError::CannotMake(_) => ExitStatus::CannotCreate,
        SpoolError::Changing(_) | SpoolError::EarlierVersionAtWork(..) => ExitStatus::TryAgain,
        SpoolError::Distrust(_)
        | SpoolError::Version(..)
        | SpoolError::NotASpool(_)
        | SpoolError::SharedFilesystem(..)
        | SpoolError::OtherFilesystem(_)
        | SpoolError::ReadOnly(_)
        | SpoolError::Content(..) => ExitStatus::Config,
    }
}

fn of_io(error: &io::Error) -> ExitStatus {
    if error.get_ref().is_some_and(|cause| cause.is::<Distrust>()) {
        return ExitStatus::Config;
    }
    match error.kind() {
        // The reader of the output has closed it on purpose.
        io::ErrorKind::BrokenPipe => ExitStatus::Ok,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ExitStatus::TryAgain,
        io::ErrorKind::PermissionDenied => ExitStatus::NoPermission,
        // The machine has to be set up in another way: a second try gives the same.
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::CrossesDevices => ExitStatus::Config,
        _ if is_shortage(error) => ExitStatus::TryAgain,
        _ => ExitStatus::Io,
    }
}
