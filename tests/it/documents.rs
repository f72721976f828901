//! What is written about the program is true of the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap_complete::{Shell, generate};

use crate::world::{World, can_run};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The committed completions are those of the parser. `UPDATE_COMPLETIONS=1` writes them anew.
#[test]
fn completions_are_those_of_the_parser() {
    for (shell, name) in [(Shell::Bash, "mspool.bash"), (Shell::Zsh, "_mspool"), (Shell::Fish, "mspool.fish")] {
        let mut generated = Vec::new();
        generate(shell, &mut mspool::door::cli::command(), "mspool", &mut generated);
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

fn pages() -> Vec<(String, String)> {
    let read = |name: &str| (name.to_owned(), fs::read_to_string(root().join("man").join(name)).unwrap());
    let names =
        ["mspool.1", "mspool.conf.5", "mspool-spool.5", "mspool-transport.7", "mspool-hooks.7", "mspool-sendmail.1"];
    names.map(read).to_vec()
}

#[test]
fn manual_pages_are_well_formed() {
    if !can_run("mandoc", &["-Tlint", "/dev/null"]) && !can_run("sh", &["-c", "command -v mandoc"]) {
        return;
    }
    for (name, _) in pages() {
        let output = Command::new("mandoc")
            .args(["-Tlint", "-W", "warning"])
            .arg(root().join("man").join(&name))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Every verb and every flag of the parser is in mspool(1).
#[test]
fn the_manual_names_every_verb_and_flag() {
    let (_, page) = pages().remove(0);
    let page = page.replace("\\-", "-");
    let mut missing = Vec::new();
    let mut look = |command: &clap::Command| {
        for argument in
            command.get_arguments().filter(|argument| argument.get_id() != "help" && argument.get_id() != "version")
        {
            if let Some(long) = argument.get_long() {
                // In mdoc a long flag is `.Fl -name` or `.Fl Fl name`.
                let found = page.contains(&format!("Fl -{long}")) || page.contains(&format!("Fl Fl {long}"));
                if !found {
                    missing.push(format!("{} --{long}", command.get_name()));
                }
            }
        }
    };
    let parser = mspool::door::cli::command();
    look(&parser);
    for verb in parser.get_subcommands().filter(|verb| verb.get_name() != "help") {
        assert!(
            page.contains(&format!("Cm {}", verb.get_name())) || page.contains(&format!("Ic {}", verb.get_name())),
            "{}",
            verb.get_name()
        );
        look(verb);
        verb.get_subcommands().for_each(&mut look);
    }
    assert!(missing.is_empty(), "not in mspool(1): {missing:?}");
}

/// Every key of the configuration has an entry in mspool.conf(5).
#[test]
fn the_manual_names_every_key() {
    let (_, page) = pages().remove(1);
    for key in [
        "spool",
        "hostname",
        "sender",
        "order",
        "lifetime",
        "retry",
        "first",
        "factor",
        "max",
        "jitter",
        "keep_sent",
        "keep_failed",
        "message_limit",
        "reserve",
        "types",
        "match",
        "command",
        "maildir",
        "results",
        "timeout",
        "parallel",
        "relays",
        "probe",
        "resource",
        "connect",
        "disconnect",
        "env",
        "async_timeout",
        "store",
        "identities",
        "delay_warning",
        "sent",
        "preprocess",
        "undo",
        "fetch",
        "ack",
        "keep",
        "every",
        "mailbox",
        "class",
        "via",
        "return_limit",
        "qualify",
        "files",
        "allow",
        "delivery",
    ] {
        // An entry of its own, or one of several in an entry: not just the word somewhere in the text.
        let words = |line: &str| line.split([' ', ',']).any(|word| word == key);
        assert!(page.lines().filter(|line| line.starts_with(".It Ic ")).any(words), "{key}");
    }
}

/// Every flag of sendmail(1) that is read has an entry in its page, and the page of hooks names every variable.
#[test]
fn the_manual_names_every_flag_of_sendmail_and_every_variable_of_a_hook() {
    let pages = pages();
    let page = |name: &str| pages.iter().find(|(known, _)| known == name).unwrap().1.as_str();
    for flag in mspool::door::sendmail::flags::FLAGS {
        let entry = format!("Fl {}", flag.letter);
        assert!(page("mspool-sendmail.1").lines().any(|line| line.contains(&entry)), "-{}", flag.letter);
    }
    for (_, variable) in mspool::inbox::classify::FLAGS {
        assert!(page("mspool-hooks.7").contains(variable), "{variable}");
    }
}

/// The commands of the README's tour run, and the first of them does the main job on a fresh machine.
#[test]
fn the_readme_tells_the_truth() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("cargo test"));
    for (name, text) in pages().into_iter().chain([("README.md".to_owned(), readme)]) {
        for word in ["TODO", "FIXME", "TBD"] {
            assert!(!text.contains(word), "{name} has a {word}");
        }
    }
    let world = World::at_noon();
    world.mspool(&["--config", root().join("fixtures/config.toml").to_str().unwrap(), "report", "types"]).run().ok();
}
