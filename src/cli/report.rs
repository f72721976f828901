//! Arguments of `report`.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};

use crate::commands::report::check::messages::MessageReading;
use crate::commands::report::check::{CheckScope, ProbeUse};
use crate::commands::report::dialect::{self, QueueDialect};
use crate::commands::report::{self, ReportSubject};
use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::mail::address::Address;
use crate::mail::envelope::id::QueueId;
use crate::mail::status::Status;
use crate::session::Session;

use crate::cli::help::{self, OUTPUT};
use crate::cli::hints;
use crate::cli::values::{self, TimeArg};
use crate::values::quoting::quoted;

const EXAMPLES: &str = "\
Examples:
  List the queue:
    mspool report
  Show one message with every recipient and attempt:
    mspool report ID
  Print the queue in the format of Postfix:
    mspool report --format postfix
  Show which transports are paused, broken or offline:
    mspool report status";

const REWRITE_EXAMPLES: &str = "\
Examples:
  Show aliases, rules and transports for two addresses:
    mspool report rewrite root bob@example.org";

const STATUS_EXAMPLES: &str = "\
Examples:
  Show which transports work:
    mspool report status
  The same for a script:
    mspool report status --json";

const TYPES_EXAMPLES: &str = "\
Examples:
  Show the transports for each address type:
    mspool report types";

const LOG_EXAMPLES: &str = "\
Examples:
  Show the events of the last two hours:
    mspool report log --since 2h
  Show the events of one message:
    mspool report log ID";

const STATS_EXAMPLES: &str = "\
Examples:
  Count messages by state, domain and age:
    mspool report stats";

const CHECK_EXAMPLES: &str = "\
Examples:
  Check the configuration and the spool:
    mspool report check
  Also run the probe of every transport:
    mspool report check --probe";

const PARSE_EXAMPLES: &str = "\
Examples:
  Show what a bounce says about each recipient:
    mspool report parse bounce.eml
  Read it from standard input:
    mspool report parse - < bounce.eml";

const COMPLETE_EXAMPLES: &str = "\
Examples:
  The fax arrived:
    mspool report complete ID --rcpt FAX:+49301234 --status 2.0.0
  There is no such mailbox:
    mspool report complete ID --rcpt bob@example.org --status 5.1.1";

/// Show the queue, one message, or the state of mspool
///
/// Without an id, lists unfinished and failed messages, oldest first. With ids, prints each message with every
/// recipient and every attempt.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
#[command(override_usage = "mspool report [OPTIONS] [ID...]\n       mspool report [OPTIONS] COMMAND")]
pub struct ReportArgs {
    /// Queue id [default: the whole queue]
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Print the queue in the format of another mail system
    #[arg(long, value_name = "NAME", conflicts_with_all = ["ids", "json"], help_heading = OUTPUT)]
    format: Option<DialectArg>,
    /// Print JSON Lines
    #[arg(long, global = true, help_heading = OUTPUT)]
    json: bool,
    #[command(subcommand)]
    command: Option<ReportCommand>,
}

/// Mail system whose list format is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DialectArg {
    /// mailq of Postfix
    Postfix,
    /// postqueue -j
    PostfixJson,
    /// exim -bp
    Exim,
    /// mailq of nullmailer
    Nullmailer,
    /// qmail-qstat
    QmailQstat,
}

impl From<DialectArg> for QueueDialect {
    fn from(dialect: DialectArg) -> QueueDialect {
        match dialect {
            DialectArg::Postfix => QueueDialect::Postfix,
            DialectArg::PostfixJson => QueueDialect::PostfixJson,
            DialectArg::Exim => QueueDialect::Exim,
            DialectArg::Nullmailer => QueueDialect::Nullmailer,
            DialectArg::QmailQstat => QueueDialect::QmailQstat,
        }
    }
}

