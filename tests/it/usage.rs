//! Help and usage errors: what a user reads who does not know the command line, or mistypes it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::world::{MAIL, World};

/// Words that have no place in help texts.
const OUTDATED_WORDS: [&str; 10] =
    ["nobody", "whoever", "whom", "anew", "whatever", "somebody", "verb", "verbs", "thereby", "hereby"];

/// Every command of the parser as the words that call it: `[]`, `["flush"]`, `["report", "log"]`.
fn commands() -> Vec<(Vec<String>, clap::Command)> {
    let mut found = Vec::new();
    let mut stack = vec![(Vec::new(), mspool::cli::command())];
    while let Some((words, command)) = stack.pop() {
        for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
            let words = words.iter().cloned().chain([child.get_name().to_owned()]).collect();
            stack.push((words, child.clone()));
        }
        found.push((words, command));
    }
    found
}

/// The help of every command, short and long, at this width. `mspool help COMMAND` for those that read `--help` as
/// sendmail(1) does.
fn helps(world: &World, columns: &str) -> Vec<(String, String)> {
    let mut helps = Vec::new();
    for (words, _) in commands() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let is_foreign = matches!(words.as_slice(), ["sendmail" | "mailq"]);
        for option in ["-h", "--help"] {
            let args = if is_foreign { [&["help"], &words[..]].concat() } else { [&words[..], &[option]].concat() };
            helps.push((args.join(" "), world.mspool(&args).env("COLUMNS", columns).run().ok()));
        }
    }
    helps
}

#[test]
fn help_fits_its_terminal() {
    let world = World::new();
    for columns in [40, 80] {
        for (name, text) in helps(&world, &columns.to_string()) {
            for line in text.lines() {
                assert!(line.chars().count() <= columns, "{name} at {columns} columns: {line}");
            }
        }
    }
}

#[test]
fn help_has_plain_words_and_its_sections() {
    let world = World::new();
    for (name, text) in helps(&world, "80") {
        let words: BTreeSet<String> = text.split(|c: char| !c.is_alphabetic()).map(str::to_lowercase).collect();
        for word in OUTDATED_WORDS {
            assert!(!words.contains(word), "{name}: {word}");
        }
        assert!(text.contains("\nGlobal options:\n"), "{name}");
        let examples = text.find("\nExamples:\n").unwrap_or_else(|| panic!("{name}: no examples"));
        assert!(examples > text.find("\nGlobal options:\n").unwrap(), "{name}: the examples stand last");
    }
    let long = |args: &[&str]| world.mspool(args).env("COLUMNS", "80").run().ok();
    assert!(long(&["enqueue", "--help"]).contains("  TIME is one of\n"));
    assert!(long(&["flush", "--help"]).contains("  SPAN is a number and a unit: 90s, 15m"));
    for heading in ["Recipients and sender:", "When to deliver:", "Reports:", "After delivery:", "Output:"] {
        assert!(long(&["enqueue", "--help"]).contains(&format!("\n{heading}\n")), "{heading}");
    }
    assert!(long(&["enqueue", "-h"]).len() < long(&["enqueue", "--help"]).len());
}

/// The command lines of an Examples section: what follows `mspool` or `sendmail` up to a redirection.
fn examples(text: &str) -> Vec<Vec<String>> {
    let section = text.split("Examples:\n").nth(1).unwrap_or("");
    let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
    lines
        .map(|line| {
            let start = line.find("mspool ").or_else(|| line.find("sendmail ")).unwrap_or_else(|| panic!("{line}"));
            let end = line.find([')', '>']).filter(|end| *end > start).unwrap_or(line.len());
            let command = line[start..end].split(" < ").next().unwrap();
            command.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect()
        })
        .collect()
}

