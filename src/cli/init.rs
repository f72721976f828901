//! Arguments of `init`.

use std::path::Path;

use anyhow::Result;

use crate::commands::init;
use crate::exit::ExitStatus;

use crate::cli::help::OUTPUT;
use crate::cli::values;

const EXAMPLES: &str = "\
Examples:
  Write ~/.config/mspool/config.toml (as root: /etc/mspool/config.toml):
    mspool init
  Write another file:
    mspool --config ./mspool.toml init";

/// Write a commented configuration file
///
/// Prints its path. An existing file is never changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// Print JSON
    #[arg(long, help_heading = OUTPUT)]
    json: bool,
}

/// Writes the configuration to `path`.
pub fn run(args: &InitArgs, path: &Path) -> Result<ExitStatus> {
    init::run(path, values::output_form(args.json))
}
