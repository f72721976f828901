//! Somebody else in the spool: links, strange files and races lead nowhere, and nothing is told or left open to others.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::world::{MAIL, NOON, Ran, Run, World, binary, is_root, wait_for};

const OLD_ID: &str = "1777600000.M000001P7Q0R0badcafe.host";

/// Runs a program that must not wait for anybody.
fn ends(run: Run) -> Ran {
    let mut child = run.start();
    wait_for("the end of the program", || child.try_wait().unwrap().is_some());
    Ran::from(child.wait_with_output().unwrap())
}

/// A file that no command may read, change or remove, and how it is.
struct Canary {
    path: PathBuf,
    bytes: Vec<u8>,
    mode: u32,
    modified: i64,
}

impl Canary {
    fn new(path: PathBuf, bytes: &[u8]) -> Canary {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_777_600_000);
        fs::File::options().write(true).open(&path).unwrap().set_modified(ago).unwrap();
        let facts = fs::metadata(&path).unwrap();
        Canary { path, bytes: bytes.to_vec(), mode: facts.mode(), modified: facts.mtime() }
    }

    #[track_caller]
    fn is_as_it_was(&self, what: &str) {
        assert_eq!(fs::read(&self.path).unwrap(), self.bytes, "{what}");
        let facts = fs::metadata(&self.path).unwrap();
        assert_eq!((facts.mode(), facts.mtime()), (self.mode, self.modified), "{what}");
    }
}

/// A world with a transport, a source and a hook, in which every file of `state` that they need is there.
fn world() -> World {
    let world = World::with_relay("cat >>\"$TRACE\"; case $3 in no*) exit 67;; later*) exit 75;; esac");
    let hook = world.script("hook", "cat >/dev/null");
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    let text = text.replace("types = [\"SMTP\"]\n", "types = [\"SMTP\"]\nresource = \"line\"\n");
    world.config(&format!(
        "{text}[inbound.pop]\nfetch = [\"/bin/false\"]\nack = [\"/bin/true\"]\n[[hook.inbound]]\ncommand = [{hook:?}]\n"
    ));
    for dir in ["new", "cur", "tmp"] {
        fs::create_dir_all(world.path("box").join(dir)).unwrap();
    }
    fs::write(world.path("box/new/1"), MAIL).unwrap();
    assert_eq!(run_all(&world, &[]), "");
    world
}

/// Runs commands that use every file of the spool's state, and gives what they complained of.
fn run_all(world: &World, ids: &[&str]) -> String {
    let mut complaints = String::new();
    let boxed = world.path("box");
    let boxed = boxed.to_str().unwrap();
    let lines: [&[&str]; 10] = [
        &["enqueue", "-f", "joe@x", "no@x"],
        &["receive", "--to", "joe@laptop"],
        &["-q", "flush", "--force"],
        &["receive", "--poll"],
        &["receive", "--in-place", boxed],
        &["flush", "--pause", "relay"],
        &["flush", "--resume", "relay"],
        &["report"],
        &["report", "status"],
        &["report", "check"],
    ];
    for args in lines {
        let ran = ends(world.mspool(args).input(MAIL));
        assert!(ran.code < 128 && ran.code >= 0 && ran.code != 70, "{args:?}: {ran:?}");
        complaints += &ran.err;
    }
    for id in ids {
        for verb in ["cancel", "hold", "release", "resend", "report", "flush"] {
            let ran = ends(world.mspool(&[verb, id]));
            assert!(ran.code < 128 && ran.code >= 0 && ran.code != 70, "{verb}: {ran:?}");
        }
    }
    complaints
}

#[test]
fn no_file_of_the_state_leads_anywhere_else() {
    let world = world();
    let names = |world: &World| -> Vec<PathBuf> {
        let entries = fs::read_dir(world.spool().join("state")).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.push(world.spool().join("version"));
        paths.retain(|path| path.is_file());
        paths
    };
    let paths = names(&world);
    assert!(paths.len() >= 8, "{paths:?}");
    // A link or a second name, in turns: one function refuses both.
    for (index, path) in paths.into_iter().enumerate() {
        let linked = index % 2 == 0;
        let kept = fs::read(&path).unwrap_or_default();
        let canary = Canary::new(world.path("canary"), if linked { b"canary\n" } else { &kept });
        let _ = fs::remove_file(&path);
        match linked {
            true => symlink(&canary.path, &path).unwrap(),
            false => fs::hard_link(&canary.path, &path).unwrap(),
        }
        let complaints = run_all(&world, &[]);
        canary.is_as_it_was(&format!("{} linked: {linked}", path.display()));
        let reason = if linked { "is a symbolic link" } else { "has 2 names" };
        let refused = complaints.contains(&format!("{} {reason}", path.display()));
        assert!(refused, "{} {reason}, and nobody says so: {complaints}", path.display());
        let _ = fs::remove_file(&path);
        fs::write(&path, kept).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(&canary.path).unwrap();
    }
    assert_eq!(ends(world.mspool(&["-q", "flush", "--force"])).code, 0, "it works again");
}

