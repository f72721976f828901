//! Programs that are started: what each of them gets from mspool, and how little a broken one can do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::world::{MAIL, NOON, Run, World, binary, can_run, wait_for};

/// A command that writes down its descriptors and its environment in `seen/NAME.PID`, then does this. The shell has no
/// script open, and no program or pattern is used to list them: what is listed is what it was given.
fn spy(world: &World, name: &str, then: &str) -> String {
    let dir = world.path("seen");
    fs::create_dir_all(&dir).unwrap();
    let dir = dir.display();
    let fds = "l=; n=0; while [ $n -lt 300 ]; do [ -h /proc/$$/fd/$n ] && l=\"$l $n\"; n=$((n + 1)); done";
    let script = format!("{fds}; echo $l >{dir}/$0.$$.fds; env >{dir}/$0.$$.env; {then}");
    format!("[\"/bin/sh\", \"-c\", {script:?}, {name:?}]")
}

/// Ways to start programs: clone3(2), and the one for systems that refuse it, as service managers and containers do by a
/// system call filter. strace stands in for the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Clone3,
    Refused,
}

impl Way {
    fn all() -> impl Iterator<Item = Way> {
        let has_strace = can_run("strace", &["-f", "-e", REFUSE, "true"]);
        [Way::Clone3].into_iter().chain(has_strace.then_some(Way::Refused))
    }

    /// A run of the program that starts others in this way.
    fn mspool(self, world: &World, args: &[&str]) -> Run {
        let refused = ["-f", "-o", "/dev/null", "-e", "trace=clone3", "-e", REFUSE, &binary()];
        match self {
            Way::Clone3 => world.mspool(args),
            Way::Refused => world.program(Path::new("strace"), &[&refused, args].concat()),
        }
    }
}

const REFUSE: &str = "inject=clone3:error=ENOSYS";

/// A world in which every kind of command runs, each of them a spy, and what ran: name and contents of the files.
fn every_command_has_run(suffix: &str, sender: &str, way: Way) -> BTreeMap<String, Vec<String>> {
    let world = World::at_noon();
    let filter = spy(&world, "filter", "cat");
    let last = |name: &str| spy(&world, name, "cat >/dev/null");
    let [command, lines, probe, connect, disconnect, undo, inbound, outbound, notify, ack] =
        ["command", "lines", "probe", "connect", "disconnect", "undo", "inbound", "outbound", "notify", "ack"]
            .map(last);
    let once = "test -e \"$HOME/fetched\" && exit 1; echo >\"$HOME/fetched\"; echo Subject: x; echo; echo ref 1 >&3";
    let fetch = spy(&world, "fetch", once);
    world.config(&format!(
        "[queue]\nreserve = \"0B\"\n[transport.lines]\nmatch = [\"*@lines\"]\ncommand = {lines}\nresults = \"lines\"\n\
         parallel = 3\n[transport.command]\ncommand = {command}\nprobe = {probe}\nresource = \"line\"\n\
         connect = {connect}\ndisconnect = {disconnect}\npreprocess = [{filter}]\nundo = {undo}\nenv = {{ OWN = \"1\" }}\n\
         [inbound.pop]\nfetch = {fetch}\nack = {ack}\n[[hook.inbound]]\ncommand = {inbound}\n\
         [[hook.outbound]]\ncommand = {outbound}\n[notify]\ncommand = {notify}\n"
    ));
    world.enqueue(&["-f", sender, "bob@x"]);
    for _ in 0..5 {
        world.enqueue(&["-f", sender, "ann@lines", "eve@lines"]);
    }
    let flush = way.mspool(&world, &["flush", "--both"]);
    let strange = [("IFS", "x"), ("BASH_ENV", "/x"), ("FOO", "() { :;}; touch canary"), ("LD_PRELOAD", "")];
    let flush = strange.into_iter().fold(flush, |run, (name, value)| run.env(name, value));
    flush.env("MSPOOL_FOO", "1").env("LANG", "C").run().silent();
    assert!(!world.path("canary").exists());
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in fs::read_dir(world.path("seen")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some((name, _)) = name.split_once('.').filter(|_| name.ends_with(suffix)) {
            seen.entry(name.to_owned()).or_default().push(fs::read_to_string(&path).unwrap());
        }
    }
    let names = [
        "ack",
        "command",
        "connect",
        "disconnect",
        "fetch",
        "filter",
        "inbound",
        "lines",
        "notify",
        "outbound",
        "probe",
        "undo",
    ];
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), names, "each of them ran");
    seen
}

