//! Arguments of `cancel`, `hold` and `release`.

use anyhow::Result;

use crate::commands::{cancel, hold, release};
use crate::exit::ExitStatus;
use crate::session::Session;

use crate::cli::help::OUTPUT;
use crate::cli::values;

const CANCEL_EXAMPLES: &str = "\
Examples:
  Find the id of a message, then cancel it:
    mspool report
    mspool cancel ID";

const HOLD_EXAMPLES: &str = "\
Examples:
  Hold a message, and look at it:
    mspool hold ID
    mspool report ID";

const RELEASE_EXAMPLES: &str = "\
Examples:
  Release a message, and deliver it now:
    mspool release ID
    mspool flush ID";

/// Take messages out of the queue
///
/// Unsettled recipients become cancelled; others are unchanged. The sender gets no report.
#[derive(Debug, clap::Args)]
#[command(after_help = CANCEL_EXAMPLES, override_usage = "mspool cancel [OPTIONS] ID...")]
pub struct CancelArgs {
    /// Queue id
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Print JSON Lines
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
}

/// Hold messages until they are released
#[derive(Debug, clap::Args)]
#[command(after_help = HOLD_EXAMPLES, override_usage = "mspool hold [OPTIONS] ID...")]
pub struct HoldArgs {
    /// Queue id
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Print JSON Lines
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
}

/// Release held messages
///
/// Their back-off ends and their lifetime starts again. --not-before still applies.
#[derive(Debug, clap::Args)]
#[command(after_help = RELEASE_EXAMPLES, override_usage = "mspool release [OPTIONS] ID...")]
pub struct ReleaseArgs {
    /// Queue id
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Print JSON Lines
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
}

/// Runs `cancel`.
pub fn cancel(args: &CancelArgs, session: &Session) -> Result<ExitStatus> {
    cancel::run(session, &args.ids, values::output_form(args.json))
}

/// Runs `hold`.
pub fn hold(args: &HoldArgs, session: &Session) -> Result<ExitStatus> {
    hold::run(session, &args.ids, values::output_form(args.json))
}

/// Runs `release`.
pub fn release(args: &ReleaseArgs, session: &Session) -> Result<ExitStatus> {
    release::run(session, &args.ids, values::output_form(args.json))
}