/// Puts a strange file at a path. Returns false if this user cannot make it.
fn strange(kind: &str, path: &Path, canary: &Canary) -> bool {
    let make = |program: &str, args: &[&str]| {
        let made = Command::new(program).args(args).output();
        made.is_ok_and(|output| output.status.success())
    };
    let text = path.to_str().unwrap();
    match kind {
        "link" => symlink(&canary.path, path).is_ok(),
        "link to nothing" => symlink("/nonexistent/canary", path).is_ok(),
        "link to a device" => symlink("/dev/zero", path).is_ok(),
        "second name" => fs::hard_link(&canary.path, path).is_ok(),
        "directory" => fs::create_dir(path).is_ok(),
        "FIFO" => make("mkfifo", &["-m", "600", text]),
        "socket" => std::os::unix::net::UnixListener::bind(path).is_ok(),
        "device" => is_root() && make("mknod", &["-m", "600", text, "c", "1", "5"]),
        _ => is_root() && fs::copy(&canary.path, path).is_ok() && chown(path, Some(65_534), None).is_ok(),
    }
}

#[test]
fn strange_files_are_neither_read_nor_waited_for_in_any_directory() {
    let kinds = [
        "link",
        "link to nothing",
        "link to a device",
        "second name",
        "directory",
        "FIFO",
        "socket",
        "device",
        "file of another user",
    ];
    if !is_root() {
        eprintln!("skipped: only root can make devices and files of others");
    }
    for kind in kinds {
        let world = world();
        let id = world.enqueue(&["later@x"]);
        let queued = fs::read_to_string(world.find(&id).unwrap().1).unwrap();
        // It is a message that would be sent, if anybody took it for one.
        let secret = queued.replace(&id, OLD_ID).replace("later@x", "canry@x").replace("Hello.", "canary");
        let canary = Canary::new(world.path("canary"), secret.as_bytes());
        let made = ["out/new", "out/cur", "out/hold", "out/tmp", "out/sent", "out/failed", "in/new", "in/tmp"]
            .map(|dir| world.spool().join(dir).join(OLD_ID));
        if !made.iter().all(|path| strange(kind, path, &canary)) {
            eprintln!("skipped: {kind}");
            continue;
        }
        let _ = fs::remove_file(world.spool().join("state/swept"));
        let before = world.trace().len();
        run_all(&world, &[OLD_ID]);
        canary.is_as_it_was(kind);
        assert!(!world.trace().iter().any(|line| line.contains("canary")), "{kind}");
        assert!(world.trace().len() > before, "{kind}: other mail goes on");
        assert!(!world.inbox().iter().any(|text| text.contains("canry@x")), "{kind}");
    }
}

/// Exchanges two names for as long as something runs, and counts how often.
fn while_exchanging(names: [&Path; 2], act: impl FnOnce(&AtomicUsize)) {
    /// Also ends the race when a test fails.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (ended, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _end = End(&ended);
        scope.spawn(|| {
            while !ended.load(Ordering::SeqCst) {
                if renameat_with(CWD, names[0], CWD, names[1], RenameFlags::EXCHANGE).is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
                std::thread::yield_now();
            }
        });
        act(&count);
    });
}