#[test]
fn no_command_gets_a_descriptor_that_the_manual_does_not_list() {
    for (name, runs) in Way::all().flat_map(|way| every_command_has_run("fds", "joe@x", way)) {
        // Descriptor 4 holds the lock of the message that is handed over.
        let expected = match name.as_str() {
            "lines" => "0 1 2 3 4\n",
            "fetch" => "0 1 2 3\n",
            "command" | "filter" => "0 1 2 4\n",
            _ => "0 1 2\n",
        };
        for fds in runs {
            assert_eq!(fds, expected, "{name}");
        }
    }
}

#[test]
fn no_command_gets_a_variable_that_the_manual_does_not_list() {
    let sender = "\"() { :;}; touch canary\"@x";
    let common = ["HOME", "LANG", "PATH", "TZ", "USER", "MSPOOL_SPOOL"];
    let shells_own = ["PWD", "OLDPWD", "SHLVL", "_"];
    let hand_off = [
        "ALL_RECIPIENTS",
        "ATTEMPT",
        "ENVID",
        "ID",
        "PRIORITY",
        "PROTOCOL",
        "RECIPIENTS",
        "RETURN_PATH",
        "SENDER",
        "TRANSPORT",
    ];
    let flags = ["TO_ME", "CC_ME", "RECIP_ME", "FROM_ME", "AUTO_SUBMITTED", "NULL_SENDER", "FLAGS", "CLASS", "FOLDER"];
    for (name, runs) in Way::all().flat_map(|way| every_command_has_run("env", sender, way)) {
        let own: Vec<&str> = match name.as_str() {
            "command" | "lines" => hand_off.to_vec(),
            "filter" => [&hand_off[..], &["WORK"]].concat(),
            "probe" | "connect" | "disconnect" => vec!["TRANSPORT"],
            "undo" => vec!["ID", "TRANSPORT"],
            "inbound" => [&["ID", "SENDER", "RECIPIENTS"][..], &flags].concat(),
            "outbound" => vec!["ID", "SENDER", "RECIPIENTS", "ENVID", "CLASS", "FOLDER", "SENT"],
            "notify" => vec!["ID", "PATH", "FOLDER", "CLASS", "FROM", "SUBJECT"],
            "fetch" => vec!["INBOUND"],
            _ => vec!["INBOUND", "ID", "REF"],
        };
        let of_transport = ["command", "filter", "probe", "connect", "disconnect", "undo"].contains(&name.as_str());
        for text in runs {
            let variables: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
            let found: BTreeSet<String> =
                variables.keys().filter(|name| !shells_own.contains(name)).map(|name| (*name).to_owned()).collect();
            let own = own.iter().map(|word| format!("MSPOOL_{word}"));
            let mut expected: BTreeSet<String> = common.iter().map(|word| (*word).to_owned()).chain(own).collect();
            expected.extend(of_transport.then(|| "OWN".to_owned()));
            assert_eq!(found, expected, "{name}");
            let odd = variables.iter().filter(|(_, value)| value.contains("() {")).map(|(name, _)| *name);
            assert!(
                odd.clone().all(|name| ["MSPOOL_SENDER", "MSPOOL_RETURN_PATH"].contains(&name)),
                "{name}: {:?}",
                odd.collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn clone3_starts_each_program_and_is_asked_once_where_it_is_refused() {
    if !can_run("strace", &["true"]) {
        return;
    }
    for (inject, calls) in [("trace=clone3", 3), (REFUSE, 1)] {
        let world = World::with_relay("cat >/dev/null");
        let ids = [(); 3].map(|()| world.enqueue(&["bob@x"]));
        let trace = world.path("strace");
        let strace = ["-f", "-e", "trace=clone3", "-e", inject, "-o", trace.to_str().unwrap()];
        let flush = [&binary(), "flush", "--jobs", "1"];
        world.program(Path::new("strace"), &[&strace[..], &flush].concat()).run().silent();
        let text = fs::read_to_string(&trace).unwrap();
        // glibc makes this call too, for threads and in posix_spawn, but with other flags.
        let found = text.lines().filter(|line| line.contains("CLONE_PIDFD") && line.contains("CLONE_CLEAR_SIGHAND"));
        assert_eq!(found.count(), calls, "{text}");
        assert!(ids.iter().all(|id| world.recipient(id, 0).0 == "delivered"), "{inject}");
    }
}

#[test]
fn the_exit_status_decides_however_much_was_read() {
    for reading in ["exec <&-;", "head -c 100 >/dev/null;", ""] {
        for (code, state) in [(0, "delivered"), (67, "failed"), (75, "owed"), (81, "async"), (82, "owed")] {
            let world = World::with_relay(&format!("{reading} exit {code}"));
            let id = world.enqueue_bytes(&vec![b'x'; 300_000], &["-f", "", "bob@x"]);
            world.flush_quietly();
            assert_eq!(world.recipient(&id, 0).0, state, "{reading} {code}");
        }
    }
}

#[test]
fn what_is_no_program_breaks_the_transport_and_is_loud() {
    let world = World::at_noon();
    let path = world.path("program");
    let files: [(&[u8], u32); 7] = [
        (b"", 0o700),
        (b"no program\n", 0o700),
        (b"#!/nonexistent/interpreter\n", 0o700),
        (b"#!\n", 0o700),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xff\xff", 0o700),
        (b"#!/bin/sh\ncat >/dev/null\n", 0o600),
        (b"#!program\n", 0o700),
    ];
    for (bytes, mode) in files {
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        world.config(&format!("[transport.relay]\ncommand = [{path:?}, \"{{recipients}}\"]\n"));
        let id = world.enqueue(&["bob@x"]);
        let ran = world.mspool(&["flush", &id]).run();
        assert!([0, 78].contains(&ran.code) && ran.out.is_empty(), "{bytes:?}: {ran:?}");
        ran.says(path.to_str().unwrap());
        assert_eq!((world.recipient(&id, 0).0.as_str(), world.due(&id)), ("owed", None), "{bytes:?}");
        assert_eq!(world.report(&id)["attempts"], 0, "{bytes:?}");
        world.mspool(&["flush", "--resume", "relay"]).run().silent();
        world.mspool(&["cancel", &id]).run().ok();
    }
}

/// Ends the background programs whose numbers are in the trace.
fn end_background(world: &World) {
    for pid in world.trace() {
        let _ = std::process::Command::new("kill").arg(pid).status();
    }
}

#[test]
fn a_background_program_that_keeps_the_message_open_keeps_nobody_waiting() {
    for (parallel, recipients) in [(1, &["bob@x"][..]), (3, &["bob@x", "ann@x"])] {
        let world = World::at_noon();
        // Descriptor 4 is the standard input that it was given, with its lock.
        let script = world.script("daemon", "exec 4<&0; sleep 1000 <&4 >/dev/null 2>&1 & trace $!; exit 75");
        world.config(&format!(
            "[queue]\nreserve = \"0B\"\n[transport.relay]\ncommand = [{script:?}, \"{{recipient}}\"]\nparallel = {parallel}\n"
        ));
        let id = world.enqueue(recipients);
        world.flush();
        let first = world.trace().len();
        assert_eq!(
            (first, world.report(&id)["active"].as_bool()),
            (recipients.len(), Some(false)),
            "its result is recorded"
        );
        world.mspool(&["flush", "--force"]).run().silent();
        let second = world.trace().len();
        let cancelled = world.mspool(&["cancel", &id]).run();
        end_background(&world);
        assert_eq!((second, cancelled.code), (2 * recipients.len(), 0), "parallel = {parallel}: {cancelled:?}");
    }
}

/// Files under the spool, with what is in them.
fn files(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut stack, mut files) = (vec![world.spool()], Vec::new());
    while let Some(dir) = stack.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => stack.push(entry.path()),
                false => files.push((entry.path(), fs::read(entry.path()).unwrap())),
            }
        }
    }
    files
}

