//! `receive` behind the programs that people have: procmail, maildrop, getmail, fetchmail and mpop hand mail in, mblaze
//! and notmuch read it; and sources of one's own, asked by `receive --poll`, whatever goes wrong on the way.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::world::World;

/// A message with lines that careless programs change.
const LETTER: &str = "From: ann@example.org\nSubject: letter\n\n.dot\nFrom here\n\n trailing \t\n";

/// A delivery report.
const REPORT: &str = "From: MAILER-DAEMON@mx.example.org\nSubject: Undelivered Mail\nMIME-Version: 1.0\n\
    Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
    --b\nContent-Type: text/plain\n\nSorry.\n\
    --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n\
    Final-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 5.1.1\n--b--\n";

/// Configuration with which there is never enough room: `receive` asks to try again later.
const NO_ROOM: &str = "[queue]\nreserve = \"1000TB\"\n";

/// Configuration with which there is always room.
const ROOM: &str = "[queue]\nreserve = \"0B\"\n";

fn world() -> World {
    let world = World::new();
    world.config(ROOM);
    world
}

/// A file that only its owner may read, as programs want their passwords kept.
fn private(world: &World, name: &str, text: &str) -> String {
    let path = world.path(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// The lines that were put before the only message of the store; the rest is the message, byte by byte.
#[track_caller]
fn added(world: &World, message: &str) -> Vec<String> {
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    let before = inbox[0].strip_suffix(message).unwrap_or_else(|| panic!("{:?} is not in {:?}", message, inbox[0]));
    before.lines().map(str::to_owned).collect()
}

/// The three fields that `receive` adds, and no others.
#[track_caller]
fn added_by_us(world: &World, message: &str, sender: &str) {
    let lines = added(world, message);
    assert_eq!(lines[..2], [format!("Return-Path: <{sender}>"), "Delivered-To: joe@example.org".to_owned()]);
    assert!(lines[2].starts_with("Received: by ") && lines[3].starts_with("\tfor <joe@example.org>; "), "{lines:?}");
    assert_eq!(lines.len(), 4, "{lines:?}");
}

/// Nothing was received, not even half.
#[track_caller]
fn nothing_is_here(world: &World) {
    assert_eq!(world.inbox(), [""; 0]);
    for part in ["in/new", "in/tmp", "inbox/tmp"] {
        assert_eq!(files(&world.spool().join(part)), [""; 0].map(PathBuf::from));
    }
    assert_eq!(fs::read_dir(world.spool().join("work")).map_or(0, Iterator::count), 0);
}

mod filters;

mod fetchers;

mod readers;

mod sources;
