//! Arguments of `receive`.

use std::path::PathBuf;

use anyhow::Result;

use crate::commands::receive;
use crate::exit::ExitStatus;
use crate::mail::address::{Address, Sender};
use crate::mail::envelope::WayTrust;
use crate::session::Session;

use crate::cli::help::OUTPUT;
use crate::cli::values;

const MESSAGE: &str = "One message";
const SOURCES: &str = "Sources";

const EXAMPLES: &str = "\
Examples:
  File a message, as a mail system's delivery command:
    mspool receive --to joe@laptop -f amy@example.net < mail
  Fetch mail from all sources:
    mspool receive --poll
  Fetch at most 100 messages from one source:
    mspool receive --poll --limit 100 work
  Run hooks for mail that another program put into a Maildir:
    mspool receive --in-place ~/Maildir";

/// Receive mail and file it in the store
///
/// Reads one message from standard input, or fetches mail from the configured sources with --poll. Exit status 0
/// means that the message is safe. Local errors exit with 75, so that the calling mail system retries.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(
    override_usage = "mspool receive [OPTIONS]\n       mspool receive --poll [NAME...]\n       mspool receive --in-place MAILDIR"
)]
pub struct ReceiveArgs {
    /// Source to fetch from, with --poll [default: all]
    #[arg(value_name = "NAME", requires = "poll")]
    names: Vec<String>,

    /// Mailbox of the message [default: your user name at this host]
    #[arg(
        long = "to", value_name = "MAILBOX", allow_hyphen_values = true,
        value_parser = values::recipient, help_heading = MESSAGE
    )]
    to: Option<Address>,
    /// Envelope sender; '' is the null sender [default: read from the header]
    #[arg(
        short = 'f', long = "from", value_name = "SENDER", allow_hyphen_values = true,
        value_parser = values::local_sender, help_heading = MESSAGE
    )]
    sender: Option<Sender>,

    /// Believe a bounce or receipt in the message without a proof
    ///
    /// Only for mail from systems that forward your mail, such as a relay that cannot be reached from outside.
    #[arg(long, conflicts_with_all = ["poll", "in_place"], help_heading = MESSAGE)]
    trusted: bool,

    /// Fetch mail from the configured sources
    #[arg(long, conflicts_with_all = ["to", "sender"], help_heading = SOURCES)]
    poll: bool,
    /// Maximum number of messages from each source
    #[arg(
        long, value_name = "N", requires = "poll",
        value_parser = values::positive_message_count, help_heading = SOURCES
    )]
    limit: Option<usize>,
    /// Process new mail in this Maildir in place
    ///
    /// Runs hooks, sorts into folders and notifies, for mail that another program delivered.
    #[arg(long, value_name = "MAILDIR", conflicts_with_all = ["to", "sender", "poll"], help_heading = SOURCES)]
    in_place: Option<PathBuf>,

    /// Print JSON Lines
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
}

impl ReceiveArgs {
    /// Returns true when a mail system passes one message and judges the call by its exit status.
    pub fn is_delivery_command(&self) -> bool {
        !self.poll && self.in_place.is_none()
    }
}

/// Runs the command.
pub fn run(args: ReceiveArgs, session: &Session) -> Result<ExitStatus> {
    let form = values::output_form(args.json);
    if args.poll {
        return receive::poll(session, &args.names, args.limit, form);
    }
    if let Some(store) = &args.in_place {
        return receive::in_place(session, store, form);
    }
    let way = if args.trusted { WayTrust::Trusted } else { WayTrust::Open };
    receive::run(session, &receive::ReceiveOptions { mailbox: args.to, sender: args.sender, way, format: form })
}
