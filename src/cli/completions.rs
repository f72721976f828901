//! Arguments of `completions`.

use anyhow::Result;
use clap::ValueEnum;

use crate::exit::ExitStatus;
use crate::output::print;

const EXAMPLES: &str = "\
Examples:
  Complete mspool in this bash:
    source <(mspool completions bash)
  Write the completions for zsh to a file of its search path:
    mspool completions zsh > ~/.zfunc/_mspool";

/// Print shell completions
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "mspool completions SHELL")]
pub struct CompletionsArgs {
    /// Shell to complete in
    shell: ShellArg,
}

/// Shells with completions.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShellArg {
    /// bash(1)
    Bash,
    /// zsh(1)
    Zsh,
    /// fish(1)
    Fish,
}

/// Prints the completions of the source tree.
pub fn run(args: &CompletionsArgs) -> Result<ExitStatus> {
    print::text(match args.shell {
        ShellArg::Bash => include_str!("../../completions/mspool.bash"),
        ShellArg::Zsh => include_str!("../../completions/_mspool"),
        ShellArg::Fish => include_str!("../../completions/mspool.fish"),
    })?;
    Ok(ExitStatus::Ok)
}
