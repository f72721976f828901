//! The spool itself: layout, trust, what does not belong there, what is removed in time.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::world::{MAIL, NOON, World, is_root};

#[test]
fn a_queue_file_is_an_envelope_line_and_the_message() {
    let world = World::at_noon();
    let id = world.enqueue(&["-f", "joe@x", "bob@x", "FAX:1"]);
    let bytes = fs::read_to_string(world.find(&id).unwrap().1).unwrap();
    let (line, message) = bytes.split_once('\n').unwrap();
    assert_eq!(message, MAIL);
    let envelope: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(envelope["size"], MAIL.len());
    assert_eq!(envelope["sender"], "joe@x");
    assert_eq!(envelope["recipients"][1], serde_json::json!({"type": "FAX", "address": "1"}));
    assert_eq!(fs::read_to_string(world.spool().join("version")).unwrap(), "2\n");
}

#[test]
fn a_spool_of_today_is_read_by_every_later_version() {
    let world = World::with_relay("trace \"$3\"; cat >>\"$TRACE\"");
    world.flush();
    let id = "1777636000.M000001P7Q0R0badcafe.host";
    let line = "{\"size\":6                   ,\"id\":\"1777636000.M000001P7Q0R0badcafe.host\",\"arrival\":\"2026-05-01T11:46:40Z\",\"sender\":\"joe@x\",\"recipients\":[{\"type\":\"SMTP\",\"address\":\"a@x\"},{\"type\":\"SMTP\",\"address\":\"b@x\"}],\"later\":1}\n";
    fs::write(world.spool().join(format!("out/cur/{id},T=1777636300")), format!("{line}A: b\n\n")).unwrap();
    let log = "{\"at\":\"2026-05-01T11:46:40Z\",\"event\":\"attempt\",\"transport\":\"relay\",\"attempt\":1,\"recipients\":[0,1]}\n{\"at\":\"2026-05-01T11:46:41Z\",\"event\":\"result\",\"transport\":\"relay\",\"results\":[{\"recipients\":[0],\"state\":\"delivered\",\"status\":\"2.0.0\"},{\"recipients\":[1],\"state\":\"owed\",\"status\":\"4.0.0\",\"next\":\"2026-05-01T11:51:40Z\"}]}\n";
    fs::write(world.spool().join("log").join(id), log).unwrap();
    world.flush();
    assert_eq!(world.trace(), ["b@x", "A: b", ""]);
    assert_eq!(world.state(id), "sent");
}

#[test]
fn a_spool_of_the_version_before_is_carried_over() {
    let world = World::with_relay("trace \"$3\"; cat >/dev/null");
    let id = world.enqueue(&["bob@x"]);
    let version = world.spool().join("version");
    fs::write(&version, "1\n").unwrap();
    // A runner of that version does not know the marks in names. The first versions locked the file, later ones marked it.
    let runner = world.spool().join("state/runner.watch");
    let locked = fs::File::create(&runner).unwrap();
    locked.lock_shared().unwrap();
    for args in [&["flush"][..], &["report"], &["enqueue", "ann@x"]] {
        let ran = world.mspool(args).input(MAIL).run();
        ran.fails(75, "mspool watch of an earlier version is running on this spool");
    }
    assert_eq!((fs::read_to_string(&version).unwrap().as_str(), world.trace().len()), ("1\n", 0));
    locked.unlock().unwrap();
    world.mspool(&["report"]).run().ok();
    assert_eq!(fs::read_to_string(&version).unwrap(), "2\n");
    world.flush();
    assert_eq!((world.state(&id).as_str(), world.trace()), ("sent", vec!["bob@x".to_owned()]));
}

