//! The arguments of `resend`.

use anyhow::Result;

use crate::commands::resend::{self, ResendOptions, ResentBefore};
use crate::exit::{ExitStatus, refuse};
use crate::mail::address::{Address, Sender};
use crate::session::DryRun;
use crate::session::Session;

use crate::door::cli::enqueue::{bad_address, recipient};

/// Send a message again, unchanged, to just those whom it did not reach.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Queue ids, or files with a delivery report; - is a report on standard input.
    #[arg(value_name = "ID|FILE|-", required = true)]
    subjects: Vec<String>,
    /// Only to these of them.
    #[arg(long, value_name = "ADDR", allow_hyphen_values = true)]
    only: Vec<String>,
    /// To this one too.
    #[arg(long, value_name = "ADDR", allow_hyphen_values = true)]
    add: Vec<String>,
    /// To a new address instead of the old one.
    #[arg(long, value_name = "OLD=NEW", allow_hyphen_values = true)]
    replace: Vec<String>,
    /// The envelope sender, if not the one of the first time.
    #[arg(short = 'f', long = "from", value_name = "SENDER", allow_hyphen_values = true)]
    sender: Option<String>,
    /// Even if it was done before.
    #[arg(long)]
    again: bool,
    /// Do nothing; say to whom it would be sent.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON Lines.
    #[arg(long)]
    json: bool,
}

/// Checks the arguments and runs the verb.
pub fn run(args: Args, session: &Session) -> Result<ExitStatus> {
    let list = |texts: &[String]| texts.iter().map(|text| recipient(text)).collect::<Result<Vec<_>>>();
    let replace = |text: &String| -> Result<(Address, Address)> {
        // The last one: an address may hold the sign, and the new one seldom does.
        match text.rsplit_once('=') {
            Some((old, new)) => Ok((recipient(old)?, recipient(new)?)),
            None => refuse(ExitStatus::Usage, "--replace wants OLD=NEW"),
        }
    };
    let sender = args.sender.as_deref().map(|text| Sender::parse(text).map_err(|error| bad_address("-f", text, error)));
    let options = ResendOptions {
        only: list(&args.only)?,
        add: list(&args.add)?,
        replace: args.replace.iter().map(replace).collect::<Result<_>>()?,
        sender: sender.transpose()?,
        before: if args.again { ResentBefore::Again } else { ResentBefore::Refuse },
        rehearsal: if args.dry_run { DryRun::Yes } else { DryRun::No },
        form: crate::door::cli::verbs::form(args.json),
        subjects: args.subjects,
    };
    resend::run(session, &options)
}
