//! The quick way through the usual calls of `enqueue` and `sendmail`: building clap's parser takes longer than all else
//! that a submission does in this process.
//!
//! A call is taken only if every argument has one of the plain forms in [`OPTIONS`], each option at most once and with
//! a value that its parser accepts. Everything else is left to clap, so that all errors and all help are clap's.
//! `quick_tests` compares both.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::enqueue::EnqueueArgs;
use crate::cli::global::GlobalArgs;
use crate::cli::values;

/// Command that options of the table belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OptionScope {
    /// Every command; also before its name.
    Global,
    /// `enqueue`, after its name.
    Enqueue,
}

/// What an option does with the argument after it, and with its own field.
#[derive(Clone, Copy)]
pub(super) enum OptionKind {
    /// Switches a field on. `None` if it is on already.
    Switch(fn(&mut QuickArgs) -> Option<()>),
    /// Takes the next argument, or the text after `=`. `None` if the value is one for clap.
    Value(fn(&mut QuickArgs, &str) -> Option<()>),
}

/// Option of the quick way.
pub(super) struct QuickOption {
    pub(super) short: Option<char>,
    pub(super) long: &'static str,
    pub(super) scope: OptionScope,
    pub(super) kind: OptionKind,
}

/// Options that were given.
#[derive(Debug, Default)]
pub(super) struct QuickArgs {
    global: GlobalArgs,
    enqueue: EnqueueArgs,
}

/// All options of the quick way.
pub(super) const OPTIONS: [QuickOption; 6] = [
    QuickOption {
        short: None,
        long: "spool",
        scope: OptionScope::Global,
        kind: OptionKind::Value(|args, text| set_once(&mut args.global.spool, path(text)?)),
    },
    QuickOption {
        short: None,
        long: "config",
        scope: OptionScope::Global,
        kind: OptionKind::Value(|args, text| set_once(&mut args.global.config, path(text)?)),
    },
    QuickOption {
        short: Some('q'),
        long: "quiet",
        scope: OptionScope::Global,
        kind: OptionKind::Switch(|args| switch_on(&mut args.global.quiet)),
    },
    QuickOption {
        short: None,
        long: "to",
        scope: OptionScope::Enqueue,
        kind: OptionKind::Value(|args, text| {
            args.enqueue.to.push(values::recipient(text).ok()?);
            Some(())
        }),
    },
    QuickOption {
        short: Some('f'),
        long: "from",
        scope: OptionScope::Enqueue,
        kind: OptionKind::Value(|args, text| set_once(&mut args.enqueue.sender, values::sender(text).ok()?)),
    },
    QuickOption {
        short: Some('t'),
        long: "read-recipients",
        scope: OptionScope::Enqueue,
        kind: OptionKind::Switch(|args| switch_on(&mut args.enqueue.header)),
    },
];

/// Recognizes a usual call of `enqueue`, with the name of the program first.
pub(super) fn recognize_enqueue(args: &[OsString]) -> Option<(GlobalArgs, EnqueueArgs)> {
    let mut words = args.iter().skip(1).map(|word| word.to_str());
    let mut given = QuickArgs::default();
    let mut scope = OptionScope::Global;
    while let Some(word) = words.next() {
        let word = word?;
        if word == "--" && scope == OptionScope::Enqueue {
            for word in words.by_ref() {
                given.recipient(word?)?;
            }
        } else if word.starts_with('-') {
            given.option(word, scope, || words.next().flatten())?;
        } else if scope == OptionScope::Enqueue {
            given.recipient(word)?;
        } else if word == "enqueue" {
            scope = OptionScope::Enqueue;
        } else {
            return None;
        }
    }
    (scope == OptionScope::Enqueue).then_some((given.global, given.enqueue))
}

/// Recognizes options that precede a command. There may be none.
pub(super) fn recognize_global(args: &[OsString]) -> Option<GlobalArgs> {
    let mut words = args.iter().map(|word| word.to_str());
    let mut given = QuickArgs::default();
    while let Some(word) = words.next() {
        given.option(word?, OptionScope::Global, || words.next().flatten())?;
    }
    Some(given.global)
}

impl QuickArgs {
    /// Takes an option; `next` returns the argument after it.
    fn option<'a>(&mut self, word: &'a str, scope: OptionScope, next: impl FnOnce() -> Option<&'a str>) -> Option<()> {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") && !value.is_empty() => (name, Some(value)),
            Some(_) => return None,
            None => (word, None),
        };
        let is_called = |option: &&QuickOption| match name.strip_prefix("--") {
            Some(long) => long == option.long,
            None => {
                option.short.is_some_and(|short| name.strip_prefix('-').is_some_and(|name| name.chars().eq([short])))
            }
        };
        let option = OPTIONS.iter().find(is_called)?;
        if option.scope == OptionScope::Enqueue && scope == OptionScope::Global {
            return None;
        }
        match (option.kind, attached) {
            (OptionKind::Switch(set), None) => set(self),
            (OptionKind::Value(set), Some(value)) => set(self, value),
            (OptionKind::Value(set), None) => set(self, next().filter(|value| !value.starts_with('-'))?),
            (OptionKind::Switch(_), Some(_)) => None,
        }
    }

    fn recipient(&mut self, word: &str) -> Option<()> {
        let plain = Some(word).filter(|word| !word.starts_with('-'))?;
        self.enqueue.recipients.push(values::recipient(plain).ok()?);
        Some(())
    }
}

/// Returns a path that is not empty.
fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

fn set_once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

fn switch_on(field: &mut bool) -> Option<()> {
    (!std::mem::replace(field, true)).then_some(())
}
