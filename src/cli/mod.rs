//! The command line: global options, the commands, and dispatch. The only home of `clap`.
//!
//! One file a command reads its arguments and calls the command. `values` parses what several commands take, `errors`
//! explains usage errors, `sendmail` has a grammar of its own.

mod completions;
mod enqueue;
mod errors;
pub mod exit_status;
mod flush;
mod global;
mod help;
mod hints;
mod init;
mod operate;
mod quick;
mod receive;
mod report;
mod resend;
pub mod sendmail;
mod values;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, Parser, Subcommand};

use crate::cli::exit_status::conclude;
use crate::config::load::load;
use crate::config::locations::{ConfigChoice, init_target};
use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::mail::envelope::id::IdGenerator;
use crate::output::mode::Verbosity;
use crate::output::print;
use crate::session::Network;
use crate::session::Session;
use crate::sys::clock::Clock;
use crate::sys::identity;

use crate::cli::global::GlobalArgs;
use crate::cli::help::GLOBAL_OPTIONS;
use crate::cli::sendmail::names::SendmailCall;

const EXAMPLES: &str = "\
Examples:
  Queue a message, then deliver what is due:
    mspool enqueue bob@example.org < mail
    mspool flush
  Show the queue, and the state of the transports:
    mspool report
    mspool report status
  Write a configuration file:
    mspool init";

/// Store-and-forward mail spooler
///
/// Keeps mail while a messaging system is away, and forwards it later.
#[derive(Debug, Parser)]
#[command(name = "mspool", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(override_usage = "mspool [OPTIONS] COMMAND [ARGS]")]
struct MspoolArgs<C: Subcommand> {
    #[command(flatten)]
    global: GlobalArgs,
    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = GLOBAL_OPTIONS)]
    version: Option<bool>,
    #[command(subcommand)]
    command: C,
}

// The list of commands. These lines stand in the help of mspool; the text above the arguments of a command heads the
// command's own help.
macro_rules! command_list {
    ($(#[$($attribute:tt)*])* $name:ident) => {
        #[derive(Debug, Subcommand)]
        $(#[$($attribute)*])*
        enum $name {
            /// Queue a message from standard input
            Enqueue(Box<enqueue::EnqueueArgs>),
            /// Deliver mail that is due, then exit
            Flush(flush::FlushArgs),
            /// Receive mail and file it in the store
            Receive(receive::ReceiveArgs),
            /// Show the queue, one message, or the state of mspool
            Report(report::ReportArgs),
            /// Deliver and receive mail until stopped
            Watch(watch::WatchArgs),
            /// Take messages out of the queue
            Cancel(operate::CancelArgs),
            /// Hold messages until they are released
            Hold(operate::HoldArgs),
            /// Release held messages
            Release(operate::ReleaseArgs),
            /// Send a message again to the recipients that failed
            Resend(Box<resend::ResendArgs>),
            /// Act as sendmail(1); see "mspool sendmail --help"
            Sendmail(sendmail::SendmailArgs),
            /// List the queue as mailq(1) does
            Mailq(sendmail::MailqArgs),
            /// Write a commented configuration file
            Init(init::InitArgs),
            /// Print shell completions
            Completions(completions::CompletionsArgs),
        }
    };
}

command_list! {
    // The parser builds only the arguments of the command that is called.
    #[command(defer = true)]
    MspoolCommand
}

command_list! {
    // For help and completions: it takes longer to build, but has the global options last. A deferred command gets
    // them before its own arguments.
    DocumentedCommand
}

/// Global options alone, where a command of the sendmail family follows them.
#[derive(Debug, Parser)]
#[command(name = "mspool", disable_help_flag = true)]
struct GlobalArgsOnly {
    #[command(flatten)]
    global: GlobalArgs,
}

/// Runs the program, from its arguments to its exit status.
pub fn main(args: impl IntoIterator<Item = OsString> + std::panic::UnwindSafe) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        // `notify` panics where it could return an error. The watch catches that and tells it in its own words.
        if panic.location().is_some_and(|at| at.file().contains("/notify-")) {
            return;
        }
        let place = panic.location().map_or(String::new(), |at| format!(" at {}:{}", at.file(), at.line()));
        print::error(&format!("internal error{place}; no mail in the spool is lost; please report this bug"));
    }));
    let exit = std::panic::catch_unwind(|| {
        let args: Vec<OsString> = args.into_iter().collect();
        match sendmail::names::find_call(&args) {
            Some(call) => run_sendmail(&call).unwrap_or_else(|error| conclude(&error)),
            None => parse_and_run(&args),
        }
    });
    ExitCode::from(exit.unwrap_or(ExitStatus::Software).code())
}