/// A file that the program opens must not become its standard output by getting the number of a closed one.
#[test]
fn output_that_is_closed_at_the_start_goes_into_no_file() {
    let program = binary();
    for closed in [">&-", "2>&-", ">&- 2>&-"] {
        let world = World::with_relay("cat >>\"$TRACE\"; echo 5.1.1 no; exit 67");
        let run = world.script("run", &format!("exec \"$@\" {closed}"));
        let call = |args: &[&str]| {
            let _ = world.program(&run, &[&[program.as_str()], args].concat()).input(MAIL).run();
        };
        call(&["enqueue", "--json", "-f", "joe@x", "bob@x"]);
        call(&["sendmail", "-odq", "-i", "-f", "joe@x", "bob@x"]);
        call(&["receive", "--json", "--to", "joe@laptop"]);
        assert_eq!(world.files("new").len(), 2, "{closed}");
        for path in world.files("new") {
            assert!(fs::read(&path).unwrap().ends_with(MAIL.as_bytes()), "{closed}");
        }
        call(&["-v", "flush"]);
        call(&["report", "no-such-id"]);
        assert_eq!(world.files("failed").len(), 2, "{closed}");
        assert_eq!(world.trace().iter().filter(|line| *line == "Hello.").count(), 2, "{closed}");
        for (path, bytes) in files(&world) {
            let text = String::from_utf8_lossy(&bytes);
            let strange = ["mspool: ", "failed via", "no-such-id"].iter().any(|word| text.contains(word));
            let is_report = path.starts_with(world.spool().join("inbox"));
            assert!(!strange || is_report, "{closed}: {}: {text}", path.display());
        }
    }
}

