//! The architecture, checked by reading the tree: lower floors never import higher ones, spool and agents never see
//! each other, every third-party crate has one home, unsafe code has one floor.

use std::fs;
use std::path::{Path, PathBuf};

const FLOORS: [&str; 6] = ["sys", "mail", "spool", "agents", "verbs", "door"];

/// Each third-party crate and the only places that may name it.
const HOMES: [(&str, &[&str]); 18] = [
    ("anyhow", &["verbs", "door"]),
    ("bytesize", &["door/config", "verbs/report/queue.rs"]),
    ("clap", &["door/cli"]),
    ("fs2", &["sys/lock.rs"]),
    ("humantime", &["mail/time.rs"]),
    ("indicatif", &["verbs/flush/voices.rs"]),
    ("jiff", &["mail/time.rs"]),
    ("libc", &["sys"]),
    ("mail_parser", &["mail/mime.rs"]),
    ("notify", &["verbs/watch/wakeup.rs"]),
    ("rustix", &["sys"]),
    ("serde_json", &["mail", "spool", "verbs", "door/exit.rs"]),
    ("sha2", &["mail/digest.rs"]),
    ("signal_hook", &["sys/signals.rs"]),
    ("smtp_proto", &["agents/smtp/command.rs"]),
    ("toml", &["door/config"]),
    ("unicode_width", &["mail/printable.rs"]),
    ("walkdir", &["spool/listing.rs"]),
];

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut stack: Vec<PathBuf> = vec![root.clone()];
    while let Some(path) = stack.pop() {
        for entry in fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                stack.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let name = entry.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read_to_string(&entry).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The code of a file, without comments and without its tests.
fn code(text: &str) -> String {
    let tests = text.find("#[cfg(test)]").unwrap_or(text.len());
    let lines = text[..tests].lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn floor_of(file: &str) -> Option<usize> {
    let first = file.split(['/', '.']).next()?;
    FLOORS.iter().position(|floor| *floor == first)
}

#[test]
fn lower_floors_never_import_higher_ones() {
    for (file, text) in sources() {
        let Some(floor) = floor_of(&file) else { continue };
        for (height, name) in FLOORS.iter().enumerate() {
            let upwards = height > floor || (*name == "spool" && FLOORS[floor] == "agents");
            let imported = code(&text).contains(&format!("crate::{name}::"));
            assert!(!(upwards && imported), "{file} imports {name}");
        }
    }
}

#[test]
fn every_crate_has_its_home() {
    for (file, text) in sources() {
        let code = code(&text);
        for (name, homes) in HOMES {
            let named = code.contains(&format!("{name}::")) && !code.contains(&format!("crate::{name}::"));
            let at_home = homes
                .iter()
                .any(|home| file == *home || file.starts_with(&format!("{home}/")) || file == format!("{home}.rs"));
            assert!(!named || at_home, "{file} names {name}, whose home is {homes:?}");
        }
    }
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("[dev-dependencies]").next().unwrap();
    for line in dependencies.lines().filter(|line| line.contains('=')) {
        let name = line.split(['=', ' ']).next().unwrap().replace('-', "_");
        assert!(name == "serde" || HOMES.iter().any(|(known, _)| *known == name), "{name} has no home");
    }
}

#[test]
fn unsafe_code_has_one_floor() {
    for (file, text) in sources() {
        assert!(file.starts_with("sys/") || !code(&text).contains("unsafe "), "{file}");
    }
}

#[test]
fn every_room_says_what_it_is_for() {
    for (file, text) in sources() {
        assert!(text.starts_with("//! "), "{file} begins without a word about itself");
        assert!(!code(&text).contains("use super::*"), "{file}");
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = fs::read_to_string(root.join("main.rs")).unwrap();
    for entry in fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name}");
    }
}