/// Runs of a race: a sample, or as many as MSPOOL_RACES says.
fn races(sample: usize) -> usize {
    std::env::var("MSPOOL_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(sample)
}

#[test]
fn a_message_exchanged_for_a_link_during_a_run_is_not_followed() {
    // A busy transport: the message keeps its name, so that the race goes on.
    let world = World::with_relay("cat >>\"$TRACE\"; exit 82");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    let path = world.find(&id).unwrap().1;
    let secret = fs::read_to_string(&path).unwrap().replace("Hello.", "canary").replace("bob@x", "can@x");
    for kind in ["link", "second name", "FIFO"] {
        let canary = Canary::new(world.path("canary"), secret.as_bytes());
        let path = world.find(&id).unwrap().1;
        let swap = world.spool().join("out/tmp/swap");
        if !strange(kind, &swap, &canary) {
            eprintln!("skipped: {kind}");
            continue;
        }
        while_exchanging([&path, &swap], |count| {
            for _ in 0..races(30) {
                let ran = ends(world.mspool(&["-q", "flush", "--force"]));
                assert!([0, 74, 78].contains(&ran.code), "{kind}: {ran:?}");
            }
            // It ends early when a run gives the message another name.
            assert!(count.load(Ordering::SeqCst) > 0, "there was a race");
        });
        canary.is_as_it_was(kind);
        assert!(!world.trace().iter().any(|line| line.contains("canary")), "{kind}");
        // The message is one of the two, wherever they are now.
        let found = ["out/new", "out/cur", "out/tmp"]
            .into_iter()
            .flat_map(|dir| fs::read_dir(world.spool().join(dir)).unwrap());
        let files: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
        let is_message = |path: &&PathBuf| {
            let facts = fs::symlink_metadata(path).unwrap();
            facts.is_file() && facts.nlink() == 1 && fs::read_to_string(path).unwrap().ends_with("Hello.\n")
        };
        let whole: Vec<&PathBuf> = files.iter().filter(is_message).collect();
        assert_eq!(whole.len(), 1, "{kind}: {files:?}");
        let kept = fs::read(whole[0]).unwrap();
        files.iter().for_each(|path| fs::remove_file(path).unwrap());
        fs::write(world.spool().join("out/cur").join(&id), kept).unwrap();
        let _ = fs::remove_file(&canary.path);
    }
    world.relay("cat >>\"$TRACE\"", "");
    world.mspool(&["-q", "flush", "--force"]).run().silent();
    assert_eq!(world.state(&id), "sent");
}

#[test]
fn a_sweep_removes_nothing_behind_a_link() {
    for dir in ["out/tmp", "out/sent", "out/failed", "log", "work", "in/tmp", "state"] {
        let mut world = world();
        world.run_machine_until(NOON + 60 * 86_400);
        let outside = world.path("outside");
        fs::create_dir(&outside).unwrap();
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o700)).unwrap();
        let mut canaries: Vec<Canary> = [OLD_ID, "1777600000.M000001P7Q0R0badcafe.host,T=1", "relay.json", "swept"]
            .map(|name| Canary::new(outside.join(name), b"{}"))
            .into();
        let below = outside.join(format!("{OLD_ID}.relay.0"));
        fs::create_dir(&below).unwrap();
        canaries.push(Canary::new(below.join("message"), b"x"));
        let swap = world.path("swap");
        symlink(&outside, &swap).unwrap();
        let path = world.spool().join(dir);
        while_exchanging([&path, &swap], |_| {
            for _ in 0..races(12) {
                let _ = fs::remove_file(world.spool().join("state/swept"));
                let ran = ends(world.mspool(&["-q", "flush"]));
                assert!(ran.code >= 0 && ran.code < 128 && ran.code != 70, "{dir}: {ran:?}");
            }
        });
        // The test itself removes `state/swept`, wherever that is.
        canaries
            .iter()
            .filter(|one| one.path.exists() || !one.path.ends_with("swept"))
            .for_each(|one| one.is_as_it_was(dir));
    }
}

