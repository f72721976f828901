//! Operations on several ids. Each result is printed, and an id that fails does not stop the others.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::exit::{ExitStatus, combine};
use crate::mail::envelope::id::QueueId;
use crate::output::mode::{OutputFormat, Verbosity};
use crate::output::print;
use crate::values::quoting::quoted;

/// Result of the operation on one id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Exit status for this id.
    pub exit: ExitStatus,
    /// Words that follow the id.
    pub text: String,
    /// State of the message after the operation, for JSON; `None` if it is unknown.
    pub state: Option<&'static str>,
}

impl Answer {
    /// Makes an answer without a state.
    pub fn new(exit: ExitStatus, text: impl Into<String>) -> Answer {
        Answer { exit, text: text.into(), state: None }
    }
}

#[derive(Serialize)]
struct AnswerLine<'a> {
    id: &'a str,
    ok: bool,
    state: Option<&'a str>,
    text: &'a str,
}

/// Amount and format of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerIdOutput {
    /// Amount of text; JSON is always complete.
    pub verbosity: Verbosity,
    /// Text, or one JSON object per id.
    pub format: OutputFormat,
}

/// Runs `operation` for each id, as the user wrote it, and prints the results. Returns the combined exit status.
///
/// # Errors
/// The error of `operation` if there is only one id. What cannot be printed is said on standard error, and changes no exit
/// status: the operations were done.
pub fn for_each_id(
    ids: &[String],
    output: PerIdOutput,
    operation: &mut dyn FnMut(&str) -> Result<Answer>,
) -> Result<ExitStatus> {
    let mut ends = Vec::new();
    let mut out = print::stdout();
    let mut printed = Ok(());
    for id in ids {
        let answer = match operation(id) {
            Ok(answer) => answer,
            Err(error) if ids.len() == 1 => {
                if output.format == OutputFormat::Json {
                    let line = AnswerLine { id, ok: false, state: None, text: &format!("{error:#}") };
                    print::json(&mut out, &line)?;
                }
                return Err(error);
            }
            Err(error) => Answer::new(ExitStatus::Io, format!("{error:#}")),
        };
        let is_ok = answer.exit == ExitStatus::Ok;
        match output.format {
            OutputFormat::Json if printed.is_ok() => {
                let line = AnswerLine { id, ok: is_ok, state: answer.state, text: &answer.text };
                printed = print::json(&mut out, &line);
            }
            OutputFormat::Text if !is_ok && QueueId::parse(id).is_err() => {
                print::error(&format!("{}: {}", quoted(id), answer.text));
            }
            OutputFormat::Text if !is_ok => print::error(&format!("{id}: {}", answer.text)),
            OutputFormat::Text if output.verbosity > Verbosity::Quiet && printed.is_ok() => {
                printed = print::line(&mut out, &format!("{id}: {}", answer.text));
            }
            OutputFormat::Json | OutputFormat::Text => {}
        }
        ends.push(answer.exit);
    }
    if let Err(error) = printed.and_then(|()| Ok(out.flush()?)) {
        print::error(&format!("{error:#}; the exit status says whether the operations were done"));
    }
    Ok(combine(&ends))
}
