//! Arguments of `resend`.

use anyhow::Result;

use crate::commands::resend::{self, ResentBefore};
use crate::exit::ExitStatus;
use crate::mail::address::{Address, Sender};
use crate::session::DryRun;
use crate::session::Session;

use crate::cli::help::OUTPUT;
use crate::cli::values::{self, ReplacementArg};

const ADDRESSES: &str = "Recipients and sender";

const EXAMPLES: &str = "\
Examples:
  Send a message again to those of its recipients that failed:
    mspool resend ID
  Correct an address:
    mspool resend --replace bob@old.example=bob@example.org bounce.eml
  Show the recipients of a bounce on standard input:
    mspool resend --dry-run - < bounce.eml";

/// Send a message again to the recipients that failed
///
/// The message is unchanged and keeps its Message-ID. Recipients are those that failed or were cancelled; of a
/// bounce, those that it reports as failed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(override_usage = "mspool resend [OPTIONS]\n         ID|FILE|-...")]
pub struct ResendArgs {
    /// Queue id, file with a bounce, or - for a bounce on standard input
    #[arg(value_name = "ID|FILE|-", required = true)]
    subjects: Vec<String>,

    /// Only to this one of the recipients; repeat for more
    #[arg(
        long, value_name = "ADDR", allow_hyphen_values = true,
        value_parser = values::recipient, help_heading = ADDRESSES
    )]
    only: Vec<Address>,
    /// Also to this address; repeat for more
    #[arg(
        long, value_name = "ADDR", allow_hyphen_values = true,
        value_parser = values::recipient, help_heading = ADDRESSES
    )]
    add: Vec<Address>,
    /// To a new address instead of a recipient's; repeat for more
    #[arg(
        long, value_name = "OLD=NEW", allow_hyphen_values = true,
        value_parser = values::replacement, help_heading = ADDRESSES
    )]
    replace: Vec<ReplacementArg>,
    /// Envelope sender [default: as before]
    #[arg(
        short = 'f', long = "from", value_name = "SENDER", allow_hyphen_values = true,
        value_parser = values::sender, help_heading = ADDRESSES
    )]
    sender: Option<Sender>,
    /// Include the recipients of an earlier resend
    #[arg(long, help_heading = ADDRESSES)]
    again: bool,

    /// Queue nothing; print the recipients
    #[arg(long, help_heading = OUTPUT)]
    dry_run: bool,
    /// Print JSON Lines
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
}

/// Runs the command.
pub fn run(args: ResendArgs, session: &Session) -> Result<ExitStatus> {
    let options = resend::ResendOptions {
        only: args.only,
        add: args.add,
        replace: args.replace.into_iter().map(|ReplacementArg { old, new }| (old, new)).collect(),
        sender: args.sender,
        resent_before: if args.again { ResentBefore::Again } else { ResentBefore::Refuse },
        dry_run: if args.dry_run { DryRun::Yes } else { DryRun::No },
        format: values::output_form(args.json),
        subjects: args.subjects,
    };
    resend::run(session, &options)
}
