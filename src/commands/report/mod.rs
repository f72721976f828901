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
pub enum Subject {
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
    Check(check::Probing),
    /// What becomes of these addresses.
    Rewrite(Vec<crate::mail::address::Address>),
    /// What these messages say about others.
    Parse(Vec<String>),
}

use anyhow::Result;

use crate::exit::Exit;
use crate::output::mode::OutputFormat;
use crate::session::Session;

/// Prints a report.
pub fn run(session: &Session, subject: &Subject, form: OutputFormat) -> Result<Exit> {
    match subject {
        Subject::Queue => queue::run(session, form),
        Subject::Messages(ids) => one::run(session, ids, form),
        Subject::Status => status::run(session, form),
        Subject::Types => types::run(session, form),
        Subject::Log { since, ids } => log::run(session, *since, ids, form),
        Subject::Stats => stats::run(session, form),
        Subject::Check(probing) => check::run(session, *probing, form),
        Subject::Rewrite(addresses) => rewrite::run(session, addresses, form),
        Subject::Parse(files) => parse::run(session, files),
    }
}