/// Parses the arguments, the usual ones without building the parser.
fn parse(args: &[OsString]) -> Result<MspoolArgs<MspoolCommand>, clap::Error> {
    match quick::recognize_enqueue(args) {
        Some((global, enqueue)) => {
            Ok(MspoolArgs { global, version: None, command: MspoolCommand::Enqueue(Box::new(enqueue)) })
        }
        None => MspoolArgs::try_parse_from(args),
    }
}

fn parse_and_run(args: &[OsString]) -> ExitStatus {
    match parse(args) {
        Ok(parsed) => {
            let is_delivery_command =
                matches!(&parsed.command, MspoolCommand::Receive(args) if args.is_delivery_command());
            match run(parsed) {
                Err(error) if exit_status::is_outcome_unknown(&error) => conclude(&error),
                end => {
                    let exit = end.unwrap_or_else(|error| conclude(&error));
                    if is_delivery_command { exit.for_mail_systems() } else { exit }
                }
            }
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            let documented = MspoolArgs::<DocumentedCommand>::try_parse_from(args);
            errors::report(&documented.err().unwrap_or(error), command, args)
        }
        Err(error) => errors::report(&error, command, args),
    }
}

fn run(args: MspoolArgs<MspoolCommand>) -> Result<ExitStatus> {
    refuse_privilege()?;
    let choice = ConfigChoice { config: args.global.config, spool: args.global.spool };
    match &args.command {
        MspoolCommand::Init(args) => {
            let path = init_target(&choice);
            let written = ConfigChoice { config: Some(path.clone()), spool: choice.spool.clone() };
            return init::run(args, &path, &|| Ok(load(&written)?));
        }
        MspoolCommand::Completions(args) => return completions::run(args),
        _ => {}
    }
    let session = session(&choice, verbosity(args.global.quiet, args.global.verbose), reach(args.global.offline))?;
    match args.command {
        MspoolCommand::Enqueue(args) => enqueue::run(*args, &session),
        MspoolCommand::Flush(args) => flush::run(args, &session),
        MspoolCommand::Receive(args) => receive::run(args, &session),
        MspoolCommand::Report(args) => report::run(args, &session),
        MspoolCommand::Watch(args) => watch::run(args, &session, &|| Ok(load(&choice)?)),
        MspoolCommand::Cancel(args) => operate::cancel(&args, &session),
        MspoolCommand::Hold(args) => operate::hold(&args, &session),
        MspoolCommand::Release(args) => operate::release(&args, &session),
        MspoolCommand::Resend(args) => resend::run(*args, &session),
        // The first two have another grammar and were found before; the others need no session and have run.
        MspoolCommand::Sendmail(_)
        | MspoolCommand::Mailq(_)
        | MspoolCommand::Init(_)
        | MspoolCommand::Completions(_) => Ok(ExitStatus::Ok),
    }
}

fn run_sendmail(call: &SendmailCall) -> Result<ExitStatus> {
    let global = match quick::recognize_global(&call.global_args) {
        Some(global) => global,
        None => {
            let before: Vec<OsString> =
                std::iter::once("mspool".into()).chain(call.global_args.iter().cloned()).collect();
            match GlobalArgsOnly::try_parse_from(&before) {
                Ok(parsed) => parsed.global,
                // The whole parser has the words for it: help, the version, or the same error.
                Err(_) => return Ok(parse_and_run(&before)),
            }
        }
    };
    refuse_privilege()?;
    let request = sendmail::request::parse(call.name, &call.arguments)?;
    let choice = ConfigChoice { config: request.config.or(global.config), spool: global.spool };
    let session = session(&choice, verbosity(global.quiet, global.verbose || request.verbose), reach(global.offline))?;
    sendmail::run::run(&session, request.mode)
}

fn refuse_privilege() -> Result<()> {
    if identity::is_privileged_by_file() {
        return refuse(
            RefusalKind::Permission,
            "mspool refuses to run with rights of its program file (setuid, setgid, file capabilities); remove them: chmod ug-s FILE, setcap -r FILE",
        );
    }
    Ok(())
}

fn verbosity(quiet: bool, verbose: bool) -> Verbosity {
    match (quiet, verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    }
}

fn reach(offline: bool) -> Network {
    if offline { Network::Offline } else { Network::Online }
}

fn session(choice: &ConfigChoice, verbosity: Verbosity, reach: Network) -> Result<Session> {
    let settings = load(choice)?;
    let ids = Arc::new(IdGenerator::new(crate::sys::random));
    Ok(Session { settings, clock: Clock::from_env(), verbosity, network: reach, ids, sessions: Arc::default() })
}

/// Returns the built parser, for completions and tests.
pub fn command() -> clap::Command {
    let mut command = MspoolArgs::<DocumentedCommand>::command();
    command.build();
    command
}
