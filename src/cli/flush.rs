//! Arguments of `flush`.

use std::time::Duration;

use anyhow::Result;

use crate::commands::flush::{self, FlushDirection, OwedMeaning};
use crate::delivery::selection::ForceLevel;
use crate::exit::ExitStatus;
use crate::mail::address::pattern::AddressPattern;
use crate::output::console::ProgressBarUse;
use crate::session::Session;
use crate::values::printable;

use crate::cli::help::{self, OUTPUT};
use crate::cli::values;

const SELECTION: &str = "Selection";
const DIRECTION: &str = "Direction";
const RUN: &str = "Run";
const TRANSPORTS: &str = "Transports";

const EXAMPLES: &str = "\
Examples:
  Deliver all mail that is due:
    mspool flush
  Ignore the back-off of mail for one domain:
    mspool flush --force --to '*@example.org'
  Show what a run would do, and why:
    mspool flush --dry-run
  Pause a transport for two hours:
    mspool flush --pause relay --for 2h --reason maintenance";

/// Deliver mail that is due, then exit
///
/// Prints nothing on success; permanent failures and errors go to standard error, one line each. Several runs may be
/// active at once.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = help::with_span_form(EXAMPLES))]
#[command(
    override_usage = "mspool flush [OPTIONS] [ID...]\n       mspool flush --pause NAME\n       mspool flush --resume NAME"
)]
pub struct FlushArgs {
    /// Queue id; its back-off is ignored [default: all that is due]
    #[arg(value_name = "ID")]
    ids: Vec<String>,

    /// Only mail for this transport
    #[arg(long, value_name = "NAME", help_heading = SELECTION)]
    transport: Option<String>,
    /// Only recipients that match, such as '*@example.org'
    #[arg(long, value_name = "PATTERN", value_parser = values::pattern, help_heading = SELECTION)]
    to: Option<AddressPattern>,
    /// Maximum number of messages [default: no limit]
    #[arg(long, value_name = "N", value_parser = values::message_count, help_heading = SELECTION)]
    limit: Option<usize>,
    /// Ignore back-off and circuit breakers
    ///
    /// Hold, pause, --not-before and --deliver-by still apply.
    #[arg(long, help_heading = SELECTION)]
    force: bool,

    /// Deliver mail (the default)
    #[arg(long, help_heading = DIRECTION)]
    out: bool,
    /// Fetch mail from the configured sources instead
    #[arg(long = "in", conflicts_with_all = ["out", "ids", "to", "dry_run"], help_heading = DIRECTION)]
    inward: bool,
    /// Deliver mail, then fetch mail
    #[arg(long, conflicts_with_all = ["out", "inward", "ids", "dry_run"], help_heading = DIRECTION)]
    both: bool,

    /// Maximum number of parallel hand-offs
    ///
    /// At least 1, at most 256. Default: the sum of the "parallel" keys of all transports.
    #[arg(long, value_name = "N", value_parser = values::job_count, help_heading = RUN)]
    jobs: Option<usize>,
    /// Exit with 75 when mail is still queued
    #[arg(long, help_heading = RUN)]
    strict: bool,
    /// Change nothing; print what would be done, and why
    #[arg(long, help_heading = RUN)]
    dry_run: bool,

    /// Stop delivery to this transport
    #[arg(
        long, value_name = "NAME", help_heading = TRANSPORTS,
        conflicts_with_all = ["resume", "ids", "dry_run", "force", "inward", "both"]
    )]
    pause: Option<String>,
    /// Length of the pause [default: until --resume]
    #[arg(
        long = "for", value_name = "SPAN", requires = "pause",
        value_parser = values::span, help_heading = TRANSPORTS
    )]
    span: Option<Duration>,
    /// Reason for the pause, shown by "mspool report status"
    #[arg(
        long, value_name = "TEXT", requires = "pause", default_value = "", hide_default_value = true,
        help_heading = TRANSPORTS
    )]
    reason: String,
    /// End the pause of this transport and close its breaker
    #[arg(
        long, value_name = "NAME", help_heading = TRANSPORTS,
        conflicts_with_all = ["ids", "dry_run", "force", "inward", "both"]
    )]
    resume: Option<String>,

    /// Always show a progress bar
    ///
    /// Default: from 5 messages on, if standard error is a terminal.
    #[arg(long, help_heading = OUTPUT)]
    progress: bool,
    /// Print JSON Lines
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
}

/// Runs the command.
pub fn run(args: FlushArgs, session: &Session) -> Result<ExitStatus> {
    if let Some(name) = &args.pause {
        return flush::pause(session, name, args.span, &printable::line(&args.reason));
    }
    if let Some(name) = &args.resume {
        return flush::resume(session, name);
    }
    let options = flush::FlushOptions {
        ids: args.ids,
        transport: args.transport,
        to: args.to,
        force: if args.force { ForceLevel::BackoffAndBreaker } else { ForceLevel::No },
        jobs: args.jobs,
        limit: args.limit,
        owed: if args.strict { OwedMeaning::IsFailure } else { OwedMeaning::IsFine },
        progress: if args.progress { ProgressBarUse::Always } else { ProgressBarUse::IfUseful },
        format: values::output_form(args.json),
        direction: match (args.inward, args.both) {
            (true, _) => FlushDirection::In,
            (_, true) => FlushDirection::Both,
            _ => FlushDirection::Out,
        },
    };
    if args.dry_run { flush::dry_run::run(session, &options) } else { flush::run(session, &options) }
}