#[test]
fn of_two_names_that_a_power_failure_left_the_younger_counts() {
    let cases = [
        ("cur", "A", "sent", "TAR", 0),
        ("new", "", "cur", "AR", 0),
        ("cur", "A", "cur", "AR", 0),
        ("new", "", "cur", "A", 1),
        ("tmp", "", "new", "", 1),
    ];
    for (older, older_marks, younger, younger_marks, deliveries) in cases {
        let world = World::with_relay("trace go; cat >/dev/null");
        let id = world.enqueue(&["bob@x"]);
        world.flush();
        let full = world.find(&id).unwrap().1.file_name().unwrap().to_str().unwrap().to_owned();
        world.put_back(&id, younger, younger_marks);
        let kept = |mark: &&str| *mark == id || mark.starts_with(|letter| older_marks.contains(letter));
        let other = full.split(',').filter(kept).collect::<Vec<_>>().join(",");
        let other = world.spool().join("out").join(older).join(other);
        fs::hard_link(world.find(&id).unwrap().1, &other).unwrap();
        world.flush();
        assert_eq!(world.trace().len(), 1 + deliveries, "{older} {younger}");
        assert!(!other.exists(), "{older} {younger}");
        assert_eq!(world.state(&id), "sent", "{older} {younger}");
    }
    // Finished messages are claimed by no run: the sweep settles them when their time is up.
    let mut world = World::with_relay("trace go; cat >/dev/null");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    let sent = world.find(&id).unwrap().1;
    fs::hard_link(&sent, world.spool().join("out/failed").join(sent.file_name().unwrap())).unwrap();
    for hours in [9 * 24, 9 * 24 + 2] {
        world.run_machine_until(NOON + hours * 3600);
        world.flush();
    }
    assert_eq!((world.find(&id), world.trace().len()), (None, 1));
    // A name outside of the spool is no work of a power failure.
    let world = World::with_relay("trace go; cat >/dev/null");
    let id = world.enqueue(&["bob@x"]);
    fs::hard_link(world.find(&id).unwrap().1, world.path("elsewhere")).unwrap();
    world.mspool(&["flush"]).run().says("has a second name elsewhere");
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("new", 0));
}

#[test]
fn works_from_odd_places() {
    for name in ["a b/c'd/e\"f", "-x", "ümlaut", "deep/er/and/deep/er", "new\nline"] {
        let world = World::at_noon();
        let path = world.path(name);
        let run = |args: &[&str]| world.mspool(args).env("MSPOOL_SPOOL", &path);
        run(&["enqueue", "root"]).input(MAIL).run().ok();
        run(&["flush"]).run().silent();
        assert_eq!(fs::read_dir(path.join("out/sent")).unwrap().count(), 1, "{name:?}");
    }
}

#[test]
fn a_relative_path_is_taken_from_here() {
    let world = World::at_noon();
    let there = world.path("there");
    fs::create_dir(&there).unwrap();
    world.mspool(&["--spool", "mail/spool", "enqueue", "root"]).current_dir(&there).input(MAIL).run().ok();
    world.mspool(&["--spool", "mail/../mail/spool", "flush"]).current_dir(&there).run().silent();
    assert_eq!(fs::read_dir(there.join("mail/spool/inbox/new")).unwrap().count(), 1);
}

#[test]
fn another_version_is_refused_and_not_touched() {
    let world = World::new();
    world.enqueue(&["bob@x"]);
    fs::write(world.spool().join("version"), "3\n").unwrap();
    world.mspool(&["enqueue", "bob@x"]).input(MAIL).run().fails(78, "version");
    world.mspool(&["flush"]).run().fails(78, "layout version \"3\" is not supported");
    assert_eq!(world.files("new").len(), 1);
}

