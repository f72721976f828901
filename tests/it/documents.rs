//! Manual and completions, held against the program's own structures: its parsers, its code, and what it prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use clap_complete::{Shell, generate};
use mspool::cli::command as parser;
use mspool::cli::sendmail::flags::FLAGS;
use mspool::commands::watch::events::WatchEvent;
use mspool::config::keys::{NAME, keys};
use mspool::mail::history::state::RecipientState;

use crate::manual::{Page, pages, pages_of, root};
use crate::modules::{self, read_sources};
use crate::world::{World, can_run};

/// The committed completions are those of the parser. `UPDATE_COMPLETIONS=1` writes them again.
#[test]
fn completions_are_those_of_the_parser() {
    for (shell, name) in [(Shell::Bash, "mspool.bash"), (Shell::Zsh, "_mspool"), (Shell::Fish, "mspool.fish")] {
        let mut generated = Vec::new();
        generate(shell, &mut parser(), "mspool", &mut generated);
        let path = root().join("completions").join(name);
        if std::env::var_os("UPDATE_COMPLETIONS").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        assert!(fs::read(&path).unwrap() == generated, "{name}: run the tests with UPDATE_COMPLETIONS=1");
    }
}

#[test]
fn completions_load_in_their_shells() {
    let world = World::new();
    for (shell, name) in [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")] {
        let script = world.mspool(&["completions", name]).run().ok();
        assert!(script.len() > 1000);
        if !can_run(shell, &["-c", "true"]) {
            continue;
        }
        let path = world.path(name);
        fs::write(&path, script).unwrap();
        let command = match shell {
            "zsh" => format!("autoload -U compinit; compinit -D -u; source {0}; whence -w _mspool", path.display()),
            _ => format!("source {}", path.display()),
        };
        let ran = world.program(Path::new(shell), &["-c", &command]).run();
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{shell}: {ran:?}");
    }
}

#[test]
fn manual_pages_are_well_formed() {
    if !can_run("mandoc", &["-Tlint", "/dev/null"]) && !can_run("sh", &["-c", "command -v mandoc"]) {
        return;
    }
    for page in pages() {
        let path = root().join("man").join(&page.file);
        let output = Command::new("mandoc").args(["-Tlint", "-W", "warning"]).arg(path).output().unwrap();
        assert!(output.status.success(), "{}: {}", page.file, String::from_utf8_lossy(&output.stdout));
    }
}

#[track_caller]
fn assert_documented(what: &str, missing: impl IntoIterator<Item = String>) {
    let missing: BTreeSet<String> = missing.into_iter().collect();
    let list = missing.iter().map(|item| format!("    {item}\n")).collect::<String>();
    assert!(missing.is_empty(), "{what} without an entry in a manual page:\n{list}");
}

/// Commands with the words that call them: `report status`.
fn commands() -> Vec<(String, clap::Command)> {
    fn add(command: &clap::Command, words: &str, all: &mut Vec<(String, clap::Command)>) {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let words = format!("{words} {}", inner.get_name()).trim_start().to_owned();
            add(inner, &words, all);
            all.push((words, inner.clone()));
        }
    }
    let mut all = Vec::new();
    add(&parser(), "", &mut all);
    all
}

/// A command is the term `.It Cm report status`.
#[test]
fn every_command_is_in_the_manual() {
    let pages = pages();
    let is_entry = |words: &str| pages.iter().any(|page| page.has_command(words));
    assert_documented("commands", commands().into_iter().map(|(words, _)| words).filter(|words| !is_entry(words)));
}

/// A flag is the term `.It Fl -force`, on a page about the command; a flag of all commands is on any page.
#[test]
fn every_flag_is_in_the_manual() {
    let pages = pages();
    let mut missing = Vec::new();
    for (words, command) in commands().into_iter().chain([(String::new(), parser())]) {
        let own = pages_of(&pages, &words);
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let everywhere = argument.is_global_set() || ["help", "version"].contains(&argument.get_id().as_str());
            let places: Vec<&Page> = if everywhere { pages.iter().collect() } else { own.clone() };
            let long = argument.get_long().map(|long| format!("-{long}"));
            let short = argument.get_short().map(|short| short.to_string());
            let flags = long.into_iter().chain(short);
            let lost = flags.filter(|flag| !places.iter().any(|page| page.has(&["Fl"], flag)));
            missing.extend(lost.map(|flag| format!("{words} -{flag}")));
        }
    }
    assert_documented("flags", missing);
}

/// A flag of sendmail(1) is the term `.It Fl f`.
#[test]
fn every_flag_of_sendmail_is_in_the_manual() {
    let pages = pages();
    let own = pages_of(&pages, "sendmail");
    let letters = FLAGS.iter().map(|flag| flag.letter.to_string());
    let missing = letters.filter(|letter| {
        let begins = |word: &str| word == letter || word.starts_with(letter.as_str()) && !word.starts_with('-');
        let mut entries = own.iter().flat_map(|page| &page.entries);
        !entries.any(|entry| entry.words.iter().any(|(mark, word)| mark == "Fl" && begins(word)))
    });
    assert_documented("flags of sendmail", missing.map(|letter| format!("-{letter}")));
}

