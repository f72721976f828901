//! Arguments of `init`.

use std::path::Path;

use anyhow::Result;

use crate::commands::init;
use crate::commands::init::relay::{self, RelayOptions};
use crate::exit::ExitStatus;
use crate::settings::Settings;

use crate::cli::help::OUTPUT;
use crate::cli::values;

const EXAMPLES: &str = "\
Examples:
  Write ~/.config/mspool/config.toml (as root: /etc/mspool/config.toml):
    mspool init
  Write another file:
    mspool --config ./mspool.toml init
  Send all mail through a relay, and try it:
    mspool init --relay smtps://smtp.example.org --user joe --from joe@example.org";

/// Write a commented configuration file, or one for a relay
///
/// Prints its path. An existing file is never changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// Configure this relay, and connect to it: smtps://HOST, or smtp://HOST with STARTTLS
    #[arg(long, value_name = "URL")]
    relay: Option<String>,
    /// User name at the relay; the password is asked for, or read from standard input
    #[arg(long, value_name = "NAME", requires = "relay")]
    user: Option<String>,
    /// Envelope sender of messages that name none
    #[arg(long, value_name = "ADDR", requires = "relay")]
    from: Option<String>,
    /// Print JSON
    #[arg(long, conflicts_with = "relay", help_heading = OUTPUT)]
    json: bool,
}

/// Writes the configuration to `path`. `load` reads it.
pub fn run(args: &InitArgs, path: &Path, load: &dyn Fn() -> Result<Settings>) -> Result<ExitStatus> {
    match &args.relay {
        None => init::run(path, values::output_form(args.json)),
        Some(url) => {
            let options = RelayOptions { url: url.clone(), user: args.user.clone(), from: args.from.clone() };
            relay::run(path, &options, load)
        }
    }
}
