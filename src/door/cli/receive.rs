//! The arguments of `receive`.

use std::path::PathBuf;

use anyhow::Result;

use crate::commands::receive::{self, ReceiveOptions};
use crate::exit::ExitStatus;
use crate::mail::address::{Address, Sender};
use crate::session::Session;

use crate::door::cli::enqueue::bad_address;

/// Take mail in and file it in the store: one message from standard input, or what the inbound transports have.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The mailbox that the message is for; yours, if it is not given.
    #[arg(long = "to", value_name = "MAILBOX", allow_hyphen_values = true)]
    to: Option<String>,
    /// The envelope sender; '' is the null sender.
    #[arg(short = 'f', long = "from", value_name = "SENDER", allow_hyphen_values = true)]
    sender: Option<String>,
    /// Ask the inbound transports for mail.
    #[arg(long, conflicts_with_all = ["to", "sender"])]
    poll: bool,
    /// Run hooks and notices for mail that another program has put into this Maildir.
    #[arg(long, value_name = "MAILDIR", conflicts_with_all = ["to", "sender", "poll"])]
    in_place: Option<PathBuf>,
    /// Only these inbound transports.
    #[arg(value_name = "NAME", requires = "poll")]
    names: Vec<String>,
    /// Messages from each of them at most.
    #[arg(long, value_name = "N", requires = "poll", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print JSON Lines.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// True when a mail system hands us a message, and judges it by our exit status.
    pub fn is_mda(&self) -> bool {
        !self.poll && self.in_place.is_none()
    }
}

/// Checks the arguments and runs the verb.
pub fn run(args: Args, session: &Session) -> Result<ExitStatus> {
    let form = crate::door::cli::verbs::form(args.json);
    if args.poll {
        return receive::poll(session, &args.names, args.limit.map(|limit| limit as usize), form);
    }
    if let Some(store) = &args.in_place {
        return receive::in_place(session, store, form);
    }
    let mailbox = args.to.as_deref().map(|text| Address::parse(text).map_err(|error| bad_address("--to", text, error)));
    // Some programs write the null sender so.
    let null = |text: &str| text.eq_ignore_ascii_case("MAILER-DAEMON");
    let sender = args.sender.as_deref().map(|text| {
        let text = if null(text) { "" } else { text };
        Sender::parse(text).map_err(|error| bad_address("-f", text, error))
    });
    receive::run(session, &ReceiveOptions { mailbox: mailbox.transpose()?, sender: sender.transpose()?, form })
}
