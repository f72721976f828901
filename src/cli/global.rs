//! Options that every command takes.

use std::path::PathBuf;

use clap::ArgAction;

use crate::cli::help::GLOBAL_OPTIONS;

/// Options before or after every command.
#[derive(Debug, Default, clap::Args)]
pub(super) struct GlobalArgs {
    /// Spool directory
    ///
    /// Default: $MSPOOL_SPOOL, else "spool" of the configuration, else ~/.local/state/mspool, or /var/spool/mspool
    /// for root.
    #[arg(long, value_name = "DIR", global = true, help_heading = GLOBAL_OPTIONS)]
    pub(super) spool: Option<PathBuf>,
    /// Configuration file
    ///
    /// Default: $MSPOOL_CONFIG, else ~/.config/mspool/config.toml (not for root), else /etc/mspool/config.toml.
    #[arg(long, value_name = "FILE", global = true, help_heading = GLOBAL_OPTIONS)]
    pub(super) config: Option<PathBuf>,
    /// Use no network: only deliver to Maildirs
    #[arg(long, global = true, help_heading = GLOBAL_OPTIONS)]
    pub(super) offline: bool,
    /// Print errors and requested output only
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = GLOBAL_OPTIONS)]
    pub(super) quiet: bool,
    /// Print every result
    #[arg(short, long, global = true, help_heading = GLOBAL_OPTIONS)]
    pub(super) verbose: bool,
    /// Print help: a summary with -h, all details with --help
    #[arg(short = 'h', long, action = ArgAction::Help, global = true, help_heading = GLOBAL_OPTIONS)]
    help: Option<bool>,
}
