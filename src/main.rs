//! Parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    mspool::door::cli::main(std::env::args_os())
}
