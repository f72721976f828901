//! `report`: prints the contents and the state of the spool. Takes no lock, so that it never waits for a run.

pub mod check;
pub mod complete;
pub mod dialect;
pub mod log;
pub mod next_attempt;
pub mod one;
pub mod parse;
pub mod queue;
pub mod rewrite;
pub mod stats;
pub mod status;
pub mod types;
pub mod view;

/// Report that is requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportSubject {
    /// Unfinished and failed messages.
    Queue,
    /// Messages with these ids, with every recipient and every attempt.
    Messages(Vec<String>),
    /// Transports, sources and the runner.
    Status,
    /// Address types with their transports.
    Types,
    /// Log, oldest event first.
    Log {
        /// Time of the first event; `None` means from the beginning.
        since: Option<crate::values::time::Timestamp>,
        /// Ids of the messages; empty means all.
        ids: Vec<String>,
    },
    /// Counts by state, domain and age.
    Stats,
    /// Check of the configuration and the spool.
    Check(check::CheckScope),
    /// Rewriting of these addresses.
    Rewrite(Vec<crate::mail::address::Address>),
    /// Content of the incoming reports in these files.
    Parse(Vec<String>),
}

use anyhow::Result;

use crate::exit::ExitStatus;
use crate::output::mode::OutputFormat;
use crate::session::Session;

/// Prints a report. Exit status 66, or 1 of several, for an id that is not in the spool.
///
/// # Errors
///
/// An error of the spool or of standard output.
pub fn run(session: &Session, subject: &ReportSubject, format: OutputFormat) -> Result<ExitStatus> {
    match subject {
        ReportSubject::Queue => queue::run(session, format),
        ReportSubject::Messages(ids) => one::run(session, ids, format),
        ReportSubject::Status => status::run(session, format),
        ReportSubject::Types => types::run(session, format),
        ReportSubject::Log { since, ids } => log::run(session, *since, ids, format),
        ReportSubject::Stats => stats::run(session, format),
        ReportSubject::Check(probing) => check::run(session, *probing, format),
        ReportSubject::Rewrite(addresses) => rewrite::run(session, addresses, format),
        ReportSubject::Parse(files) => parse::run(session, files),
    }
}