#[derive(Debug, Subcommand)]
enum ReportCommand {
    /// Show how addresses are rewritten, and their transports
    #[command(after_help = REWRITE_EXAMPLES, override_usage = "mspool report rewrite ADDR...")]
    Rewrite {
        /// Address
        #[arg(value_name = "ADDR", required = true, value_parser = values::recipient)]
        addresses: Vec<Address>,
    },
    /// Show the state of transports, sources and runs
    #[command(after_help = STATUS_EXAMPLES)]
    Status,
    /// Show the transports of each address type
    #[command(after_help = TYPES_EXAMPLES)]
    Types,
    /// Show the log, oldest event first
    #[command(after_help = LOG_EXAMPLES, after_long_help = help::with_time_forms(LOG_EXAMPLES))]
    #[command(override_usage = "mspool report log\n         [--since TIME] [ID...]")]
    Log {
        /// Queue id [default: all messages]
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// Only events since this time; a span counts back from now
        #[arg(long, value_name = "TIME", value_parser = values::time)]
        since: Option<TimeArg>,
    },
    /// Show counts by state, domain and age
    #[command(after_help = STATS_EXAMPLES)]
    Stats,
    /// Check the configuration and the spool
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// Also run the probe of every transport
        #[arg(long)]
        probe: bool,
        /// Also read every message and compare it with its checksum
        #[arg(long)]
        deep: bool,
    },
    /// Print bounces and receipts as JSON
    ///
    /// Reads delivery reports (RFC 3464), read receipts (RFC 8098) and bounces of known wording. Changes nothing.
    #[command(after_help = PARSE_EXAMPLES, override_usage = "mspool report parse FILE...")]
    Parse {
        /// File with one message; - is standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<String>,
    },
    /// Set the result of an asynchronous hand-off
    #[command(after_help = COMPLETE_EXAMPLES)]
    #[command(override_usage = "mspool report complete ID\n         --rcpt ADDR --status STATUS")]
    Complete {
        /// Queue id
        id: String,
        /// Recipient; its state must be "async"
        #[arg(long, value_name = "ADDR", value_parser = values::recipient)]
        rcpt: Address,
        /// Result as a status code: 2.x.x delivered, 4.x.x retry, 5.x.x failed
        #[arg(long, value_name = "STATUS", value_parser = values::status_code)]
        status: Status,
    },
}

/// Runs the command.
pub fn run(args: ReportArgs, session: &Session) -> Result<ExitStatus> {
    if let Some(dialect) = args.format {
        return dialect::run(session, dialect.into());
    }
    let subject = match args.command {
        None if args.ids.is_empty() => ReportSubject::Queue,
        None => {
            refuse_misspelled_command(&args.ids)?;
            ReportSubject::Messages(args.ids)
        }
        Some(ReportCommand::Rewrite { addresses }) => ReportSubject::Rewrite(addresses),
        Some(ReportCommand::Status) => ReportSubject::Status,
        Some(ReportCommand::Types) => ReportSubject::Types,
        Some(ReportCommand::Log { ids, since }) => {
            ReportSubject::Log { since: since.map(|time| time.before(session.now())), ids }
        }
        Some(ReportCommand::Stats) => ReportSubject::Stats,
        Some(ReportCommand::Check { probe, deep }) => ReportSubject::Check(CheckScope {
            probing: if probe { ProbeUse::Yes } else { ProbeUse::No },
            reading: if deep { MessageReading::Whole } else { MessageReading::Envelopes },
        }),
        Some(ReportCommand::Parse { files }) => ReportSubject::Parse(files),
        Some(ReportCommand::Complete { id, rcpt, status }) => {
            return report::complete::run(session, &id, &rcpt, status, values::output_form(args.json));
        }
    };
    report::run(session, &subject, values::output_form(args.json))
}

/// Refuses `report stauts`, which clap takes for an id.
fn refuse_misspelled_command(ids: &[String]) -> Result<()> {
    for text in ids.iter().filter(|text| QueueId::parse(text).is_err()) {
        if let Some(hint) = hints::report_command(text) {
            return refuse(RefusalKind::BadData, format!("{} is not a queue id; use \"{hint}\"", quoted(text)));
        }
    }
    Ok(())
}
