//! Real mail, from the folder that MSPOOL_CORPUS names: every file goes in and comes out as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::world::World;

fn corpus() -> Vec<PathBuf> {
    let Some(root) = std::env::var_os("MSPOOL_CORPUS") else {
        eprintln!("skipped: MSPOOL_CORPUS names no folder of mail");
        return Vec::new();
    };
    let mut files = Vec::new();
    let mut stack = vec![PathBuf::from(root)];
    while let Some(path) = stack.pop() {
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => stack.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.retain(|path| fs::metadata(path).unwrap().len() > 0);
    files.sort();
    files
}

#[test]
fn every_message_passes_through_a_command_and_a_maildir_unchanged() {
    let files = corpus();
    if files.is_empty() {
        return;
    }
    let world = World::at_noon();
    let script = world.script("keep", "mkdir -p \"$HOME/out\"; cat >\"$HOME/out/$MSPOOL_ID\"");
    world.config(&format!(
        "[queue]\nreserve = \"0B\"\n[transport.keep]\nparallel = 4\ncommand = [{script:?}]\n\
         [transport.local]\nmatch = [\"*@local\"]\nmaildir = \"~/Maildir\"\n"
    ));
    let mut ids = BTreeMap::new();
    let mut refused = 0;
    for path in &files {
        let bytes = fs::read(path).unwrap();
        let ran = world.mspool(&["enqueue", "-f", "", "bob@x", "bob@local"]).input(&bytes).run();
        if ran.code == 65 && ran.err.contains("mail loop") {
            refused += 1;
            continue;
        }
        ids.insert(ran.ok().trim().to_owned(), bytes);
    }
    assert_eq!(refused, 0);
    world.mspool(&["flush"]).run().silent();
    for (id, bytes) in &ids {
        assert!(fs::read(world.path("home/out").join(id)).unwrap() == *bytes, "{id}");
        assert!(world.message(id) == *bytes);
    }
    let maildir: Vec<Vec<u8>> =
        fs::read_dir(world.path("home/Maildir/new")).unwrap().map(|e| fs::read(e.unwrap().path()).unwrap()).collect();
    assert_eq!(maildir.len(), ids.len());
    let mut expected: Vec<&[u8]> = ids.values().map(Vec::as_slice).collect();
    let mut found: Vec<&[u8]> = maildir.iter().map(|bytes| after_two_lines(bytes)).collect();
    expected.sort();
    found.sort();
    assert!(expected == found);
    // None of it steers a terminal, none of it stops a report.
    let report = world.mspool(&["report", "--json"]).run();
    assert_eq!(report.code, 0);
    for id in ids.keys() {
        let ran = world.mspool(&["report", id]).run();
        assert!(!ran.ok().chars().any(|c| c.is_control() && c != '\n'));
    }
}

fn after_two_lines(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    for _ in 0..2 {
        rest = &rest[rest.iter().position(|byte| *byte == b'\n').unwrap() + 1..];
    }
    rest
}

#[test]
fn every_header_is_read_or_refused_for_a_reason() {
    let files = corpus();
    let world = World::at_noon();
    let (mut taken, mut refused) = (0, 0);
    for path in &files {
        let bytes = fs::read(path).unwrap();
        let ran = world.mspool(&["enqueue", "-t", "--dry-run"]).input(&bytes).run();
        match ran.code {
            0 => taken += 1,
            65 => {
                ran.says("");
                refused += 1;
            }
            _ => panic!("{}: {ran:?}", path.display()),
        }
    }
    if !files.is_empty() {
        eprintln!("{taken} headers with recipients, {refused} refused");
        assert!(taken > 0);
    }
}
