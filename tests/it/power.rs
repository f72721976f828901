//! Power cuts: the machine dies the moment after exit 0.
//!
//! A filesystem in a file is mounted, used, shut down without its log being written, and mounted again. Needs root and
//! loop devices; says so and passes elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::world::{MAIL, World, is_root};

struct Mounted {
    image: PathBuf,
    at: PathBuf,
}

fn run(program: &str, args: &[&str]) -> bool {
    let status =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Mounted {
    fn new(world: &World, kind: &str) -> Option<Mounted> {
        let (image, at) = (world.path("image"), world.path("mounted"));
        fs::File::create(&image).unwrap().set_len(400 << 20).unwrap();
        fs::create_dir(&at).unwrap();
        let made = is_root() && run(&format!("mkfs.{kind}"), &["-q", image.to_str().unwrap()]);
        let mounted = Mounted { image, at };
        if made && mounted.mount() && mounted.can_be_cut() {
            return Some(mounted);
        }
        eprintln!("skipped: {kind} cannot be made, mounted and shut down here");
        None
    }

    fn mount(&self) -> bool {
        run("mount", &["-o", "loop", self.image.to_str().unwrap(), self.at.to_str().unwrap()])
    }

    fn can_be_cut(&self) -> bool {
        self.cut() && self.back()
    }

    /// The power goes: nothing that is only in memory reaches the disk any more.
    fn cut(&self) -> bool {
        run("xfs_io", &["-x", "-c", "shutdown", self.at.to_str().unwrap()])
    }

    /// The power comes back.
    fn back(&self) -> bool {
        run("umount", &[self.at.to_str().unwrap()]) && self.mount()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &["-l", self.at.to_str().unwrap()]);
    }
}

