//! Usage errors: one line that names the argument, the reason, the remedy, and the help of the command.

use std::error::Error as _;
use std::ffi::OsString;

use anyhow::Result;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::output::print;

use crate::cli::hints;
use crate::cli::values::ValueError;
use crate::values::quoting::quoted;

/// Refuses a call of `mspool COMMAND` for a reason that the parser cannot know.
pub fn refuse_usage<T>(command: &str, reason: &str) -> Result<T> {
    refuse(RefusalKind::Usage, with_help(reason, &[command.to_owned()]))
}

/// Prints help, the version or a usage error, and returns the exit status.
///
/// `root` is the built parser; `args` are the arguments, the program's name first.
pub fn report(error: &clap::Error, root: impl FnOnce() -> clap::Command, args: &[OsString]) -> ExitStatus {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader that has seen enough is no error.
        let _ = error.print();
        return ExitStatus::Ok;
    }
    let root = root();
    let unknown = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(text))) => Some(text.as_str()),
        _ => None,
    };
    let path = command_path(&root, args, unknown);
    let failure = ParseFailure { error, args, root: &root, path: &path, command: subcommand_at(&root, &path) };
    let is_empty = failure.first(ContextKind::InvalidValue).is_empty();
    if let Some(value) = failure.refused_value().filter(|value| value.exit == ExitStatus::Data || !is_empty) {
        let mut message = format!("{} {}", failure.argument_and_value(), value.reason);
        if value.exit == ExitStatus::Data
            && path.first().is_some_and(|command| command == "enqueue" || command == "resend")
        {
            message.push_str("; nothing was queued");
        }
        print::error(&if value.exit == ExitStatus::Usage { with_help(&message, &path) } else { message });
        return value.exit;
    }
    print::error(&with_help(&failure.reason(), &path));
    ExitStatus::Usage
}

fn with_help(reason: &str, path: &[String]) -> String {
    let words: Vec<&str> = std::iter::once("mspool").chain(path.iter().map(String::as_str)).collect();
    format!("{reason}; see \"{} --help\"", words.join(" "))
}

/// Error of the parser with what is needed to explain it.
struct ParseFailure<'a> {
    error: &'a clap::Error,
    args: &'a [OsString],
    root: &'a clap::Command,
    path: &'a [String],
    command: &'a clap::Command,
}

