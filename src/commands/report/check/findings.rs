//! Findings of a check: what was looked at, and how it ended.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::exit::ExitStatus;
use crate::output::mode::OutputFormat;
use crate::output::print;

/// Result of one check.
#[derive(Debug, Serialize)]
struct CheckFinding {
    check: &'static str,
    ok: bool,
    text: String,
    path: Option<PathBuf>,
    /// Exit status that this finding causes.
    #[serde(skip)]
    exit: ExitStatus,
}

#[derive(Default)]
pub(super) struct CheckFindings(Vec<CheckFinding>);

impl CheckFindings {
    pub(super) fn good(&mut self, check: &'static str, text: impl Into<String>, path: Option<&Path>) {
        self.add(check, ExitStatus::Ok, text, path);
    }

    pub(super) fn add(&mut self, check: &'static str, exit: ExitStatus, text: impl Into<String>, path: Option<&Path>) {
        let path = path.map(Path::to_owned);
        self.0.push(CheckFinding { check, ok: exit == ExitStatus::Ok, text: text.into(), path, exit });
    }

    /// Returns the worst exit status of the findings.
    pub(super) fn exit_status(&self) -> ExitStatus {
        let has = |exit| self.0.iter().any(|finding| finding.exit == exit);
        if has(ExitStatus::Config) {
            ExitStatus::Config
        } else if has(ExitStatus::TryAgain) {
            ExitStatus::TryAgain
        } else if has(ExitStatus::Partial) {
            ExitStatus::Partial
        } else {
            ExitStatus::Ok
        }
    }
}

pub(super) fn print_findings(findings: &CheckFindings, format: OutputFormat) -> Result<()> {
    let mut out = print::stdout();
    for finding in &findings.0 {
        match format {
            OutputFormat::Json => print::json(&mut out, finding)?,
            OutputFormat::Text => {
                let word = match finding.exit {
                    ExitStatus::Ok => "ok",
                    ExitStatus::Partial => "warn",
                    _ => "BAD",
                };
                let path = finding.path.as_ref().map_or(String::new(), |path| format!(" ({})", path.display()));
                print::line(&mut out, &format!("{word:<3} {:<14}{}{path}", finding.check, finding.text))?;
            }
        }
    }
    Ok(out.flush()?)
}