#[test]
fn a_directory_with_other_things_in_it_is_no_spool() {
    let world = World::new();
    fs::create_dir(world.spool()).unwrap();
    fs::set_permissions(world.spool(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(world.spool().join("letter"), "dear").unwrap();
    world.mspool(&["enqueue", "bob@x"]).input(MAIL).run().fails(78, "not a spool and not empty");
    assert_eq!(fs::read_dir(world.spool()).unwrap().count(), 1);
}

#[test]
fn a_layout_that_was_begun_is_finished() {
    let world = World::new();
    fs::create_dir_all(world.spool().join("out/tmp")).unwrap();
    fs::set_permissions(world.spool(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(world.spool().join("out"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(world.spool().join("out/tmp"), fs::Permissions::from_mode(0o700)).unwrap();
    let id = world.enqueue(&["bob@x"]);
    assert_eq!(world.state(&id), "new");
}

#[test]
fn a_spool_that_cannot_be_made_says_so() {
    let world = World::new();
    fs::write(world.path("file"), "").unwrap();
    let path = world.path("file/spool");
    let ran = world.mspool(&["enqueue", "bob@x"]).env("MSPOOL_SPOOL", &path).input(MAIL).run();
    assert!(matches!(ran.code, 73 | 74), "{ran:?}");
    ran.says("file/spool");
}

#[test]
fn a_spool_that_others_can_write_or_own_is_refused() {
    let world = World::new();
    world.enqueue(&["bob@x"]);
    for mode in [0o777, 0o770, 0o702] {
        fs::set_permissions(world.spool(), fs::Permissions::from_mode(mode)).unwrap();
        for verb in ["flush", "report", "watch"] {
            world.mspool(&[verb]).run().fails(78, "chmod go-w");
        }
        world.mspool(&["enqueue", "bob@x"]).input(MAIL).run().fails(78, "chmod go-w");
    }
    fs::set_permissions(world.spool(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(world.spool().join("out/new"), fs::Permissions::from_mode(0o777)).unwrap();
    world.mspool(&["flush"]).run().fails(78, "out/new");
    fs::set_permissions(world.spool().join("out/new"), fs::Permissions::from_mode(0o700)).unwrap();
    if is_root() {
        std::os::unix::fs::chown(world.spool(), Some(65534), None).unwrap();
        world.mspool(&["report"]).run().fails(78, "belongs to user 65534");
    }
}

#[test]
fn a_parent_open_to_all_is_refused_unless_sticky() {
    let world = World::new();
    let parent = world.path("open");
    fs::create_dir(&parent).unwrap();
    let spool = parent.join("spool");
    let run = || world.mspool(&["enqueue", "bob@x"]).env("MSPOOL_SPOOL", &spool).input(MAIL).run();
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o777)).unwrap();
    run().fails(78, "chmod go-w");
    fs::set_permissions(&parent, fs::Permissions::from_mode(0o1777)).unwrap();
    run().ok();
}

/// Puts something at a name in `out/new` and says whether a flush left it and the canary alone.
fn stray(make: impl Fn(&Path, &Path)) {
    let world = World::with_relay("trace go; cat >/dev/null");
    let good = world.enqueue(&["bob@x"]);
    let canary = world.path("canary");
    fs::write(&canary, "canary").unwrap();
    let name = world.spool().join("out/new/1777636000.M000001P7Q0R0badcafe.host");
    make(&canary, &name);
    let ran = world.mspool(&["flush"]).run();
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.says("left alone");
    assert_eq!((world.trace().len(), world.state(&good).as_str()), (1, "sent"));
    assert!(fs::symlink_metadata(&name).is_ok());
    assert_eq!(fs::read_to_string(&canary).unwrap(), "canary");
}

#[test]
fn links_pipes_devices_and_directories_are_left_alone() {
    stray(|canary, name| std::os::unix::fs::symlink(canary, name).unwrap());
    stray(|canary, name| fs::hard_link(canary, name).unwrap());
    stray(|_, name| fs::create_dir(name).unwrap());
    stray(|_, name| assert!(std::process::Command::new("mkfifo").arg(name).status().unwrap().success()));
    stray(|_, name| drop(std::os::unix::net::UnixListener::bind(name)));
    stray(|_, name| std::os::unix::fs::symlink("/dev/zero", name).unwrap());
}

#[test]
fn a_name_that_is_none_of_ours_is_left_alone() {
    let world = World::with_relay("cat >/dev/null");
    world.flush();
    let name = world.spool().join("out/new/../new/weird:2,S");
    fs::write(&name, "x").unwrap();
    world.mspool(&["flush"]).run().says("not a message of this spool");
    assert!(name.exists());
}

#[test]
fn a_directory_swapped_for_a_link_is_refused() {
    for part in ["out/new", "out/tmp", "out/cur", "log", "state", "out", "in"] {
        let world = World::with_relay("cat >/dev/null");
        world.enqueue(&["bob@x"]);
        let (path, away) = (world.spool().join(part), world.path("away"));
        fs::rename(&path, &away).unwrap();
        std::os::unix::fs::symlink(&away, &path).unwrap();
        let before = fs::read_dir(&away).unwrap().count();
        let ran = world.mspool(&["flush"]).run();
        ran.fails(78, "is a symbolic link");
        assert_eq!(fs::read_dir(&away).unwrap().count(), before, "{part}");
    }
}

#[test]
fn every_damage_to_an_envelope_sets_the_message_aside() {
    let world = World::with_relay("trace \"$1 $3\"; cat >/dev/null");
    let id = world.enqueue(&["-f", "joe@x", "bob@x"]);
    let (_, path) = world.find(&id).unwrap();
    let good = fs::read(&path).unwrap();
    let line = good.iter().position(|byte| *byte == b'\n').unwrap();
    let name = path.file_name().unwrap().to_owned();
    for cut in (0..good.len()).step_by(7) {
        fs::write(world.spool().join("out/new").join(&name), &good[..cut]).unwrap();
        // It may never have been accepted: no error.
        let ran = world.mspool(&["flush"]).run();
        ran.says("is cut short, perhaps by a power failure before it was accepted");
        assert_eq!(ran.code, 0);
        assert_eq!(fs::read(world.spool().join("out/corrupt").join(&name)).unwrap(), good[..cut]);
        fs::remove_file(world.spool().join("out/corrupt").join(&name)).unwrap();
        fs::remove_file(world.spool().join("log").join(&id)).unwrap();
    }
    assert!(world.trace().is_empty());
    for at in (0..line).step_by(3) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x11;
        fs::write(world.spool().join("out/new").join(&name), &bytes).unwrap();
        let ran = world.mspool(&["flush"]).run();
        assert!(matches!(ran.code, 0 | 74 | 78), "{at}: {ran:?}");
        for state in ["sent", "failed", "cur", "corrupt", "new"] {
            for path in world.files(state) {
                fs::remove_file(path).unwrap();
            }
        }
        let _ = fs::remove_file(world.spool().join("log").join(&id));
    }
}

#[test]
fn no_damage_to_an_envelope_changes_the_message() {
    let step = std::env::var("MSPOOL_DAMAGE").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let world = World::with_relay("trace \"$# $MSPOOL_ID $MSPOOL_RECIPIENTS\"; cat >\"$HOME/given\"");
    let id = world.enqueue(&["-f", "joe@x", "--envid", "E1", "--orcpt", "bob@x=rfc822;bob@y", "--", "bob@x"]);
    let (_, path) = world.find(&id).unwrap();
    let good = fs::read(&path).unwrap();
    let line = good.iter().position(|byte| *byte == b'\n').unwrap();
    let mut damaged: Vec<Vec<u8>> = Vec::new();
    for at in (0..=line).step_by(step) {
        for byte in [good[at] ^ 1, good[at] ^ 0x20, b'\n', b'"', 0, 0xff].into_iter().filter(|byte| *byte != good[at]) {
            let mut bytes = good.clone();
            bytes[at] = byte;
            damaged.push(bytes);
        }
        damaged.push([&good[..at], &good[at + 1..]].concat());
        damaged.push([&good[..at], b"0", &good[at..]].concat());
    }
    damaged.extend((0..good.len()).step_by(step).map(|end| good[..end].to_vec()));
    let (mut aside, count) = (0, damaged.len());
    let at_checksum = [b",\"sum\":\"", &b"\",\"line\":\""[..]];
    assert!(at_checksum.iter().all(|text| good.windows(text.len()).any(|found| found == *text)));
    for bytes in damaged {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        fs::write(world.spool().join("out/new").join(&id), &bytes).unwrap();
        let ran = world.mspool(&["-q", "flush"]).run();
        assert!(matches!(ran.code, 0 | 74 | 78), "{ran:?}: {text}");
        for words in world.trace() {
            let words: Vec<&str> = words.split(' ').collect();
            assert!(words[0] == "3" && words[1] == id && words.len() == 3, "{words:?}: {text}");
            assert_eq!(fs::read(world.path("home/given")).unwrap(), MAIL.as_bytes(), "{text}");
        }
        aside += world.files("corrupt").len();
        let used = ["new", "cur", "sent", "failed", "corrupt"].into_iter().flat_map(|state| world.files(state));
        used.for_each(|path| fs::remove_file(path).unwrap());
        let _ = fs::remove_file(world.spool().join("log").join(&id));
        let _ = fs::remove_file(world.path("trace"));
    }
    assert_eq!(aside, count, "every damage is seen");
}

#[test]
fn no_flipped_bit_is_handed_over() {
    let count = std::env::var("MSPOOL_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(400);
    let world = World::with_relay("trace \"$MSPOOL_ID\"; cat >/dev/null");
    world.relay("trace \"$MSPOOL_ID\"; cat >/dev/null", "parallel = 4");
    let long = "0123456789abcdef\n".repeat(1200);
    let mbox: String = (0..count)
        .map(|n| format!("From x Mon\nSubject: {n}\n\n{}\n", if n % 4 == 0 { &long } else { "body\n" }))
        .collect();
    world.mspool(&["enqueue", "--mbox", "-f", "joe@x", "bob@x"]).input(mbox).run().ok();
    let mut random = crate::world::Seeded(0x5eed_0001);
    for path in world.files("new") {
        let mut bytes = fs::read(&path).unwrap();
        match random.below(20) {
            0 => bytes.truncate(random.below(bytes.len() as u64) as usize),
            1 => {
                // The end of the file never reached the disk.
                let from = random.below(bytes.len() as u64 - 1) as usize;
                bytes[from..].fill(0);
            }
            _ => {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << random.below(8);
            }
        }
        fs::write(path, bytes).unwrap();
    }
    let ran = world.mspool(&["report", "check", "--deep"]).run();
    assert_eq!(ran.code, 78);
    assert_eq!(ran.out.matches("BAD messages").count() + ran.out.matches("warn messages").count(), count);
    let ran = world.mspool(&["-q", "flush"]).run();
    assert_eq!((ran.code, world.trace().len(), world.files("corrupt").len()), (74, 0, count));
}

#[test]
fn a_file_with_the_message_of_another_is_not_handed_over() {
    let world = World::with_relay("trace \"$MSPOOL_ID\"; cat >/dev/null");
    let ids = [
        world.enqueue_bytes(b"Subject: 1\n\none\n", &["bob@x"]),
        world.enqueue_bytes(b"Subject: 2\n\ntwo\n", &["eve@x"]),
    ];
    let paths = ids.clone().map(|id| world.find(&id).unwrap().1);
    let parts = paths.clone().map(|path| {
        let bytes = fs::read(path).unwrap();
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        (bytes[..=end].to_vec(), bytes[end + 1..].to_vec())
    });
    fs::write(&paths[0], [&parts[0].0[..], &parts[1].1].concat()).unwrap();
    fs::write(&paths[1], [&parts[0].0[..], &parts[0].1].concat()).unwrap();
    assert_eq!(world.mspool(&["-q", "flush"]).run().code, 74);
    assert_eq!((world.trace().len(), world.files("corrupt").len()), (0, 2));
}

#[test]
fn a_message_of_a_version_without_checksums_is_sent() {
    let world = World::with_relay("trace \"$MSPOOL_ID\"; cat >\"$HOME/given\"");
    let id = world.enqueue(&["bob@x"]);
    let path = world.find(&id).unwrap().1;
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(",\"sum\":").unwrap();
    let (_, rest) = rest.split_once(",\"id\":").unwrap();
    fs::write(&path, format!("{head},\"id\":{rest}")).unwrap();
    world.mspool(&["report", "check", "--deep"]).run().ok();
    world.flush();
    assert_eq!(
        (world.state(&id).as_str(), fs::read_to_string(world.path("home/given")).unwrap().as_str()),
        ("sent", MAIL)
    );
}

#[test]
fn corrupt_messages_are_shown_with_the_reason() {
    let world = World::new();
    let id = world.enqueue(&["bob@x"]);
    fs::write(world.find(&id).unwrap().1, "{ whole }\n").unwrap();
    world.mspool(&["flush"]).run().says("moved to corrupt");
    assert_eq!(world.state(&id), "corrupt");
    let line = &world.json(&["report", "--json"])[0];
    assert_eq!((line["state"].as_str(), line["id"].as_str()), (Some("corrupt"), Some(id.as_str())));
    assert!(world.mspool(&["report"]).run().ok().contains("envelope does not have its checksum"));
}

#[test]
fn what_a_power_failure_cut_short_is_set_aside_and_is_no_error() {
    let torn = |bytes: &[u8], way: usize| match way {
        0 => Vec::new(),
        1 => bytes[..30].to_vec(),
        2 => bytes[..bytes.len() - 1].to_vec(),
        3 => vec![0; bytes.len()],
        _ => [&bytes[..4096], &vec![0; bytes.len() - 4096][..]].concat(),
    };
    for place in ["out/new", "in/new"] {
        let mut world = World::with_relay("trace \"$MSPOOL_ID\"; cat >/dev/null");
        world.flush();
        let body = "0123456789abcdef\n".repeat(600);
        let ids: Vec<String> = (0..5).map(|_| world.enqueue_bytes(body.as_bytes(), &["bob@x"])).collect();
        for (way, id) in ids.iter().enumerate() {
            let bytes = fs::read(world.find(id).unwrap().1).unwrap();
            fs::remove_file(world.find(id).unwrap().1).unwrap();
            fs::write(world.spool().join(place).join(id), torn(&bytes, way)).unwrap();
        }
        let ran = world.mspool(&["flush"]).run();
        assert_eq!((ran.code, ran.err.matches("perhaps by a power failure").count()), (0, 5), "{ran:?}");
        assert_eq!((world.trace().len(), world.files("corrupt").len()), (0, 5), "{place}");
        let ran = world.mspool(&["report", "check", "--deep"]).run();
        assert_eq!((ran.code, ran.out.matches("perhaps by a power failure").count()), (1, 5), "{ran:?}");
        for id in &ids {
            let log = world.mspool(&["report", "log", id]).run().ok();
            assert_eq!(log.matches("cut short, perhaps by a power failure").count(), 1, "{log}");
            assert!(log.lines().count() == 1, "{log}");
        }
        world.run_machine_until(NOON + 2 * 3600);
        world.flush();
        world.run_machine_until(NOON + 29 * 86_400);
        world.flush();
        assert_eq!(world.files("corrupt").len(), 5);
        world.run_machine_until(NOON + 31 * 86_400);
        world.flush();
        // The empty one, and the one of zeros: of the others something is left, and a disk may have cut accepted mail.
        assert_eq!(world.files("corrupt").len(), 3);
    }
}

#[test]
fn damage_that_no_power_failure_makes_is_an_error() {
    let zeros = [b"Subject: z\n\n".as_slice(), &[0; 4_000], b"end"].concat();
    // In the header of the first, and the end of the envelope of the second.
    for (message, behind) in [(zeros.as_slice(), 5), (b"Subject: one line".as_slice(), 0)] {
        let world = World::with_relay("trace \"$MSPOOL_ID\"; cat >/dev/null");
        let id = world.enqueue_bytes(message, &["bob@x"]);
        let path = world.find(&id).unwrap().1;
        let mut bytes = fs::read(&path).unwrap();
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        bytes[line + behind] ^= 4;
        fs::write(&path, bytes).unwrap();
        let ran = world.mspool(&["flush"]).run();
        ran.says("was moved to corrupt");
        assert_eq!((ran.code, world.trace().len()), (74, 0));
    }
}

#[test]
fn what_was_attempted_is_never_taken_for_cut_short() {
    let mut world = World::with_relay("trace \"$MSPOOL_ID\"; cat >/dev/null; exit 75");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    let path = world.find(&id).unwrap().1;
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    world.clock = Some(NOON + 3600);
    let ran = world.mspool(&["flush"]).run();
    ran.says("was moved to corrupt");
    assert_eq!(ran.code, 74);
    world.run_machine_until(NOON + 90 * 86_400);
    world.mspool(&["flush"]).run().ok();
    assert_eq!(world.state(&id), "corrupt", "it may be the only copy of accepted mail");
}

#[test]
fn finished_mail_goes_when_its_time_is_up() {
    let mut world = World::with_relay("cat >/dev/null; case $3 in no*) exit 67;; esac");
    let sent = world.enqueue(&["bob@x"]);
    let kept = world.enqueue(&["--keep", "bob@x"]);
    let failed = world.enqueue(&["no@x"]);
    world.mspool(&["flush"]).run().says("no@x");
    let day = 86_400;
    for (days, expected) in [(6, [true, true, true]), (8, [false, true, true]), (31, [false, true, false])] {
        world.run_machine_until(NOON + days * day);
        world.flush();
        let there = [&sent, &kept, &failed].map(|id| world.find(id).is_some());
        assert_eq!(there, expected, "{days}");
        let has_log = |id: &String| world.spool().join("log").join(id).exists();
        assert!(!has_log(&sent) && !has_log(&kept), "their names tell everything");
        assert_eq!(has_log(&failed), expected[2], "{days}");
    }
}

#[test]
fn what_killed_runs_left_is_swept_in_time_and_by_no_wrong_clock() {
    let mut world = World::with_relay("cat >/dev/null");
    world.flush();
    let path = |name: &str| world.spool().join(name);
    let dead = [
        path("out/tmp/1777600000.M000001P7Q0R0badcafe.host"),
        path("in/tmp/1777600000.M000002P7Q0R0badcafe.host"),
        path("state/.relay.json.7"),
    ];
    let work = path("work/1777600000.M000001P7Q0R0badcafe.host.relay.0");
    let (living, stranger) = (path("out/tmp/1777600000.M000003P7Q0R0badcafe.host"), path("out/tmp/notes"));
    for path in dead.iter().chain([&living, &stranger]) {
        fs::write(path, "half").unwrap();
        let ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_777_600_000);
        fs::File::options().write(true).open(path).unwrap().set_modified(ago).unwrap();
    }
    fs::create_dir(&work).unwrap();
    fs::write(work.join("part"), "half").unwrap();
    let lock = fs::File::open(&living).unwrap();
    lock.lock().unwrap();
    let there = || (dead.clone().map(|path| path.exists()), work.exists(), living.exists(), stranger.exists());
    // A clock that is years ahead for some runs, each a sweep.
    for days in [0, 1, 4000, 4001, 1] {
        world.clock = Some(NOON + days * 86_400);
        world.flush();
    }
    assert_eq!(there(), ([true; 3], true, true, true));
    world.run_machine_until(NOON + 4 * 86_400);
    world.flush();
    assert_eq!(there(), ([false; 3], false, true, true));
}

#[test]
fn a_log_without_a_message_is_swept() {
    let mut world = World::with_relay("cat >/dev/null");
    let id = world.enqueue(&["--keep", "bob@x"]);
    // What the log says is kept as long as the message.
    fs::write(world.spool().join("log").join(&id), "torn\n").unwrap();
    world.flush();
    let orphan = world.spool().join("log/1777600000.M000001P7Q0R0badcafe.host");
    fs::write(&orphan, "").unwrap();
    world.clock = Some(NOON + 3 * 86_400);
    world.flush();
    assert!(!orphan.exists() && world.spool().join("log").join(&id).exists());
}

#[test]
fn a_torn_log_line_counts_for_nothing_and_spoils_nothing() {
    let world = World::with_relay("trace go; cat >/dev/null");
    let id = world.enqueue(&["bob@x"]);
    fs::write(world.spool().join("log").join(&id), "{\"at\":\"2026-05-01T12:00:00Z\",\"event\":\"resu").unwrap();
    world.flush();
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("sent", 1));
    let log = fs::read_to_string(world.spool().join("log").join(&id)).unwrap();
    assert_eq!(log.lines().count(), 3);
}

#[test]
fn what_is_logged_leaves_the_name() {
    let world = World::with_relay("trace go; cat >/dev/null; exit 75");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    let name = world.find(&id).unwrap().1.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.starts_with(&format!("{id},T=")) && !name.contains(",A="), "{name}");
    let log = fs::read_to_string(world.spool().join("log").join(&id)).unwrap();
    let events: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (events[0]["event"].as_str(), events[1]["event"].as_str(), events.len()),
        (Some("attempt"), Some("result"), 2)
    );
    // As if power had failed before the rename: the attempt is in the name and in the log, and counts once.
    let path = world.find(&id).unwrap().1;
    fs::rename(&path, path.with_file_name(format!("{id},A=relay:1777636800:0"))).unwrap();
    assert_eq!(world.report(&id)["recipients"][0]["attempts"], 1);
    world.flush();
    assert_eq!((world.trace().len(), world.due(&id).is_some()), (1, true), "it waits for its next attempt");
}

#[test]
fn a_run_that_died_before_the_move_is_finished_without_a_delivery() {
    let world = World::with_relay("trace go; cat >/dev/null");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    let name = world.find(&id).unwrap().1.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(name, format!("{id},T=604800,A=relay:1777636800:0,R=d:1777636800:0:2.0.0"));
    world.put_back(&id, "cur", "AR");
    world.flush();
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("sent", 1));
}