#[test]
fn every_file_that_any_command_makes_is_private() {
    let program = binary();
    for umask in ["000", "077"] {
        let world = world();
        let run = world.script("run", &format!("umask {umask}; exec \"$@\""));
        let source = world.path("source");
        fs::write(&source, MAIL).unwrap();
        let fetch = world.script("fetch", &format!("test -e {source:?} || exit 1; cat {source:?}; rm {source:?}"));
        let filter = world.script("filter", &format!("ls -lR {:?} >>\"$HOME/work\"; cat", world.spool().join("work")));
        let text = fs::read_to_string(world.path("config.toml")).unwrap();
        let text = text.replace("\"/bin/false\"", &format!("{fetch:?}"));
        let sent = world.path("kept");
        let text = text.replace("[queue]\n", &format!("[queue]\nsent = {sent:?}\n"));
        world.config(&text.replace("resource =", &format!("preprocess = [[{filter:?}]]\nresource =")));
        fs::remove_dir_all(world.spool()).unwrap();
        for args in [
            &["enqueue", "-f", "joe@x", "ok@x"][..],
            &["enqueue", "-f", "joe@x", "no@x"],
            &["enqueue", "--hold", "ok@x"],
            &["enqueue", "--mbox", "later@x"],
            &["sendmail", "-odq", "-i", "ok@x"],
            &["receive", "--to", "joe@laptop"],
            &["-q", "flush", "--both"],
            &["flush", "--pause", "relay"],
            &["receive", "--in-place", world.path("box").to_str().unwrap()],
        ] {
            let input = if args.contains(&"--mbox") { format!("From x Mon\n{MAIL}") } else { MAIL.to_owned() };
            let ran = world.program(&run, &[&[program.as_str()], args].concat()).input(input).run();
            assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        }
        let failed = world.files("failed")[0].file_name().unwrap().to_string_lossy().into_owned();
        let failed = failed.split(',').next().unwrap();
        world.program(&run, &[&program, "resend", failed]).run().ok();
        let (mut stack, mut files) = (vec![world.spool(), sent], 0);
        while let Some(path) = stack.pop() {
            let facts = fs::symlink_metadata(&path).unwrap();
            let expected = if facts.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(facts.mode() & 0o7777, expected, "umask {umask}: {}", path.display());
            files += 1;
            if facts.is_dir() {
                stack.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        assert!(files > 40, "{files}");
        let work = fs::read_to_string(world.path("home/work")).unwrap();
        let listed: Vec<&str> = work.lines().filter(|line| line.len() > 10 && line.contains(" 1 ")).collect();
        let open = |line: &str| !line.starts_with("-rw-------") && !line.starts_with("drwx------");
        assert!(!listed.is_empty() && !listed.iter().any(|line| open(line)), "{listed:#?}");
    }
}

#[test]
fn neither_a_secret_of_the_configuration_nor_a_text_is_told() {
    let world = World::at_noon();
    world.relay(
        "cat >/dev/null; tr '\\0' ' ' </proc/$$/cmdline >>\"$TRACE\"; trace; test \"$PASSWORD\" = hunter2 || exit 70; case $3 in \
         no*) exit 67;; later*) exit 75;; esac",
        "env = { PASSWORD = \"hunter2\" }",
    );
    let hook = world.script("hook", "cat >/dev/null; exit 1");
    world.configure(&format!("[[hook.inbound]]\ncommand = [{hook:?}]\nenv = {{ TOKEN = \"hunter3\" }}\n"));
    let mail = "From: joe@x\nSubject: open\n\nxyzzy, the text\n";
    let ids = ["yes@x", "no@x", "later@x"].map(|to| world.enqueue_bytes(mail.as_bytes(), &["-f", "joe@x", to]));
    let child = world.mspool(&["-v", "watch", "--json"]).start();
    wait_for("all mail", || world.files("new").is_empty() && world.files("sent").len() == 1);
    wait_for("the results", || world.files("failed").len() == 1 && world.due(&ids[2]).is_some());
    crate::world::signal(&child, "TERM");
    let mut told = vec![Ran::from(child.wait_with_output().unwrap())];
    for args in [
        &["-vv", "flush", "--force"][..],
        &["-v", "flush", "--dry-run"],
        &["-v", "enqueue", "yes@x"],
        &["-v", "receive"],
        &["report"],
        &["report", "--json"],
        &["report", &ids[0]],
        &["report", "--json", &ids[1]],
        &["report", "log"],
        &["report", "log", "--json"],
        &["report", "status"],
        &["report", "status", "--json"],
        &["report", "check", "--probe"],
        &["report", "types"],
    ] {
        told.push(world.mspool(args).input(mail).run());
    }
    for ran in told {
        let text = format!("{}{}", ran.out, ran.err);
        assert!(!["hunter2", "hunter3", "xyzzy"].iter().any(|word| text.contains(word)), "{text}");
    }
    assert!(world.trace().len() >= 3 && !world.trace().iter().any(|line| line.contains("hunter2")));
    for dir in ["log", "state"] {
        for entry in fs::read_dir(world.spool().join(dir)).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
            assert!(!["hunter2", "hunter3", "xyzzy"].iter().any(|word| text.contains(word)), "{text}");
        }
    }
}

#[test]
fn directories_that_the_environment_names_are_judged() {
    if is_root() {
        eprintln!("skipped: root has no configuration of its own");
        return;
    }
    let world = World::new();
    for dir in ["conf/mspool", "data"] {
        fs::create_dir_all(world.path(dir)).unwrap();
    }
    let own = world.path("conf/mspool/config.toml");
    fs::write(&own, "").unwrap();
    for path in [&own, &world.path("conf/mspool"), &world.path("conf"), &world.path("data")] {
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let run = || {
        let run = world.mspool(&["enqueue", "bob@x"]).without("MSPOOL_SPOOL").without("MSPOOL_CONFIG").input(MAIL);
        run.env("XDG_CONFIG_HOME", world.path("conf")).env("XDG_STATE_HOME", world.path("data"))
    };
    run().run().ok();
    for dir in ["conf", "data"] {
        let path = world.path(dir);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        run().run().fails(78, &format!("chmod go-w {}", path.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    run().env("XDG_CONFIG_HOME", "relative").env("XDG_STATE_HOME", "relative").run().ok();
    assert!(!world.path("relative").exists());
}
