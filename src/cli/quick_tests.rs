//! Tests of the quick way: it gives what clap gives, and knows no option that clap does not have.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use clap::{ArgAction, Parser};
use proptest::prelude::*;

use crate::cli::quick::{OPTIONS, OptionKind, OptionScope, recognize_enqueue, recognize_global};
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
        let of_clap =
            |command: &clap::Command| command.get_arguments().find(|arg| arg.get_long() == Some(option.long)).cloned();
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
