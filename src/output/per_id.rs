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
/// The error of `operation` if there is only one id. What cannot be printed is said on standard error, and changes no exit
/// status: the operations were done.
pub fn for_each_id(
    ids: &[String],
    verbosity: Verbosity,
    operation: &mut dyn FnMut(&str) -> Result<Answer>,
) -> Result<ExitStatus> {
    let mut ends = Vec::new();
    let mut out = print::stdout();
    let mut printed = Ok(());
    for text in ids {
        let (exit, words) = match operation(text) {
            Ok(answer) => answer,
            Err(error) if ids.len() == 1 => return Err(error),
            Err(error) => (ExitStatus::Io, format!("{text}: {error:#}")),
        };
        if exit != ExitStatus::Ok {
            print::error(&words);
        } else if verbosity > Verbosity::Quiet && printed.is_ok() {
            printed = print::line(&mut out, &words);
        }
        ends.push(exit);
    }
    if let Err(error) = printed.and_then(|()| Ok(out.flush()?)) {
        print::error(&format!("{error:#}; the exit status says whether the operations were done"));
    }
    Ok(combine(&ends))
}
