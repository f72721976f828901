//! Arguments of `watch`.

use anyhow::Result;
use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::commands::watch;
use crate::commands::watch::events::WatchEvent;
use crate::exit::ExitStatus;
use crate::session::Session;
use crate::settings::Settings;

use crate::cli::help::OUTPUT;
use crate::cli::values;

const EXAMPLES: &str = "\
Examples:
  Deliver in the foreground, and print every event:
    mspool watch
  Print failures and errors only, as JSON Lines:
    mspool watch --events failed,error --json";

/// Deliver and receive mail until stopped
///
/// Delivers mail as it arrives and as attempts fall due, files received mail, and fetches mail from the configured
/// sources. SIGTERM and SIGINT finish current deliveries and exit with 0; SIGHUP reloads the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct WatchArgs {
    /// Maximum number of parallel hand-offs
    ///
    /// At least 1, at most 256. Default: the sum of the "parallel" keys of all transports.
    #[arg(long, value_name = "N", value_parser = values::job_count)]
    jobs: Option<usize>,
    /// Print only these events [default: all]
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', help_heading = OUTPUT)]
    events: Vec<EventArg>,
    /// Print events as JSON Lines
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
}

/// Kind of event.
#[derive(Clone, Copy, Debug)]
struct EventArg(WatchEvent);

impl ValueEnum for EventArg {
    fn value_variants<'a>() -> &'a [EventArg] {
        const ALL: [EventArg; WatchEvent::ALL.len()] = {
            let mut all = [EventArg(WatchEvent::ALL[0]); WatchEvent::ALL.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = EventArg(WatchEvent::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.word()))
    }
}

/// Runs the command; `reload` reads the configuration again.
pub fn run(args: WatchArgs, session: &Session, reload: &dyn Fn() -> Result<Settings>) -> Result<ExitStatus> {
    let options = watch::WatchOptions {
        jobs: args.jobs,
        format: values::output_form(args.json),
        events: args.events.into_iter().map(|EventArg(event)| event).collect(),
    };
    watch::run(session, &options, reload)
}
