//! Many at once: no twin, no gap, and nothing lost when they are killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::world::{MAIL, World};

fn counts(world: &World) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in world.trace() {
        *counts.entry(line).or_insert(0) += 1;
    }
    counts
}

#[test]
fn eight_flushes_and_eight_enqueuers_deliver_each_recipient_once() {
    let world = World::with_relay("");
    world.relay("trace \"$3\"; cat >/dev/null", "parallel = 2");
    let world = &world;
    let enqueuers = std::sync::atomic::AtomicUsize::new(8);
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let enqueuers = &enqueuers;
            scope.spawn(move || {
                for n in 0..125 {
                    world.enqueue(&[&format!("r{caller}.{n}@x")]);
                }
                enqueuers.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            });
        }
        for _ in 0..8 {
            let enqueuers = &enqueuers;
            scope.spawn(move || {
                while enqueuers.load(std::sync::atomic::Ordering::SeqCst) > 0 {
                    world.mspool(&["flush"]).run().ok();
                }
            });
        }
    });
    world.flush();
    let counts = counts(world);
    assert_eq!(counts.len(), 1000);
    assert!(counts.values().all(|count| *count == 1));
    assert_eq!(world.files("sent").len(), 1000);
}

#[test]
fn several_recipients_and_transports_get_each_message_once() {
    let world = World::at_noon();
    let script = world.script("one", "trace \"$MSPOOL_ID $1\"; cat >/dev/null");
    world.config(&format!(
        "[transport.a]\nmatch = [\"*@a\"]\nparallel = 3\ncommand = [{script:?}, \"{{recipient}}\"]\n\
         [transport.b]\nparallel = 2\ncommand = [{script:?}, \"{{recipient}}\"]\n"
    ));
    for n in 0..60 {
        world.enqueue(&[&format!("{n}@a"), &format!("{n}@b"), "x@a", "x@b"]);
    }
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| world.mspool(&["flush"]).run().ok());
        }
    });
    world.flush();
    let counts = counts(&world);
    assert_eq!(counts.len(), 240);
    assert!(counts.values().all(|count| *count == 1), "{:?}", counts.iter().find(|(_, count)| **count > 1));
    assert_eq!(world.files("sent").len(), 60);
}

#[test]
fn a_watch_with_several_threads_gives_each_recipient_one_hand_off() {
    let world = World::at_noon();
    let script = world.script("one", "trace \"$MSPOOL_ID $1\"; cat >/dev/null; sleep 0.02");
    world.config(&format!("[transport.a]\nparallel = 3\ncommand = [{script:?}, \"{{recipient}}\"]\n"));
    let child = world.mspool(&["watch"]).start();
    for _ in 0..60 {
        world.enqueue(&["a@x", "b@x"]);
    }
    crate::world::wait_for("all mail", || world.files("sent").len() == 60);
    crate::world::signal(&child, "TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!((counts(&world).len(), world.trace().len()), (120, 120));
}

#[test]
fn a_storm_of_kills_loses_nothing() {
    let world = World::with_relay("");
    world.relay("cat >/dev/null && echo \"$3\" >>\"$TRACE\" || exit 75", "parallel = 2");
    let mut accepted = Vec::new();
    let end = Instant::now() + Duration::from_secs(8);
    let mut number = 0;
    while Instant::now() < end {
        let mut flushes: Vec<_> = (0..3).map(|_| world.mspool(&["flush"]).start()).collect();
        let mut enqueues = Vec::new();
        for _ in 0..4 {
            let address = format!("r{number}@x");
            enqueues.push((address.clone(), world.mspool(&["enqueue", &address]).input(MAIL).start()));
            number += 1;
        }
        std::thread::sleep(Duration::from_millis(number as u64 * 7 % 23));
        for child in &mut flushes {
            let _ = child.kill();
        }
        for (index, (address, mut child)) in enqueues.into_iter().enumerate() {
            if index == number % 4 {
                let _ = child.kill();
            }
            let output = child.wait_with_output().unwrap();
            if !output.stdout.is_empty() {
                accepted.push(address);
            }
        }
        flushes.into_iter().for_each(|child| drop(child.wait_with_output()));
    }
    // Transports of killed runners may live on for a moment, and keep their messages claimed.
    crate::world::wait_for("an empty queue", || {
        let ran = world.mspool(&["flush", "--force"]).run();
        assert!(matches!(ran.code, 0 | 74), "{ran:?}");
        world.files("new").is_empty() && world.files("cur").is_empty()
    });
    let counts = counts(&world);
    assert!(accepted.len() > 20);
    for address in &accepted {
        assert!(counts.contains_key(address), "{address} was accepted and never delivered");
    }
    assert!(world.files("corrupt").is_empty() && world.files("failed").is_empty());
}

#[test]
fn a_message_that_is_there_is_never_called_missing() {
    let world = World::with_relay("cat >/dev/null");
    let mbox: String = (0..3000).map(|n| format!("From x Mon\nSubject: {n}\n\nbody\n\n")).collect();
    let out = world.mspool(&["enqueue", "--mbox", "bob@x"]).input(mbox).run().ok();
    let ids: Vec<&str> = out.lines().collect();
    let (new, cur) = (world.spool().join("out/new"), world.spool().join("out/cur"));
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // As runs do: from one directory to the other and back, with other names.
            for round in 0_u64.. {
                for id in &ids {
                    if stop.load(std::sync::atomic::Ordering::SeqCst) {
                        return;
                    }
                    let late = cur.join(format!("{id},T={}", crate::world::NOON + 3600 + round % 2));
                    let (from, to) = if round % 2 == 0 { (new.join(id), late) } else { (late, new.join(id)) };
                    let from =
                        if from.exists() { from } else { cur.join(format!("{id},T={}", crate::world::NOON + 3600)) };
                    let _ = std::fs::rename(from, to);
                }
            }
        });
        let mut found = 0;
        for id in ids.iter().step_by(75) {
            let ran = world.mspool(&["report", id]).run();
            assert!(matches!(ran.code, 0 | 75), "{ran:?}");
            found += u32::from(ran.code == 0);
        }
        assert!(found > 0);
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    let id = "1777636800.M000000P1Q0R00000000.elsewhere";
    world.mspool(&["report", id]).run().fails(66, id);
}

#[test]
fn a_run_in_another_container_is_seen() {
    let inside = ["-pf", "--mount-proc"];
    if !crate::world::can_run("unshare", &[&inside[..], &["true"]].concat()) {
        eprintln!("skipped: no namespace of processes can be made here");
        return;
    }
    let world = World::with_relay("trace go; cat >/dev/null; while ! test -e \"$HOME/open\"; do sleep 0.02; done");
    let id = world.enqueue(&["bob@x"]);
    let mspool = crate::world::binary();
    let child = world.program(Path::new("unshare"), &[&inside[..], &[mspool.as_str(), "flush"]].concat()).start();
    crate::world::wait_for("the attempt", || !world.trace().is_empty());
    assert_eq!(world.report(&id)["active"], true);
    assert_eq!(world.json(&["report", "status", "--json"])[1]["runner"], "flush");
    std::fs::write(world.path("home/open"), "").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(world.report(&id)["active"], false);
}
