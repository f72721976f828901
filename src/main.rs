//! Parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    mspool::cli::main(std::env::args_os())
}
