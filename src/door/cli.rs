//! The command line. The only home of `clap`.

mod enqueue;
mod receive;
mod resend;
mod verbs;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::exit::{ExitStatus, refuse};
use crate::mail::envelope::id::IdGenerator;
use crate::output::mode::Verbosity;
use crate::output::print;
use crate::session::Network;
use crate::session::Session;
use crate::sys::clock::Clock;
use crate::sys::trust;

use crate::cli::exit_status::conclude;
use crate::config::load::load;
use crate::config::locations::{ConfigChoice, to_be_written};
use crate::door::sendmail as front;
use crate::door::sendmail::{self, Name};

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
    /// Take a message, or anything else, as sendmail(1) does; see `mspool sendmail --help`.
    #[command(disable_help_flag = true)]
    Sendmail(verbs::Foreign),
    /// List the queue as mailq(1) does.
    #[command(disable_help_flag = true)]
    Mailq(verbs::Foreign),
    /// Write a commented configuration to start from.
    Init,
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: verbs::Shell,
    },
}

/// Arguments as sendmail(1) and its relatives have them: our own options before the verb, and what follows it.
struct Behind {
    name: Name,
    before: Vec<OsString>,
    arguments: Vec<OsString>,
}

/// Looks whether the program was called by another name, or with that name as its verb: then the arguments behind it
/// follow another grammar, in which `-q` and `-v` are no options of ours.
fn behind(args: &[OsString]) -> Option<Behind> {
    let called = args.first().and_then(|path| Path::new(path).file_name()?.to_str());
    if let Some(name) = called.and_then(Name::of) {
        return Some(Behind { name, before: Vec::new(), arguments: args[1..].to_vec() });
    }
    let mut at = 1;
    while let Some(word) = args.get(at).and_then(|word| word.to_str()) {
        if let Some(name) = Name::of(word) {
            return Some(Behind { name, before: args[1..at].to_vec(), arguments: args[at + 1..].to_vec() });
        }
        if !word.starts_with('-') {
            return None;
        }
        at += if word == "--spool" || word == "--config" { 2 } else { 1 };
    }
    None
}

/// Our own options, where sendmail(1) follows them.
#[derive(Debug, Parser)]
#[command(name = "mspool")]
struct Before {
    #[arg(long)]
    spool: Option<PathBuf>,
    #[arg(long)]
    config: Option<PathBuf>,
    #[arg(long)]
    offline: bool,
    #[arg(short, long)]
    quiet: bool,
    #[arg(short, long)]
    verbose: bool,
}

fn run_behind(behind: &Behind) -> Result<ExitStatus> {
    let words = [OsString::from("mspool")].into_iter().chain(behind.before.iter().cloned());
    let before = match Before::try_parse_from(words) {
        Ok(before) => before,
        Err(error) => return Ok(of_usage(&error)),
    };
    refuse_privilege()?;
    let request = sendmail::request(behind.name, &behind.arguments)?;
    let everything = before.verbose || request.verbose == front::Verbosity::Everything;
    let choice = ConfigChoice { config: request.config.or(before.config), spool: before.spool };
    let reach = if before.offline { Network::Offline } else { Network::Online };
    let session = session(&choice, voice(before.quiet, everything), reach)?;
    crate::cli::sendmail_run::run(&session, request.mode)
}

/// The program: everything from its arguments to its exit status.
pub fn main(args: impl IntoIterator<Item = OsString> + std::panic::UnwindSafe) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or(String::new(), |at| format!(" at {}:{}", at.file(), at.line()));
        print::problem(&format!(
            "internal error{place}; what is in the spool is as safe as before, please report this"
        ));
    }));
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(behind) = behind(&args) {
        let exit = std::panic::catch_unwind(|| run_behind(&behind).unwrap_or_else(|error| conclude(&error)));
        return ExitCode::from(exit.unwrap_or(ExitStatus::Software).code());
    }
    let exit = std::panic::catch_unwind(|| match Args::try_parse_from(args) {
        Ok(args) => {
            let is_mda = matches!(&args.verb, Verb::Receive(args) if args.is_mda());
            let exit = run(args).unwrap_or_else(|error| conclude(&error));
            if is_mda { exit.for_mail_systems() } else { exit }
        }
        Err(error) => of_usage(&error),
    });
    ExitCode::from(exit.unwrap_or(ExitStatus::Software).code())
}

/// Help goes to standard output; an error is one line, and 64.
fn of_usage(error: &clap::Error) -> ExitStatus {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return ExitStatus::Ok;
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Usage:"));
    let first = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a verb is missing",
        ErrorKind::MissingRequiredArgument => {
            // The first line says that in many words.
            lines.next();
            "missing"
        }
        _ => lines.next().unwrap_or("wrong usage").trim_start_matches("error: "),
    };
    let rest: Vec<&str> = lines.take_while(|line| !line.starts_with("For more information")).take(3).collect();
    let rest = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => String::new(),
        ErrorKind::MissingRequiredArgument => format!(": {}", rest.join(" ")),
        _ if rest.is_empty() => String::new(),
        _ => format!("; {}", rest.join("; ")),
    };
    print::problem(&format!("{first}{rest}; see `mspool --help`"));
    ExitStatus::Usage
}

fn run(args: Args) -> Result<ExitStatus> {
    refuse_privilege()?;
    let choice = ConfigChoice { config: args.config, spool: args.spool };
    match args.verb {
        Verb::Init => {
            return crate::commands::init::run(&to_be_written(&choice));
        }
        Verb::Completions { shell } => {
            print::output_text(shell.script())?;
            return Ok(ExitStatus::Ok);
        }
        _ => {}
    }
    let reach = if args.offline { Network::Offline } else { Network::Online };
    let session = session(&choice, voice(args.quiet, args.verbose), reach)?;
    match args.verb {
        Verb::Enqueue(args) => enqueue::run(*args, &session),
        Verb::Flush(args) => args.run(&session),
        Verb::Receive(args) => receive::run(args, &session),
        Verb::Report(args) => args.run(&session),
        Verb::Resend(args) => resend::run(*args, &session),
        Verb::Watch(args) => args.run(&session, &|| Ok(load(&choice)?)),
        Verb::Cancel(ids) => crate::commands::cancel::run(&session, &ids.ids),
        Verb::Hold(ids) => crate::commands::hold::run(&session, &ids.ids),
        Verb::Release(ids) => crate::commands::release::run(&session, &ids.ids),
        // These were taken out before: their grammar is another one.
        Verb::Sendmail(_) | Verb::Mailq(_) | Verb::Init | Verb::Completions { .. } => Ok(ExitStatus::Ok),
    }
}

fn refuse_privilege() -> Result<()> {
    if trust::is_privileged_by_file() {
        return refuse(ExitStatus::NoPermission, "mspool must not be installed setuid or setgid; it refuses to run so");
    }
    Ok(())
}

fn voice(quiet: bool, verbose: bool) -> Verbosity {
    match (quiet, verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    }
}

fn session(choice: &ConfigChoice, voice: Verbosity, reach: Network) -> Result<Session> {
    let settings = load(choice)?;
    let mint = Arc::new(IdGenerator::new(&settings.hostname, crate::sys::random()));
    Ok(Session { settings, clock: Clock::from_env(), voice, reach, mint })
}

/// The parser, built: for whoever generates completions from it.
pub fn command() -> clap::Command {
    let mut command = Args::command();
    command.build();
    command
}
