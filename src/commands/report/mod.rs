//! `report`: what is in the spool. Takes no lock and waits for nobody.

pub mod check;
pub mod complete;
pub mod dialect;
pub mod log;
pub mod one;
pub mod parse;
pub mod queue;
pub mod rewrite;
pub mod stats;
pub mod status;
pub mod types;
pub mod view;

/// Which report is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportSubject {
    /// What is not finished, and what failed.
    Queue,
    /// These messages, with everything that is known of them.
    Messages(Vec<String>),
    /// The transports and the runner.
    Status,
    /// The address types and who takes them.
    Types,
    /// What happened, oldest first.
    Log {
        /// From when on.
        since: Option<crate::values::time::Timestamp>,
        /// Only to these messages.
        ids: Vec<String>,
    },
    /// Counts by state, domain and age.
    Stats,
    /// Whether everything is as it should be.
    Check(check::ProbeUse),
    /// What becomes of these addresses.
    Rewrite(Vec<crate::mail::address::Address>),
    /// What these messages say about others.
    Parse(Vec<String>),
}

use anyhow::Result;

use crate::exit::ExitStatus;
use crate::output::mode::OutputFormat;
use crate::session::Session;

/// Prints a report.
pub fn run(session: &Session, subject: &ReportSubject, form: OutputFormat) -> Result<ExitStatus> {
    match subject {
        ReportSubject::Queue => queue::run(session, form),
        ReportSubject::Messages(ids) => one::run(session, ids, form),
        ReportSubject::Status => status::run(session, form),
        ReportSubject::Types => types::run(session, form),
        ReportSubject::Log { since, ids } => log::run(session, *since, ids, form),
        ReportSubject::Stats => stats::run(session, form),
        ReportSubject::Check(probing) => check::run(session, *probing, form),
        ReportSubject::Rewrite(addresses) => rewrite::run(session, addresses, form),
        ReportSubject::Parse(files) => parse::run(session, files),
    }
}
