//! Commands that are cut off, and what each of them promises.

use std::collections::BTreeMap;

use crate::crash::can_trace;
use crate::crash_states::disk::{NameModel, Recording};
use crate::crash_states::image::Image;
use crate::crash_states::oracle::{Case, Prepared, Promise, Told, judge};
use crate::crash_states::stage::{self, MESSAGE, TEXT};
use crate::crash_states::trace::trace;
use crate::world::{Seeded, World};

/// States of one case in an ordinary test run.
const SAMPLE: usize = 30;

fn queue(world: &World, recipients: &[&'static str]) -> Prepared {
    let args = [&["-f", "joe@example.org"], recipients].concat();
    Prepared { id: world.enqueue_bytes(MESSAGE.as_bytes(), &args), recipients: recipients.to_vec() }
}

/// A message that no command is about.
fn bystander(world: &World) -> Prepared {
    let message = queue(world, &["old@x"]);
    world.mspool(&["hold", &message.id]).run().ok();
    message
}

/// Goes through the crash states of one case.
fn check(case: &Case) {
    if !can_trace() {
        return;
    }
    let limit = std::env::var("MSPOOL_STATES").ok().map_or(SAMPLE, |text| text.parse().unwrap());
    let world = stage::world();
    world.enqueue(&["--delete", "warm@x"]);
    world.flush();
    let mut prepared = (case.prepare)(&world);
    prepared.push(bystander(&world));
    stage::forget_hand_offs(&world);
    if case.is_open() {
        stage::open(&world);
    }
    let base = Image::read(&world.spool());
    let first = prepared[0].id.clone();
    let args: Vec<&str> = case.args.iter().map(|word| if *word == "{id}" { first.as_str() } else { word }).collect();
    let recording = Recording::new(base, &trace(&world, &args, case.input.as_bytes()));
    let mut problems: BTreeMap<String, usize> = BTreeMap::new();
    for (model, seed) in [(NameModel::DirectorySync, 1), (NameModel::FileSync, 3)] {
        let states = recording.crash_states(model, limit.div_ceil(2), &mut Seeded(seed));
        println!("{args:?}: {} states, {model:?}", states.len());
        assert!(states.len() > 1, "nothing was recorded");
        for state in states {
            let told = Told::new(recording.told(state.steps));
            for problem in judge(case, &world, &prepared, &state, &told) {
                *problems.entry(format!("{model:?}, after {}: {problem}", recording.describe(&state))).or_default() +=
                    1;
            }
        }
    }
    let lines: Vec<String> = problems.iter().map(|(problem, count)| format!("{count} times: {problem}")).collect();
    assert!(lines.is_empty(), "{:?}:\n{}", case.args, lines.join("\n"));
}

fn message_of(size: usize) -> String {
    format!("From: joe@example.org\nSubject: test\n\n{}{TEXT}", "0123456789abcde\n".repeat(size / 16))
}

fn submission(input: String, args: &'static [&'static str]) -> Case {
    Case { promise: Promise::Submits, args, input, prepare: |_| Vec::new() }
}

fn command(promise: Promise, args: &'static [&'static str], prepare: fn(&World) -> Vec<Prepared>) -> Case {
    Case { promise, args, input: String::new(), prepare }
}

#[test]
fn enqueue_of_4_kib() {
    check(&submission(message_of(4096), &["enqueue", "-f", "joe@example.org", "bob@x"]));
}

#[test]
fn enqueue_of_20_kib() {
    check(&submission(message_of(20480), &["enqueue", "-f", "joe@example.org", "bob@x"]));
}

#[test]
fn enqueue_of_many() {
    let mbox: String = (0..8).map(|number| format!("From x Mon\nSubject: {number}\n\n{TEXT}\n")).collect();
    check(&submission(mbox, &["enqueue", "--mbox", "-f", "joe@example.org", "bob@x"]));
}

#[test]
fn flush_of_what_succeeds() {
    let prepare = |world: &World| vec![queue(world, &["bob@x"]), queue(world, &["ann@x"]), queue(world, &["carl@x"])];
    check(&command(Promise::Delivers, &["flush", "--json"], prepare));
}

#[test]
fn flush_of_what_is_deferred() {
    let prepare = |world: &World| vec![queue(world, &["later@x"]), queue(world, &["ann@x", "later@x"])];
    check(&command(Promise::Delivers, &["flush", "--json"], prepare));
}

#[test]
fn flush_of_what_fails() {
    check(&command(Promise::Delivers, &["flush", "--json"], |world| vec![queue(world, &["no@x"])]));
}

#[test]
fn flush_to_several_transports() {
    let prepare = |world: &World| vec![queue(world, &["ann@x", "no@x", "carl@list", "dora@list"])];
    check(&command(Promise::Delivers, &["flush", "--json"], prepare));
}

#[test]
fn flush_into_a_maildir() {
    check(&command(Promise::Delivers, &["flush", "--json"], |world| vec![queue(world, &["user@box"])]));
}

#[test]
fn receive_into_a_new_store() {
    let case = command(Promise::Receives, &["receive", "--to", "me@laptop.example"], |_| Vec::new());
    check(&Case { input: MESSAGE.to_owned(), ..case });
}

#[test]
fn receive_into_a_store() {
    let prepare = |world: &World| {
        world.receive("Subject: earlier\n\n\n", &["--to", "me@laptop.example"]);
        Vec::new()
    };
    let case = command(Promise::Receives, &["receive", "--to", "me@laptop.example"], prepare);
    check(&Case { input: MESSAGE.to_owned(), ..case });
}

#[test]
fn resend_of_a_failed_message() {
    let prepare = |world: &World| {
        let message = queue(world, &["no@x"]);
        world.flush_quietly();
        vec![Prepared { recipients: Vec::new(), ..message }]
    };
    check(&command(Promise::Resends, &["resend", "{id}"], prepare));
}

#[test]
fn hold_of_a_new_message() {
    check(&command(Promise::Holds, &["hold", "{id}"], |world| vec![queue(world, &["bob@x"])]));
}

#[test]
fn cancellation_of_a_deferred_message() {
    let prepare = |world: &World| {
        let message = queue(world, &["later@x"]);
        world.flush_quietly();
        vec![message]
    };
    check(&command(Promise::Cancels, &["cancel", "{id}"], prepare));
}

#[test]
fn release_of_a_held_message() {
    check(&command(Promise::Releases, &["release", "{id}"], |world| vec![bystander(world)]));
}
