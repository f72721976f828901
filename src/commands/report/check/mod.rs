//! `report check`: checks the configuration and the spool. Uses no network without `--probe`.

mod addresses;
mod findings;
pub mod messages;
mod programs;

use anyhow::Result;

use crate::exit::ExitStatus;
use crate::output::mode::OutputFormat;
use crate::session::Session;
use crate::settings::SettingsSource;

use crate::commands::report::check::addresses::{check_aliases, check_sender};
use crate::commands::report::check::findings::{CheckFindings, print_findings};
use crate::commands::report::check::messages::{MessageReading, check_messages, check_space};
use crate::commands::report::check::programs::{check_inbound, check_transport, run_probes};

/// Scope of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckScope {
    /// Use of the probes of transports.
    pub probing: ProbeUse,
    /// Part of each message that is read.
    pub reading: MessageReading,
}

/// Use of the transports' probe commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeUse {
    /// Only this machine is checked.
    No,
    /// Every probe command is run.
    Yes,
}

/// Prints all findings. Exit status 78 if the configuration or the spool is wrong, 75 if something fails at the moment, 1
/// if something is probably a mistake.
///
/// # Errors
///
/// An error if the spool cannot be opened or listed.
pub fn run(session: &Session, scope: CheckScope, format: OutputFormat) -> Result<ExitStatus> {
    let mut findings = CheckFindings::default();
    match &session.settings.source {
        SettingsSource::File(path) => findings.good("configuration", "read", Some(path)),
        SettingsSource::BuiltIn(path) => {
            findings.good("configuration", "built in; this file would be read", Some(path))
        }
    }
    let spool = session.spool()?;
    match spool.verify() {
        Ok(()) => {
            let filesystem = spool.filesystem()?;
            let hosts = if filesystem.reaches_other_hosts { ", which other hosts may use" } else { "" };
            let text = format!("owned by this user, on one filesystem ({}{hosts}), version 1", filesystem.name);
            findings.good("spool", text, Some(spool.path()));
        }
        Err(error) => findings.add("spool", ExitStatus::Config, error.to_string(), Some(spool.path())),
    }
    if let Some(error) = spool.report_key_problem() {
        findings.add("spool", ExitStatus::Config, format!("{error}; reports of other systems prove nothing"), None);
    }
    check_space(session, &spool, &mut findings)?;
    check_messages(session, &spool, scope.reading, &mut findings)?;
    for transport in &session.settings.transports {
        check_transport(session, &spool, transport, &mut findings)?;
    }
    check_sender(session, &mut findings);
    check_aliases(session, &mut findings);
    check_inbound(session, &spool, &mut findings)?;
    if scope.probing == ProbeUse::Yes {
        run_probes(session, &spool, &mut findings)?;
    }
    print_findings(&findings, format)?;
    Ok(findings.exit_status())
}