impl ParseFailure<'_> {
    fn refused_value(&self) -> Option<&ValueError> {
        self.error.source()?.downcast_ref()
    }

    fn reason(&self) -> String {
        match self.error.kind() {
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
                "no command given: use \"mspool enqueue\", \"mspool flush\" or \"mspool report\", for example"
                    .to_owned()
            }
            ErrorKind::InvalidSubcommand => self.unknown_command(&self.first(ContextKind::InvalidSubcommand)),
            ErrorKind::UnknownArgument => self.unknown_argument(),
            ErrorKind::ArgumentConflict => self.conflict(),
            ErrorKind::MissingRequiredArgument => self.missing(),
            ErrorKind::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
            ErrorKind::TooManyValues | ErrorKind::WrongNumberOfValues => {
                format!("{} takes no value", self.argument())
            }
            ErrorKind::InvalidValue | ErrorKind::ValueValidation
                if self.first(ContextKind::InvalidValue).is_empty() =>
            {
                self.no_value()
            }
            ErrorKind::TooFewValues | ErrorKind::NoEquals => self.no_value(),
            ErrorKind::InvalidValue => {
                let known = self.all(ContextKind::ValidValue);
                format!("{} is unknown: give {}", self.argument_and_value(), listed(&known, "or"))
            }
            _ => format!("{} is not valid", self.argument_and_value()),
        }
    }

    fn unknown_command(&self, text: &str) -> String {
        let known = self.root.get_subcommands().map(clap::Command::get_name);
        match hints::command(text, known) {
            Some(hint) => format!("unknown command {}: use \"{hint}\"", quoted(text)),
            None => format!("unknown command {}", quoted(text)),
        }
    }

    fn unknown_argument(&self) -> String {
        let text = self.first(ContextKind::InvalidArg);
        if !text.starts_with('-') {
            return match self.path {
                [] => self.unknown_command(&text),
                _ => format!("unexpected argument {}", quoted(&text)),
            };
        }
        let long =
            |command: &clap::Command, name: &str| command.get_arguments().any(|arg| arg.get_long() == Some(name));
        // `-force` is read as `-f orce`, or as unknown letters.
        let whole = self.args.iter().filter_map(|arg| arg.to_str()).find(|arg| {
            !arg.starts_with("--") && arg.starts_with(&text) && long(self.command, arg.trim_start_matches('-'))
        });
        if let Some(whole) = whole {
            return format!("unknown option {}: use -{whole}", quoted(whole));
        }
        let name = text.trim_start_matches('-');
        let known = self.command.get_arguments().filter_map(clap::Arg::get_long);
        if let Some(near) = hints::nearest(name, known) {
            return format!("unknown option {}: use --{near}", quoted(&text));
        }
        let owner = self.root.get_subcommands().find(|command| text.starts_with("--") && long(command, name));
        match owner {
            Some(owner) if self.path.is_empty() => {
                format!("option {text} follows its command: use \"mspool {} {text}\"", owner.get_name())
            }
            Some(owner) => format!("{text} is an option of \"mspool {}\" only", owner.get_name()),
            None => format!("unknown option {}", quoted(&text)),
        }
    }

    fn conflict(&self) -> String {
        let others: Vec<String> = self.all(ContextKind::PriorArg).iter().map(|arg| self.name_of(arg)).collect();
        let subcommand = self.first(ContextKind::InvalidSubcommand);
        let argument = if subcommand.is_empty() { self.argument() } else { subcommand };
        match others.as_slice() {
            [] => format!("{argument} cannot be used with other arguments"),
            [other] if *other == argument => format!("{argument} is given more than once"),
            _ => format!("{argument} cannot be used with {}", listed(&others, "or")),
        }
    }

    fn missing(&self) -> String {
        let missing = self.all(ContextKind::InvalidArg);
        match missing.iter().map(|arg| self.name_of(arg)).collect::<Vec<_>>().as_slice() {
            // Arguments that need an option: the parser names only that option.
            [one] if one == "--pause" => "--for and --reason need --pause NAME".to_owned(),
            [one] if one == "--poll" => "NAME and --limit need --poll; a mailbox is given with --to".to_owned(),
            _ => {
                let plain: Vec<String> = missing.iter().map(|arg| without_brackets(arg)).collect();
                format!("missing argument{}: {}", if plain.len() == 1 { "" } else { "s" }, listed(&plain, "and"))
            }
        }
    }

    fn no_value(&self) -> String {
        format!("{} needs a value: {}", self.argument(), without_brackets(&self.first(ContextKind::InvalidArg)))
    }

    /// The argument and its value, as the beginning of a sentence.
    fn argument_and_value(&self) -> String {
        format!("{} {}", self.argument(), quoted(&self.first(ContextKind::InvalidValue)))
    }

    fn argument(&self) -> String {
        self.name_of(&self.first(ContextKind::InvalidArg))
    }

    /// Returns the name for a sentence of what the parser calls `--to <[TYPE:]ADDR>` or `[ADDR]...`.
    fn name_of(&self, arg: &str) -> String {
        if arg.starts_with('-') {
            return arg.split([' ', '=', '[']).next().unwrap_or(arg).to_owned();
        }
        match without_brackets(arg).as_str() {
            "ADDR" => "recipient".to_owned(),
            "ID|FILE|-" => "ID".to_owned(),
            plain => plain.to_owned(),
        }
    }

    fn first(&self, kind: ContextKind) -> String {
        self.all(kind).into_iter().next().unwrap_or_default()
    }

    fn all(&self, kind: ContextKind) -> Vec<String> {
        match self.error.get(kind) {
            Some(ContextValue::String(text)) => vec![text.clone()],
            Some(ContextValue::Strings(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }
}

/// Returns `--rcpt ADDR` for `--rcpt <ADDR>`, and `ID` for `<ID>...`.
fn without_brackets(arg: &str) -> String {
    let arg = arg.trim_end_matches("...");
    let (option, value) = match arg.find(['<', '[']) {
        Some(at) if arg.starts_with('-') => arg.split_at(at),
        _ => ("", arg),
    };
    let optional =
        value.strip_prefix("[=<").and_then(|value| value.strip_suffix(">]")).map(|value| format!("={value}"));
    let bare =
        [('<', '>'), ('[', ']')].iter().find_map(|(open, close)| value.strip_prefix(*open)?.strip_suffix(*close));
    format!("{option}{}", optional.as_deref().or(bare).unwrap_or(value))
}

/// Returns the words as a list in a sentence: `a, b or c`.
fn listed(words: &[String], conjunction: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {conjunction} {last}", first.join(", ")),
    }
}

fn subcommand_at<'a>(root: &'a clap::Command, path: &[String]) -> &'a clap::Command {
    path.iter().fold(root, |command, name| command.find_subcommand(name).unwrap_or(command))
}

/// Returns the commands that the arguments name before an unknown option: `["report", "log"]`.
fn command_path(root: &clap::Command, args: &[OsString], unknown: Option<&str>) -> Vec<String> {
    let mut path = Vec::new();
    let mut command = root;
    let mut words = args.iter().skip(1).map(|arg| arg.to_str().unwrap_or(""));
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        if word.starts_with('-') {
            let is_unknown = unknown == word.split('=').next();
            if is_unknown && !command.get_arguments().any(|arg| arg.get_long() == word.strip_prefix("--")) {
                break;
            }
            let takes_next = command.get_arguments().any(|arg| {
                let named = arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long))
                    || arg.get_short().is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str()));
                named && arg.get_action().takes_values() && !arg.is_require_equals_set()
            });
            if takes_next {
                words.next();
            }
            continue;
        }
        match command.find_subcommand(word) {
            Some(found) if word != "help" => {
                path.push(found.get_name().to_owned());
                command = found;
            }
            _ => break,
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_of_the_parser_are_removed() {
        for (arg, plain) in [
            ("<ID>...", "ID"),
            ("[ADDR]...", "ADDR"),
            ("--rcpt <ADDR>", "--rcpt ADDR"),
            ("--to <[TYPE:]ADDR>", "--to [TYPE:]ADDR"),
            ("--wait[=<SECS>]", "--wait=SECS"),
            ("--json", "--json"),
        ] {
            assert_eq!(without_brackets(arg), plain);
        }
    }
}
