//! `receive --poll` over a directory.

use std::fs;

use crate::world::{Ran, World, signal, signal_until_it_ends, wait_for};

use super::{ROOM, files, nothing_is_here};

const FETCH: &str = "cd \"$HOME/source\"; file=$(ls | head -n 1); test -n \"$file\" || exit 1\n\
    cat \"$file\"; echo \"ref $file\" >&3";
const ACK: &str = "rm \"$HOME/source/$1\"";

/// A source with so many messages, and these commands.
fn with_source(count: usize, fetch: &str, ack: &str) -> World {
    let world = World::new();
    fs::create_dir(world.path("home/source")).unwrap();
    for n in 1..=count {
        fs::write(world.path(&format!("home/source/{n}")), format!("Subject: {n}\n\nHello.\n")).unwrap();
    }
    let (fetch, ack) = (world.script("fetch", fetch), world.script("ack", ack));
    world.config(&format!("{ROOM}[inbound.source]\nfetch = [{fetch:?}]\nack = [{ack:?}, \"{{ref}}\"]\n"));
    world
}

fn poll(world: &World) -> Ran {
    world.mspool(&["receive", "--poll"]).run()
}

fn left(world: &World) -> usize {
    files(&world.path("home/source")).len()
}

/// Each message is in the store once, and nothing is left on the way.
#[track_caller]
fn each_is_here_once(world: &World, count: usize) {
    let inbox = world.inbox();
    let subjects = inbox.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("Subject: "));
    let mut subjects: Vec<usize> = subjects.map(|number| number.parse().unwrap()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, (1..=count).collect::<Vec<_>>());
    assert_eq!((left(world), files(&world.spool().join("in/new")).len()), (0, 0));
}

#[test]
fn a_source_is_emptied_and_told_only_of_what_is_safe() {
    let safe = "for place in in inbox; do for file in \"$MSPOOL_SPOOL/$place/new/$MSPOOL_ID\"*; do\n\
        test -s \"$file\" && trace \"$1 $MSPOOL_REF safe\"; done; done";
    let world = with_source(3, FETCH, &format!("{safe}\n{ACK}"));
    poll(&world).silent();
    each_is_here_once(&world, 3);
    assert_eq!(world.trace(), ["1 1 safe", "2 2 safe", "3 3 safe"]);
    poll(&world).silent();
    assert_eq!(world.trace().len(), 3);
}

#[test]
fn a_message_that_comes_again_for_a_lost_acknowledgement_is_filed_once() {
    let world = with_source(2, FETCH, &format!("test -e \"$HOME/deaf\" && exit 4\n{ACK}"));
    fs::write(world.path("home/deaf"), "").unwrap();
    let ran = poll(&world);
    assert_eq!(ran.code, 75, "{ran:?}");
    assert!(ran.err.contains("source source: a message was received, but ack ended with exit status 4"), "{ran:?}");
    assert_eq!((world.inbox().len(), left(&world)), (1, 2));
    fs::remove_file(world.path("home/deaf")).unwrap();
    poll(&world).silent();
    each_is_here_once(&world, 2);
}

#[test]
fn a_fetch_that_dies_leaves_nothing_and_is_told() {
    let dies =
        "if test -e \"$HOME/ill\"; then echo 'Subject: half'; echo 'ref 1' >&3; echo 'line is down' >&2; exit 2; fi";
    let world = with_source(1, &format!("{dies}\n{FETCH}"), ACK);
    fs::write(world.path("home/ill"), "").unwrap();
    poll(&world).fails(75, "source source: ended with exit status 2: line is down");
    nothing_is_here(&world);
    assert_eq!(left(&world), 1);
    fs::remove_file(world.path("home/ill")).unwrap();
    poll(&world).silent();
    each_is_here_once(&world, 1);
}

const SLOW: &str = "if ! test -e \"$HOME/open\"; then echo 'X-First: half'; trace begin\n\
    while ! test -e \"$HOME/open\"; do sleep 0.02; done; fi";

#[test]
fn one_signal_lets_a_fetch_end_and_takes_no_more() {
    let world = with_source(2, &format!("{SLOW}\n{FETCH}"), ACK);
    let child = world.mspool(&["receive", "--poll"]).start();
    wait_for("the fetch", || world.trace() == ["begin"]);
    signal(&child, "TERM");
    fs::write(world.path("home/open"), "").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
    assert!(left(&world) >= 1 && world.inbox().len() == 2 - left(&world));
    poll(&world).silent();
    each_is_here_once(&world, 2);
}

#[test]
fn a_second_signal_ends_a_fetch_and_leaves_nothing() {
    let world = with_source(2, &format!("{SLOW}\n{FETCH}"), ACK);
    let mut child = world.mspool(&["receive", "--poll"]).start();
    wait_for("the fetch", || world.trace() == ["begin"]);
    signal_until_it_ends(&mut child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    nothing_is_here(&world);
    assert_eq!(left(&world), 2);
    fs::write(world.path("home/open"), "").unwrap();
    poll(&world).silent();
    each_is_here_once(&world, 2);
}

#[test]
fn a_crash_around_the_acknowledgement_files_each_message_once() {
    let crash = "if test -e \"$HOME/weak\"; then rm \"$HOME/weak\"; kill -9 $PPID; exit 1; fi";
    for ack in [format!("{crash}\n{ACK}"), format!("{ACK}\n{crash}")] {
        let world = with_source(3, FETCH, &ack);
        fs::write(world.path("home/weak"), "").unwrap();
        assert_eq!(poll(&world).code, -9);
        assert_eq!((world.inbox().len(), files(&world.spool().join("in/new")).len()), (0, 1));
        poll(&world).silent();
        each_is_here_once(&world, 3);
    }
}

#[test]
fn two_runs_take_each_message_once() {
    let world = with_source(1, &format!("{SLOW}\n{FETCH}"), ACK);
    let child = world.mspool(&["receive", "--poll"]).start();
    wait_for("the fetch", || world.trace() == ["begin"]);
    poll(&world).fails(75, "source source: another run is polling it");
    fs::write(world.path("home/open"), "").unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!((world.inbox().len(), left(&world)), (1, 0));
}
