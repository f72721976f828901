//! The quick way through the usual calls of `enqueue` and `sendmail`: building clap's parser takes longer than all else
//! that a submission does in this process.
//!
//! A call is taken only if every argument has one of the plain forms in [`OPTIONS`], each option at most once and with
//! a value that its parser accepts. Everything else is left to clap, so that all errors and all help are clap's.
//! The tests compare both.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::enqueue::EnqueueArgs;
use crate::cli::global::GlobalArgs;
use crate::cli::values;

/// Command that options of the table belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OptionScope {
    /// Every command; also before its name.
    Global,
    /// `enqueue`, after its name.
    Enqueue,
}

/// What an option does with the argument after it, and with its own field.
#[derive(Clone, Copy)]
enum OptionKind {
    /// Switches a field on. `None` if it is on already.
    Switch(fn(&mut QuickArgs) -> Option<()>),
    /// Takes the next argument, or the text after `=`. `None` if the value is one for clap.
    Value(fn(&mut QuickArgs, &str) -> Option<()>),
}

/// Option of the quick way.
struct QuickOption {
    short: Option<char>,
    long: &'static str,
    scope: OptionScope,
    kind: OptionKind,
}

/// Options that were given.
#[derive(Debug, Default)]
struct QuickArgs {
    global: GlobalArgs,
    enqueue: EnqueueArgs,
}

/// All options of the quick way.
const OPTIONS: [QuickOption; 6] = [
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

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use clap::{ArgAction, Parser};
    use proptest::prelude::*;

    use super::*;
    use crate::cli::{GlobalArgsOnly, MspoolArgs, MspoolCommand, command};

    /// Returns what clap makes of a call of `enqueue`, as text; `None` for another command or an error.
    fn by_clap(args: &[OsString]) -> Option<String> {
        let parsed = MspoolArgs::<MspoolCommand>::try_parse_from(args).ok()?;
        match parsed.command {
            MspoolCommand::Enqueue(enqueue) => Some(format!("{:?}", (parsed.global, *enqueue))),
            _ => None,
        }
    }

    fn quickly(args: &[OsString]) -> Option<String> {
        recognize_enqueue(args).map(|found| format!("{found:?}"))
    }

    fn line(text: &str) -> Vec<OsString> {
        text.split(' ').map(|word| OsString::from(word.trim_matches('\''))).collect()
    }

    #[test]
    fn usual_calls_are_taken() {
        let calls = [
            "mspool enqueue bob@x",
            "mspool enqueue -f joe@x bob@x eve@x",
            "mspool enqueue -f '' -- bob@x",
            "mspool enqueue -q --to bob@x --to=eve@x --from joe@x",
            "mspool --spool /s --config=/c enqueue -t",
            "mspool enqueue bob@x --read-recipients --quiet --spool /s",
            "mspool enqueue FAX:+49301234 -f <>",
            "mspool enqueue",
        ];
        for call in calls {
            let args = line(call);
            assert!(quickly(&args).is_some(), "{call}");
            assert_eq!(quickly(&args), by_clap(&args), "{call}");
        }
    }

    #[test]
    fn other_calls_are_left_to_clap() {
        let calls = [
            "mspool",
            "mspool flush",
            "mspool -f joe@x enqueue bob@x",
            "mspool enqueue -f",
            "mspool enqueue -f joe@x -f eve@x bob@x",
            "mspool enqueue -t -t",
            "mspool enqueue -tq",
            "mspool enqueue -fjoe@x bob@x",
            "mspool enqueue --spool= bob@x",
            "mspool enqueue --spool '' bob@x",
            "mspool enqueue --quiet=yes bob@x",
            "mspool enqueue --now bob@x",
            "mspool enqueue --help",
            "mspool enqueue bob@x,eve@x",
            "mspool enqueue -- -x@x",
            "mspool enqueue - bob@x",
            "mspool -- enqueue bob@x",
        ];
        for call in calls {
            assert_eq!(quickly(&line(call)), None, "{call}");
        }
        let not_text = OsString::from_vec(b"b\xffb@x".to_vec());
        assert_eq!(quickly(&["mspool".into(), "enqueue".into(), not_text]), None);
    }

    #[test]
    fn every_option_is_one_of_clap_with_the_same_arity() {
        let root = command();
        let enqueue = root.find_subcommand("enqueue").unwrap();
        for option in OPTIONS {
            let of_clap = |command: &clap::Command| {
                command.get_arguments().find(|arg| arg.get_long() == Some(option.long)).cloned()
            };
            let arg = of_clap(enqueue).unwrap_or_else(|| panic!("--{} is no option of enqueue", option.long));
            assert_eq!(arg.get_short(), option.short, "--{}", option.long);
            assert_eq!(of_clap(&root).is_some(), option.scope == OptionScope::Global, "--{}", option.long);
            let takes_one = arg.get_num_args().is_some_and(|range| (range.min_values(), range.max_values()) == (1, 1));
            match option.kind {
                OptionKind::Switch(_) => assert!(matches!(arg.get_action(), ArgAction::SetTrue), "--{}", option.long),
                OptionKind::Value(_) => assert!(takes_one && !arg.is_require_equals_set(), "--{}", option.long),
            }
        }
    }

    /// Words of calls: plain ones, and ones that are nearly so.
    fn word() -> impl Strategy<Value = String> {
        let fixed = [
            "enqueue",
            "enqueue",
            "-f",
            "-f",
            "--from",
            "--from=joe@x",
            "--to",
            "--to=bob@x",
            "-t",
            "--read-recipients",
            "-q",
            "--quiet",
            "-v",
            "--spool",
            "--spool=/s",
            "--config",
            "/c",
            "--",
            "bob@x",
            "eve@x",
            "joe@x",
            "FAX:+49301234",
            "<>",
            "",
            "-",
            "a=b@x",
            "help",
            "sendmail",
            "flush",
            "-x",
            "-ft",
            "--now",
            "--json",
            "--wait",
            "--help",
            "-V",
            "fax:1",
            "--from=",
            "--fro",
            "-f=x",
            "--quiet=1",
            "bob@x,eve@x",
            "no address @",
            "\u{e4}@x",
        ];
        prop_oneof![20 => proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned), 1 => "[-=a-z@<>:, ]{0,8}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_taken_is_what_clap_gives(
            before in proptest::collection::vec(word(), 0..3),
            after in proptest::collection::vec(word(), 0..7),
        ) {
            let words = ["mspool".to_owned()].into_iter().chain(before).chain(["enqueue".to_owned()]).chain(after);
            let args: Vec<OsString> = words.map(OsString::from).collect();
            if let Some(found) = quickly(&args) {
                prop_assert_eq!(Some(found), by_clap(&args));
            }
        }

        #[test]
        fn options_before_a_command_are_what_clap_gives(words in proptest::collection::vec(word(), 0..4)) {
            let args: Vec<OsString> = words.iter().map(OsString::from).collect();
            if let Some(found) = recognize_global(&args) {
                let all: Vec<OsString> = [OsString::from("mspool")].into_iter().chain(args).collect();
                let parsed = GlobalArgsOnly::try_parse_from(&all).map(|parsed| format!("{:?}", parsed.global));
                prop_assert_eq!(Some(format!("{found:?}")), parsed.ok());
            }
        }
    }
}
