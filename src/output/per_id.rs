//! Operations on several ids. Each result is printed, and an id that fails does not stop the others.

use std::io::Write;

use anyhow::Result;

use crate::exit::{ExitStatus, combine};
use crate::output::mode::Verbosity;
use crate::output::print;

/// Exit status of the operation on one id, and the line to print, which names the id.
pub type Answer = (ExitStatus, String);

/// Runs `operation` for each id, as the user wrote it, and prints the results. Returns the combined exit status.
///
/// # Errors
/// The error of `operation` if there is only one id; an error of standard output.
pub fn for_each_id(
    ids: &[String],
    verbosity: Verbosity,
    operation: &mut dyn FnMut(&str) -> Result<Answer>,
) -> Result<ExitStatus> {
    let mut ends = Vec::new();
    let mut out = print::stdout();
    for text in ids {
        let (exit, words) = match operation(text) {
            Ok(answer) => answer,
            Err(error) if ids.len() == 1 => return Err(error),
            Err(error) => (ExitStatus::Io, format!("{text}: {error:#}")),
        };
        if exit != ExitStatus::Ok {
            print::error(&words);
        } else if verbosity > Verbosity::Quiet {
            print::line(&mut out, &words)?;
        }
        ends.push(exit);
    }
    out.flush()?;
    Ok(combine(&ends))
}