#[test]
fn the_examples_of_every_help_are_accepted() {
    for (words, command) in commands() {
        let text = command.get_after_help().unwrap_or_else(|| panic!("{words:?} has no examples")).to_string();
        let found = examples(&text);
        assert!((1..=5).contains(&found.len()), "{words:?}: {found:?}");
        let own = found.iter().filter(|line| {
            let plain: Vec<&String> = line[1..].iter().skip_while(|word| word.starts_with('-')).collect();
            words.iter().all(|word| plain.contains(&word))
        });
        assert!(own.count() > 0, "{words:?}: {found:?}");
        for line in found {
            if let ["mspool", "sendmail", flags @ ..] = line.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                accepted_by_sendmail(flags);
            } else {
                let parsed = mspool::cli::command().try_get_matches_from(&line);
                assert!(parsed.is_ok(), "{line:?}: {}", parsed.unwrap_err());
            }
        }
    }
    for line in examples(&mspool::cli::sendmail::flags::help_text()) {
        accepted_by_sendmail(&line[1..].iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn accepted_by_sendmail(flags: &[&str]) {
    use mspool::cli::sendmail::{names::SendmailName, request};
    let flags: Vec<OsString> = flags.iter().map(OsString::from).collect();
    let parsed = request::parse(SendmailName::Sendmail, &flags);
    assert!(parsed.is_ok(), "{flags:?}: {}", parsed.unwrap_err());
}

/// Runs the words of a line; `_` is a space inside a word.
#[track_caller]
fn refused(world: &World, line: &str, code: i32, message: &str) {
    let words: Vec<String> = line.split_whitespace().map(|word| word.replace('_', " ")).collect();
    let ran = world.mspool(&words.iter().map(String::as_str).collect::<Vec<_>>()).input(MAIL).run();
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (code, "", format!("mspool: {message}\n").as_str()),
        "{line}"
    );
}

#[test]
fn unknown_commands_name_the_right_one() {
    let world = World::new();
    for (word, command) in [
        ("queue", "mspool report"),
        ("list", "mspool report"),
        ("ls", "mspool report"),
        ("show", "mspool report"),
        ("status", "mspool report status"),
        ("log", "mspool report log"),
        ("check", "mspool report check"),
        ("delete", "mspool cancel"),
        ("rm", "mspool cancel"),
        ("send", "mspool enqueue"),
        ("retry", "mspool flush"),
        ("resume", "mspool flush --resume NAME"),
        ("flsuh", "mspool flush"),
        ("enque", "mspool enqueue"),
        ("sendmial", "mspool sendmail"),
    ] {
        refused(&world, word, 64, &format!("unknown command \"{word}\": use \"{command}\"; see \"mspool --help\""));
    }
    refused(&world, "frobnicate", 64, "unknown command \"frobnicate\"; see \"mspool --help\"");
    refused(&world, "help flsuh", 64, "unknown command \"flsuh\": use \"mspool flush\"; see \"mspool --help\"");
    refused(&world, "report stauts", 65, "\"stauts\" is not a queue id; use \"mspool report status\"");
    refused(&world, "report queue", 65, "\"queue\" is not a queue id; use \"mspool report\"");
    let none = "no command given: use \"mspool enqueue\", \"mspool flush\" or \"mspool report\", for example; see \"mspool --help\"";
    refused(&world, "", 64, none);
    refused(&world, "--offline", 64, none);
}

#[test]
fn options_are_checked_in_one_sentence() {
    let world = World::new();
    let see = |line: &str, message: &str| {
        let words: Vec<&str> = line.split_whitespace().filter(|word| !word.starts_with('-')).collect();
        let named = if words[0] == "report" { &words[..2] } else { &words[..1] };
        refused(&world, line, 64, &format!("{message}; see \"mspool {} --help\"", named.join(" ")));
    };
    see("flush --forse", "unknown option \"--forse\": use --force");
    see("flush --forse=3", "unknown option \"--forse\": use --force");
    see("flush -force", "unknown option \"-force\": use --force");
    see("flush --zzz", "unknown option \"--zzz\"");
    see("flush -Z", "unknown option \"-Z\"");
    see("flush --sent x", "--sent is an option of \"mspool enqueue\" only");
    see("flush --jobs=0", "--jobs \"0\" is not a number from 1 to 65535");
    see("flush --jobs=many", "--jobs \"many\" is not a number from 1 to 65535");
    see("flush --jobs", "--jobs needs a value: --jobs N");
    see("flush --jobs=", "--jobs needs a value: --jobs N");
    see("flush --jobs=1 --jobs=2", "--jobs is given more than once");
    see("flush --limit=x", "--limit \"x\" is not a number of messages");
    see("flush --pause=relay --for=5", "--for \"5\" has no unit: give 5s, 5m or 5h");
    see("flush --for=1h", "--for and --reason need --pause NAME");
    see("flush --in --to=x ID", "--in cannot be used with --to or ID");
    see("flush --pause=a --resume=b", "--pause cannot be used with --resume");
    see("flush -q --verbose", "--quiet cannot be used with --verbose");
    see("receive bob@x", "NAME and --limit need --poll; a mailbox is given with --to");
    see("enqueue --keep --delete bob@x", "--keep cannot be used with --delete");
    see("enqueue --keep=yes bob@x", "--keep takes no value");
    see("enqueue --delay 5 bob@x", "--delay \"5\" has no unit: give 5s, 5m or 5h");
    see("enqueue --delay=soon bob@x", "--delay \"soon\" is not a span: give 90s, 15m, 2h, 3d or 1w, for example");
    see("enqueue --wait=soon bob@x", "--wait \"soon\" is not a time limit: give seconds, or a span such as 5m");
    see("enqueue --wait 5 bob@x", "\"5\" is no recipient: did you mean --wait=5?");
    see("enqueue --ret=all bob@x", "--ret \"all\" is unknown: give full or hdrs");
    see(
        "enqueue --not-before=2026-05-01 bob@x",
        "--not-before \"2026-05-01\" has no time of day or time zone: give 2026-05-01T00:00:00Z, for example",
    );
    see(
        "enqueue --deliver-by=someday bob@x",
        "--deliver-by \"someday\" is not a time: give 2026-05-01T12:00:00Z, \"Fri, 1 May 2026 12:00:00 +0200\" or a span such as 2h",
    );
    see(
        "enqueue --notify=often bob@x",
        "--notify \"often\" is unknown: give never, or a list of success, failure and delay",
    );
    see("cancel", "missing argument: ID");
    see("resend", "missing argument: ID|FILE|-");
    see("completions", "missing argument: SHELL");
    see("completions ksh", "SHELL \"ksh\" is unknown: give bash, zsh or fish");
    see("report complete ID", "missing arguments: --rcpt ADDR and --status STATUS");
    see("report rewrite", "missing argument: ADDR");
    see("watch now", "unexpected argument \"now\"");
    refused(
        &world,
        "--strict flush",
        64,
        "option --strict follows its command: use \"mspool flush --strict\"; see \"mspool --help\"",
    );
    refused(&world, "--spool", 64, "--spool needs a value: --spool DIR; see \"mspool --help\"");
    refused(&world, "sendmail -Z", 64, "unknown flag \"-Z\"; see \"mspool sendmail --help\"");
    refused(&world, "sendmail -f", 64, "-f needs a value: -f ADDR; see \"mspool sendmail --help\"");
}

#[test]
fn addresses_are_corrected() {
    let world = World::new();
    let list = "is a list of addresses: give each address as an argument of its own; nothing was queued";
    refused(&world, "enqueue a@x,b@y", 65, &format!("recipient \"a@x,b@y\" {list}"));
    refused(&world, "enqueue --to a@x,_b@y", 65, &format!("--to \"a@x, b@y\" {list}"));
    let only = "is more than an address: give only \"bob@x\"; nothing was queued";
    refused(&world, "enqueue Bob_<bob@x>", 65, &format!("recipient \"Bob <bob@x>\" {only}"));
    refused(&world, "enqueue -f Bob_<bob@x> eve@x", 65, &format!("--from \"Bob <bob@x>\" {only}"));
    let case = "has a type in lower case: give \"FAX:+49301234\"";
    refused(&world, "enqueue fax:+49301234", 65, &format!("recipient \"fax:+49301234\" {case}; nothing was queued"));
    refused(&world, "report rewrite fax:+49301234", 65, &format!("recipient \"fax:+49301234\" {case}"));
    assert!(world.files("new").is_empty());
}

#[test]
fn input_in_messages_is_quoted_and_escaped() {
    let world = World::new();
    for args in
        [&["\x1b[2J"][..], &["flush", "--\x1b[2J"], &["enqueue", "--delay", "\x1b[2J", "bob@x"], &["report", "\x1b[2J"]]
    {
        let ran = world.mspool(args).input(MAIL).run();
        assert!(ran.code == 64 || ran.code == 65, "{ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        assert!(!ran.err.contains('\x1b'), "{ran:?}");
    }
    world.mspool(&["\x1b[2J"]).run().fails(64, "unknown command \"\\u{1b}[2J\"");
    let mut command = world.mspool(&["enqueue"]).command();
    command.arg(OsString::from_vec(b"b\xff@x".to_vec()));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(output.stderr, b"mspool: an argument is not UTF-8; see \"mspool enqueue --help\"\n");
}