#[test]
fn a_message_that_cannot_be_read_is_refused_by_every_way_in() {
    let program = binary();
    for args in [&["enqueue", "bob@x"][..], &["sendmail", "-odq", "bob@x"], &["receive", "--to", "joe@laptop"]] {
        for closed in ["<&-", "<&- >&- 2>&-", "<.", ">/dev/null <&1"] {
            let world = World::new();
            let run = world.script("run", &format!("exec \"$@\" {closed}"));
            let ran = world.program(&run, &[&[program.as_str()], args].concat()).run();
            if closed.starts_with("<&-") && args[0] == "sendmail" {
                // sendmail accepts an empty message, and this is one.
                continue;
            }
            assert!([65, 74, 75].contains(&ran.code), "{args:?} {closed}: {ran:?}");
            assert!(world.files("new").is_empty() && world.files("tmp").is_empty(), "{args:?} {closed}");
            assert!(world.inbox().is_empty(), "{args:?} {closed}");
        }
    }
}

#[test]
fn a_transport_that_ends_its_own_group_ends_nothing_else() {
    let world =
        World::with_relay("cat >/dev/null; case $3 in kill*) trap '' TERM; kill -TERM 0; exit 75;; esac; trace $3");
    let id = world.enqueue(&["kill@x"]);
    for _ in 0..5 {
        world.enqueue(&["bob@x"]);
    }
    world.flush();
    assert_eq!((world.trace().len(), world.due(&id)), (5, Some(NOON + 300)));
}

#[test]
fn a_hundred_deliveries_of_a_watch_leave_no_child() {
    let count = std::env::var("MSPOOL_DELIVERIES").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let world = World::with_relay("cat >/dev/null; (exit 0) & exit 0");
    let mbox: String = (0..count).map(|n| format!("From x Mon\nSubject: {n}\n\nbody\n\n")).collect();
    world.mspool(&["enqueue", "--mbox", "bob@x"]).input(mbox).run().ok();
    let child = world.mspool(&["watch"]).start();
    wait_for("all mail to be sent", || world.files("sent").len() == count);
    let pid = child.id();
    let children = fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .map(|task| fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default());
    assert_eq!(children.collect::<String>(), "");
    crate::world::signal(&child, "TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}