fn in_states(spool: &Path, states: &[&str]) -> Vec<String> {
    let names = states.iter().flat_map(|state| fs::read_dir(spool.join("out").join(state)).into_iter().flatten());
    names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn each_filesystem(test: impl Fn(&World, &Mounted, &Path)) {
    for kind in ["ext4", "xfs"] {
        let world = World::with_relay("cat >/dev/null; trace \"$MSPOOL_ID\"");
        let Some(mounted) = Mounted::new(&world, kind) else { continue };
        let spool = mounted.at.join("spool");
        test(&world, &mounted, &spool);
    }
}

#[test]
fn the_last_accepted_message_survives() {
    each_filesystem(|world, mounted, spool| {
        let mut accepted = Vec::new();
        for round in 0..6 {
            for _ in 0..=round {
                let ran = world.mspool(&["enqueue", "bob@x"]).env("MSPOOL_SPOOL", spool).input(MAIL).run();
                accepted.push(ran.ok().trim().to_owned());
            }
            assert!(mounted.cut() && mounted.back());
            let there = in_states(spool, &["new"]);
            for id in &accepted {
                assert!(there.contains(id), "{id} is gone");
            }
        }
        for id in &accepted {
            let bytes = fs::read(spool.join("out/new").join(id)).unwrap();
            assert!(bytes.ends_with(MAIL.as_bytes()));
        }
    });
}

#[test]
fn a_group_of_messages_survives_whole() {
    each_filesystem(|world, mounted, spool| {
        let mbox: String = (0..300).map(|n| format!("From x Mon\nSubject: {n}\n\nbody {n}\n\n")).collect();
        let ran = world.mspool(&["enqueue", "--mbox", "bob@x"]).env("MSPOOL_SPOOL", spool).input(mbox).run();
        let ids: Vec<String> = ran.ok().lines().map(str::to_owned).collect();
        assert!(mounted.cut() && mounted.back());
        let there = in_states(spool, &["new"]);
        assert!(ids.iter().all(|id| there.contains(id)));
        let ran = world.mspool(&["report", "check"]).env("MSPOOL_SPOOL", spool).run();
        assert_eq!(ran.code, 0, "{ran:?}");
    });
}

#[test]
fn a_message_is_whole_or_was_never_accepted() {
    each_filesystem(|world, mounted, spool| {
        let mut accepted = Vec::new();
        for round in 0..5u64 {
            let children: Vec<_> = (0..4)
                .map(|_| {
                    world.mspool(&["enqueue", "bob@x"]).env("MSPOOL_SPOOL", spool).input(MAIL.repeat(5000)).start()
                })
                .collect();
            // Somewhere in the middle of it.
            std::thread::sleep(std::time::Duration::from_millis(round * 3));
            assert!(mounted.cut());
            for child in children {
                let output = child.wait_with_output().unwrap();
                if output.status.success() {
                    accepted.push(String::from_utf8(output.stdout).unwrap().trim().to_owned());
                }
            }
            assert!(mounted.back());
            let ran = world.mspool(&["flush"]).env("MSPOOL_SPOOL", spool).run();
            assert!(matches!(ran.code, 0 | 74), "{ran:?}");
            for path in fs::read_dir(spool.join("out/sent")).unwrap().map(|entry| entry.unwrap().path()) {
                let bytes = fs::read(path).unwrap();
                assert!(bytes.ends_with(MAIL.repeat(5000).as_bytes()));
            }
        }
        let there: String = in_states(spool, &["new", "cur", "sent"]).join(" ");
        for id in &accepted {
            assert!(there.contains(id.as_str()), "{id} was accepted and is gone");
        }
    });
}

#[test]
fn what_a_finished_flush_delivered_is_not_delivered_again() {
    each_filesystem(|world, mounted, spool| {
        for _ in 0..20 {
            world.mspool(&["enqueue", "bob@x"]).env("MSPOOL_SPOOL", spool).input(MAIL).run().ok();
        }
        world.mspool(&["flush"]).env("MSPOOL_SPOOL", spool).run().silent();
        assert_eq!(world.trace().len(), 20);
        assert!(mounted.cut() && mounted.back());
        world.mspool(&["flush"]).env("MSPOOL_SPOOL", spool).run().silent();
        assert_eq!(world.trace().len(), 20);
        assert_eq!(in_states(spool, &["sent"]).len(), 20);
    });
}

/// What is in the Maildir of this spool or still waits to be filed there.
fn received(spool: &Path) -> usize {
    ["in/new", "inbox/new"].map(|name| fs::read_dir(spool.join(name)).map_or(0, Iterator::count)).iter().sum()
}

#[test]
fn a_received_message_survives() {
    each_filesystem(|world, mounted, spool| {
        for round in 1..=4 {
            world.mspool(&["receive", "--to", "me@laptop"]).env("MSPOOL_SPOOL", spool).input(MAIL).run().silent();
            assert!(mounted.cut() && mounted.back());
            assert_eq!(received(spool), round);
        }
        world.mspool(&["flush"]).env("MSPOOL_SPOOL", spool).run().silent();
        assert_eq!(fs::read_dir(spool.join("inbox/new")).unwrap().count(), 4, "once each");
    });
}

#[test]
fn a_report_survives_with_the_message_it_is_about() {
    each_filesystem(|world, mounted, spool| {
        world.relay("cat >/dev/null; exit 67", "");
        for round in 1..=3 {
            let args = ["enqueue", "-f", "joe@example.org", "bob@x"];
            world.mspool(&args).env("MSPOOL_SPOOL", spool).input(MAIL).run().ok();
            assert_eq!(world.mspool(&["-q", "flush"]).env("MSPOOL_SPOOL", spool).run().code, 0);
            assert!(mounted.cut() && mounted.back());
            assert_eq!(world.mspool(&["-q", "flush"]).env("MSPOOL_SPOOL", spool).run().code, 0);
            let reports = received(spool);
            assert!((round..=2 * round).contains(&reports), "{reports} reports on {round} messages");
            assert_eq!(in_states(spool, &["failed"]).len(), round);
        }
    });
}
