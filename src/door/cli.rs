//! The command line. The only home of `clap`.

mod enqueue;
mod receive;
mod resend;
mod verbs;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::mail::id::Mint;
use crate::sys::clock::Clock;
use crate::sys::trust;
use crate::verbs::exit::{Exit, refuse};
use crate::verbs::flush::lane::Reach;
use crate::verbs::say;
use crate::verbs::session::{Session, Voice};

use super::config::{self, Choice};
use super::exit::conclude;

/// Store-and-forward mail spooler: keeps mail while a messaging system is away, and forwards it later.
#[derive(Debug, Parser)]
#[command(name = "mspool", version, max_term_width = 100)]
struct Args {
    /// The spool's directory.
    #[arg(long, value_name = "DIR", global = true)]
    spool: Option<PathBuf>,
    /// The configuration file.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Use nothing that reaches beyond this machine.
    #[arg(long, global = true)]
    offline: bool,
    /// Print errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Print everything that is done.
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Verb {
    /// Take a message from standard input and print its id once it is safe.
    Enqueue(Box<enqueue::Args>),
    /// Attempt what is due, and end.
    Flush(verbs::Flush),
    /// Take mail in and file it in the store.
    Receive(receive::Args),
    /// Show what is in the spool.
    Report(verbs::Report),
    /// Deliver as mail arrives and as attempts fall due, until told to stop.
    Watch(verbs::Watch),
    /// Take messages out of the queue.
    Cancel(verbs::Ids),
    /// Set messages aside.
    Hold(verbs::Ids),
    /// Let held messages go on.
    Release(verbs::Ids),
    /// Send messages again, unchanged, to just those whom they did not reach.
    Resend(Box<resend::Args>),
    /// Write a commented configuration to start from.
    Init,
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: verbs::Shell,
    },
}

/// The program: everything from its arguments to its exit status.
pub fn main(args: impl IntoIterator<Item = OsString> + std::panic::UnwindSafe) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or(String::new(), |at| format!(" at {}:{}", at.file(), at.line()));
        say::problem(&format!("internal error{place}; what is in the spool is as safe as before, please report this"));
    }));
    let exit = std::panic::catch_unwind(|| match Args::try_parse_from(args) {
        Ok(args) => run(args).unwrap_or_else(|error| conclude(&error)),
        Err(error) => of_usage(&error),
    });
    ExitCode::from(exit.unwrap_or(Exit::Software).code())
}

/// Help goes to standard output; an error is one line, and 64.
fn of_usage(error: &clap::Error) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return Exit::Ok;
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Usage:"));
    let first = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a verb is missing",
        _ => lines.next().unwrap_or("wrong usage").trim_start_matches("error: "),
    };
    let rest: Vec<&str> = lines.take_while(|line| !line.starts_with("For more information")).take(3).collect();
    let rest =
        if rest.is_empty() || first == "a verb is missing" { String::new() } else { format!("; {}", rest.join("; ")) };
    say::problem(&format!("{first}{rest}; see `mspool --help`"));
    Exit::Usage
}

fn run(args: Args) -> Result<Exit> {
    if trust::is_privileged_by_file() {
        return refuse(Exit::NoPermission, "mspool must not be installed setuid or setgid; it refuses to run so");
    }
    let choice = Choice { config: args.config, spool: args.spool };
    match args.verb {
        Verb::Init => {
            return crate::verbs::init::run(&config::to_be_written(&choice));
        }
        Verb::Completions { shell } => {
            say::output_text(shell.script())?;
            return Ok(Exit::Ok);
        }
        _ => {}
    }
    let settings = config::load(&choice)?;
    let session = Session {
        mint: Arc::new(Mint::new(&settings.hostname, crate::sys::random())),
        settings,
        clock: Clock::from_env(),
        voice: match (args.quiet, args.verbose) {
            (true, _) => Voice::Quiet,
            (false, true) => Voice::Verbose,
            (false, false) => Voice::Normal,
        },
        reach: if args.offline { Reach::Offline } else { Reach::Online },
    };
    match args.verb {
        Verb::Enqueue(args) => enqueue::run(*args, &session),
        Verb::Flush(args) => args.run(&session),
        Verb::Receive(args) => receive::run(args, &session),
        Verb::Report(args) => args.run(&session),
        Verb::Resend(args) => resend::run(*args, &session),
        Verb::Watch(args) => args.run(&session, &|| Ok(config::load(&choice)?)),
        Verb::Cancel(ids) => crate::verbs::operate::cancel(&session, &ids.ids),
        Verb::Hold(ids) => crate::verbs::operate::hold(&session, &ids.ids),
        Verb::Release(ids) => crate::verbs::operate::release(&session, &ids.ids),
        Verb::Init | Verb::Completions { .. } => Ok(Exit::Ok),
    }
}

/// The parser, built: for whoever generates completions from it.
pub fn command() -> clap::Command {
    let mut command = Args::command();
    command.build();
    command
}
