//! Going over several ids: what came of each is printed, and one that fails stops nothing.

use std::io::Write;

use anyhow::Result;

use crate::exit::{ExitStatus, combine};
use crate::output::mode::Verbosity;
use crate::output::print;

/// What came of one id, and the words for it.
pub type Answer = (ExitStatus, String);

/// Does something for each id. `operation` is given the id as it was written, and answers with words that name it. Its
/// error ends the command where there is just one id.
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