/// Tables that a heading such as `[[hook.inbound]], [[hook.outbound]]` names.
fn tables_of(heading: &str) -> impl Iterator<Item = &str> {
    let tables = heading.split(", ").filter(|part| part.starts_with('['));
    tables.map(|part| part.trim_matches(['[', ']']))
}

/// A table is a heading, `.Ss [queue]`. A key is a term `.It Ic lifetime` under the heading of its table.
#[test]
fn every_key_is_in_the_manual() {
    let pages = pages();
    let page = pages.iter().find(|page| page.file == "mspool.conf.5").unwrap();
    let headings: BTreeSet<&str> = page.text.lines().filter_map(|line| line.strip_prefix(".Ss ")).collect();
    let tables: BTreeSet<&str> = headings.iter().flat_map(|heading| tables_of(heading)).collect();
    let missing = keys().into_iter().filter(|key| {
        // The innermost table with a heading that the key belongs to: `queue` for `queue.retry.first`.
        let outer = key.match_indices('.').map(|(at, _)| &key[..at]).rfind(|outer| tables.contains(outer));
        let word = key.rsplit('.').next().unwrap_or_default();
        let is_under = |heading: &str| match outer {
            Some(table) => tables_of(heading).any(|known| known == table),
            None => !heading.starts_with('['),
        };
        let is_entry = page.entries.iter().any(|entry| is_under(&entry.heading) && entry.has(&["Ic"], word));
        let below = format!("{key}.");
        let is_table = tables.iter().any(|table| *table == key || table.starts_with(&below));
        !is_entry && !is_table && word != NAME
    });
    assert_documented("keys", missing);
}

/// A state of a recipient is a term `.It Cm owed` in mspool(1), and a word of mspool-spool(5).
#[test]
fn every_recipient_state_is_in_the_manual() {
    let pages = pages();
    let page = |file: &str| pages.iter().find(|page| page.file == file).unwrap();
    let missing = RecipientState::ALL.iter().map(|state| state.word()).filter(|word| {
        let is_word = |line: &str| line.starts_with(".Cm ") && line.split([' ', ',']).any(|part| part == *word);
        !page("mspool.1").entries.iter().any(|entry| entry.has(&["Cm"], word))
            || !page("mspool-spool.5").text.lines().any(is_word)
    });
    assert_documented("recipient states", missing.map(str::to_owned));
}

/// An event of `watch` is a term `.It Li queued`.
#[test]
fn every_event_is_in_the_manual() {
    let pages = pages();
    let own = pages_of(&pages, "watch");
    let words = WatchEvent::ALL.iter().map(|event| event.word().to_owned());
    assert_documented("events", words.filter(|word| !own.iter().any(|page| page.has(&["Li", "Cm", "Va"], word))));
}

/// An exit status is a term `.It 64` on mspool(1).
#[test]
fn every_exit_status_is_in_the_manual() {
    let sources = read_sources(&root().join("src"));
    let (variants, statuses) = modules::statuses(&sources, "ExitStatus", "code");
    assert!(statuses.len() + 1 >= variants && statuses.len() > 5, "{variants} variants, {statuses:?}");
    let pages = pages();
    let page = pages.iter().find(|page| page.file == "mspool.1").unwrap();
    let is_entry = |status: &str| {
        page.entries
            .iter()
            .any(|entry| entry.heading.starts_with("EXIT STATUS") && entry.words.iter().any(|(_, word)| word == status))
    };
    assert_documented("exit statuses", statuses.into_iter().filter(|status| !is_entry(status)));
}

/// A variable that the program reads, or sets for the programs it runs, is a term `.It Ev MSPOOL_ID`.
#[test]
fn every_variable_is_in_the_manual() {
    let is_part = |c: char| c.is_ascii_uppercase() || c == '_';
    let mut variables = BTreeSet::new();
    for source in read_sources(&root().join("src")) {
        for text in modules::texts(&source) {
            let words = text.value.split(|c| !is_part(c)).filter(|word| word.len() > "MSPOOL_".len());
            variables.extend(words.filter(|word| word.starts_with("MSPOOL_")).map(str::to_owned));
        }
    }
    assert!(variables.len() > 10, "{variables:?}");
    let pages = pages();
    assert_documented(
        "variables",
        variables.into_iter().filter(|name| !pages.iter().any(|page| page.has(&["Ev"], name))),
    );
}

#[test]
fn nothing_is_left_to_be_written() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("cargo test"), ".ci/run takes its test command from the README");
    for (name, text) in pages().into_iter().map(|page| (page.file, page.text)).chain([("README.md".to_owned(), readme)])
    {
        for word in ["TODO", "FIXME", "TBD"] {
            assert!(!text.contains(word), "{name} has a {word}");
        }
    }
}

#[test]
fn the_example_of_a_configuration_is_valid() {
    let world = World::at_noon();
    world.mspool(&["--config", root().join("fixtures/config.toml").to_str().unwrap(), "report", "types"]).run().ok();
}
