//! Files and programs that another user could have written: refused, with the path and the cure, and nothing is lost.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::world::{MAIL, Ran, Run, World, binary, can_run, is_root, wait_for};

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg("-m").arg("600").arg(path).status().unwrap().success());
}

/// A script in directories of its own: `a/b/NAME`.
fn deep_script(world: &World, name: &str, body: &str) -> PathBuf {
    let dir = world.path("a/b");
    fs::create_dir_all(&dir).unwrap();
    [world.path("a"), dir].iter().for_each(|dir| chmod(dir, 0o755));
    world.script(&format!("a/b/{name}"), body)
}

/// Runs a program that must not wait for anybody: within the time that the tests wait for anything.
fn ends(run: Run) -> Ran {
    let mut child = run.start();
    wait_for("the end of the program", || child.try_wait().unwrap().is_some());
    Ran::from(child.wait_with_output().unwrap())
}

/// True when the group has no members but us and root, and is nobody else's primary group.
fn is_private(group: u32, owner: u32) -> bool {
    let fields = |path| -> Vec<Vec<String>> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
    };
    let users = fields("/etc/passwd");
    let ours = |id: &str| id == "0" || id == owner.to_string();
    let groups: Vec<Vec<String>> =
        fields("/etc/group").into_iter().filter(|known| known[2] == group.to_string()).collect();
    let members = groups.iter().flat_map(|known| known[3].split(',')).filter(|name| !name.is_empty());
    let strangers = members.filter(|name| !users.iter().any(|user| user[0] == **name && ours(&user[2]))).count();
    !groups.is_empty() && strangers == 0 && users.iter().all(|user| user[3] != group.to_string() || ours(&user[2]))
}

#[test]
fn a_program_that_others_can_write_is_not_run() {
    for (part, mode) in [("a/b/relay", 0o777), ("a/b/relay", 0o702), ("a/b", 0o777), ("a", 0o757)] {
        let world = World::at_noon();
        let script = deep_script(&world, "relay", "trace go; cat >/dev/null");
        world.config(&format!(
            "sender = \"joe@example.org\"\n[transport.relay]\ncommand = [{script:?}, \"{{recipients}}\"]\n"
        ));
        let ids = [world.enqueue(&["bob@x"]), world.enqueue(&["ann@x"])];
        let (path, closed) = (world.path(part), fs::metadata(world.path(part)).unwrap().mode());
        chmod(&path, mode);
        let cure = format!("chmod go-w {}", path.display());
        world.mspool(&["flush"]).run().fails(78, &cure);
        assert_eq!((world.trace().len(), world.state(&ids[0]).as_str()), (0, "new"), "{part}");
        assert_eq!(world.recipient(&ids[1], 0).0, "owed");
        let check = world.mspool(&["report", "check"]).run();
        assert_eq!(check.code, 78, "{check:?}");
        let line = check.out.lines().find(|line| line.starts_with("BAD transport")).unwrap();
        assert!(line.contains("relay") && line.contains(&cure), "{line}");
        chmod(&path, closed & 0o7777);
        world.flush();
        assert_eq!((world.trace().len(), world.state(&ids[0]).as_str()), (2, "sent"), "its breaker never opened");
        assert_eq!(world.mspool(&["report", "check"]).run().code, 0);
    }
}

#[test]
fn a_group_without_other_members_counts_as_the_owner() {
    let world = World::at_noon();
    let script = deep_script(&world, "relay", "trace go; cat >/dev/null");
    world.config(&format!("[transport.relay]\ncommand = [{script:?}, \"{{recipients}}\"]\n"));
    let stat = fs::metadata(&script).unwrap();
    let mut private = is_private(stat.gid(), stat.uid());
    for path in [&script, &world.path("a/b"), &world.path("a")] {
        chmod(path, 0o775);
    }
    let check = |private: bool| {
        let id = world.enqueue(&["bob@x"]);
        let ran = world.mspool(&["flush"]).run();
        if private {
            ran.silent();
        } else {
            ran.fails(78, "chmod go-w");
        }
        assert_eq!(world.state(&id), if private { "sent" } else { "new" });
    };
    check(private);
    if !is_root() {
        eprintln!("skipped: only root can give files to other groups");
        return;
    }
    // Somebody else's primary group.
    private = is_private(65_534, 0);
    for path in [script.as_path(), &world.path("a/b"), &world.path("a")] {
        chown(path, None, Some(65_534)).unwrap();
        chmod(path, 0o775);
        check(private);
        chown(path, None, Some(stat.gid())).unwrap();
    }
}

#[test]
fn sticky_directories_are_closed() {
    let world = World::at_noon();
    let script = deep_script(&world, "relay", "cat >/dev/null");
    world.config(&format!("[transport.relay]\ncommand = [{script:?}, \"{{recipients}}\"]\n"));
    chmod(world.path("a"), 0o1777);
    chmod(world.path("a/b"), 0o1777);
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    assert_eq!(world.state(&id), "sent");
    if is_root() {
        chown(&script, Some(65_534), None).unwrap();
        world.enqueue(&["bob@x"]);
        world.mspool(&["flush"]).run().fails(78, "belongs to user 65534");
    } else {
        eprintln!("skipped: only root can give files away");
    }
}

#[test]
fn trust_excuses_what_it_names_and_nothing_else() {
    let world = World::at_noon();
    let mut keys = String::new();
    for name in ["vendor", "vendor2"] {
        fs::create_dir(world.path(name)).unwrap();
        let script = world.script(&format!("{name}/relay"), &format!("trace {name}; cat >/dev/null"));
        chmod(&script, 0o777);
        chmod(world.path(name), 0o777);
        keys += &format!("[transport.{name}]\nmatch = [\"{name}@x\"]\ncommand = [{script:?}, \"{{recipients}}\"]\n");
    }
    let trusting = |dir: &str| format!("trust = [{:?}]\n{keys}", world.path(dir));
    world.config(&trusting("vendor"));
    let ids = [world.enqueue(&["vendor@x"]), world.enqueue(&["vendor2@x"])];
    world.mspool(&["flush"]).run().fails(78, &format!("chmod go-w {}", world.path("vendor2").display()));
    assert_eq!((world.trace(), world.state(&ids[0])), (vec!["vendor".to_owned()], "sent".to_owned()));
    // A program that is named is excused alone; its directory is not.
    world.config(&trusting("vendor2/relay"));
    world.mspool(&["flush"]).run().fails(78, "chmod go-w");
    world.config(&trusting("vendor2"));
    world.flush();
    assert_eq!(world.state(&ids[1]), "sent");
    let inside = world.path("vendor/config.toml");
    fs::write(&inside, trusting("vendor")).unwrap();
    chmod(&inside, 0o600);
    world.mspool(&["--config", inside.to_str().unwrap(), "report"]).run().fails(78, "chmod go-w");
    world.config("\ntrust = [\"bin\"]");
    world.mspool(&["report"]).run().fails(78, "config.toml:2: trust: \"bin\" is not an absolute path");
}

#[test]
fn links_are_judged_where_they_are_and_where_they_lead() {
    let world = World::at_noon();
    for dir in ["open", "closed"] {
        fs::create_dir(world.path(dir)).unwrap();
        world.script(&format!("{dir}/relay"), "trace go; cat >/dev/null");
        chmod(world.path(dir), 0o755);
    }
    symlink(world.path("closed/relay"), world.path("open/link")).unwrap();
    symlink("../open/relay", world.path("closed/link")).unwrap();
    symlink("relay", world.path("closed/good")).unwrap();
    chmod(world.path("open"), 0o777);
    let cure = format!("chmod go-w {}", world.path("open").display());
    for (link, trusted) in [("open/link", false), ("closed/link", false), ("closed/good", true)] {
        world.config(&format!("[transport.relay]\ncommand = [{:?}, \"{{recipients}}\"]\n", world.path(link)));
        world.enqueue(&["bob@x"]);
        let ran = world.mspool(&["flush"]).run();
        if trusted { ran.silent() } else { ran.fails(78, &cure) }
    }
    assert_eq!(world.trace().len(), 3);
}

#[test]
fn a_program_is_judged_where_path_finds_it() {
    let world = World::at_noon();
    fs::create_dir(world.path("bin")).unwrap();
    world.script("bin/my-relay", "trace go; cat >/dev/null");
    world.config("[transport.relay]\ncommand = [\"my-relay\", \"{recipients}\"]\n");
    world.enqueue(&["bob@x"]);
    let path = format!("/nonexistent:{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap());
    chmod(world.path("bin"), 0o777);
    world.mspool(&["flush"]).env("PATH", &path).run().fails(78, "chmod go-w");
    chmod(world.path("bin"), 0o755);
    world.mspool(&["flush"]).env("PATH", &path).run().silent();
    assert_eq!(world.trace().len(), 1);
}

#[test]
fn scripts_of_interpreters_are_judged() {
    let world = World::at_noon();
    let script = world.script("script", "trace go; cat >/dev/null");
    world.config(&format!("[transport.relay]\ncommand = [\"sh\", {script:?}, \"{{recipients}}\"]\n"));
    world.enqueue(&["bob@x"]);
    chmod(&script, 0o666);
    world.mspool(&["flush"]).run().fails(78, &format!("chmod go-w {}", script.display()));
    assert!(world.mspool(&["report", "check"]).run().out.contains("BAD transport"));
    chmod(&script, 0o600);
    world.flush();
    assert_eq!(world.trace().len(), 1);
}

#[test]
fn interpreters_of_scripts_are_judged() {
    for line in ["#!INTERPRETER", "#! /usr/bin/env INTERPRETER", "#!/usr/bin/env -S A=b INTERPRETER"] {
        let world = World::at_noon();
        let interpreter = world.script("interpreter", "trace go; cat >/dev/null");
        let script = world.script("script", "");
        let first = line.replace("INTERPRETER", interpreter.to_str().unwrap());
        fs::write(&script, format!("{first}\n")).unwrap();
        world.config(&format!("[transport.relay]\ncommand = [{script:?}, \"{{recipients}}\"]\n"));
        world.enqueue(&["bob@x"]);
        chmod(&interpreter, 0o777);
        world.mspool(&["flush"]).run().fails(78, &format!("chmod go-w {}", interpreter.display()));
        chmod(&interpreter, 0o700);
        world.flush();
        assert_eq!(world.trace().len(), 1, "{line}");
    }
}

#[test]
fn every_command_of_a_transport_is_judged_before_the_first_runs() {
    let good = "cat >/dev/null";
    for key in ["probe = [BAD]", "connect = [BAD]", "disconnect = [BAD]", "undo = [BAD]", "preprocess = [[BAD]]"] {
        let world = World::at_noon();
        let bad = world.script("bad", "trace bad; cat");
        world.relay(&format!("trace relay; {good}"), &key.replace("BAD", &format!("{bad:?}")));
        let id = world.enqueue(&["bob@x"]);
        chmod(&bad, 0o777);
        world.mspool(&["flush"]).run().fails(78, "chmod go-w");
        assert_eq!((world.trace().len(), world.state(&id).as_str()), (0, "new"), "{key}");
        assert_eq!(world.mspool(&["report", "check", "--probe"]).run().code, 78);
        assert!(world.trace().is_empty(), "{key}");
        chmod(&bad, 0o700);
        world.flush();
        assert_eq!(world.state(&id), "sent", "{key}");
    }
}

#[test]
fn mail_waits_for_hooks_that_are_not_trusted() {
    let world = World::with_relay("cat >/dev/null");
    let hook = world.script("hook", "cat >/dev/null; trace \"$MSPOOL_ID\"");
    world.configure(&format!("[[hook.inbound]]\ncommand = [{hook:?}]\n[[hook.outbound]]\ncommand = [{hook:?}]\n"));
    chmod(&hook, 0o777);
    let ran = world.mspool(&["receive"]).input(MAIL).run();
    assert_eq!(ran.code, 0, "it is safe: {ran:?}");
    ran.says("chmod go-w");
    world.mspool(&["receive"]).input(MAIL).run().says("chmod go-w");
    let ids = [world.enqueue(&["bob@x"]), world.enqueue(&["ann@x"])];
    world.mspool(&["flush"]).run().fails(78, "chmod go-w");
    assert_eq!((world.trace().len(), world.inbox().len()), (0, 0));
    assert_eq!(world.recipient(&ids[0], 0).0, "delivered");
    assert_ne!(world.state(&ids[0]), "sent");
    let check = world.mspool(&["report", "check"]).run();
    assert!(check.code == 78 && check.out.contains("BAD hook"), "{check:?}");
    chmod(&hook, 0o700);
    world.flush();
    assert_eq!((world.trace().len(), world.inbox().len()), (4, 2));
    assert_eq!(world.state(&ids[0]), "sent");
}

#[test]
fn a_source_that_is_not_trusted_is_not_asked() {
    for key in ["fetch = [BAD]", "fetch = [\"false\"]\nack = [BAD, \"{ref}\"]"] {
        let world = World::new();
        let bad = world.script("bad", "trace bad; exit 1");
        world.config(&format!("[inbound.pop]\n{}\n", key.replace("BAD", &format!("{bad:?}"))));
        chmod(&bad, 0o777);
        world.mspool(&["receive", "--poll"]).run().fails(78, "chmod go-w");
        world.mspool(&["flush", "--in"]).run().fails(78, "chmod go-w");
        let check = world.mspool(&["report", "check"]).run();
        assert!(check.code == 78 && check.out.contains("BAD inbound"), "{check:?}");
        assert!(world.trace().is_empty());
        chmod(&bad, 0o700);
        world.mspool(&["flush", "--in"]).run().silent();
    }
}

#[test]
fn a_command_of_notify_that_is_not_trusted_is_not_run() {
    let world = World::new();
    let bad = world.script("bad", "trace bad");
    world.config(&format!("[notify]\ncommand = [{bad:?}]\n"));
    chmod(&bad, 0o777);
    world.mspool(&["receive"]).input(MAIL).run().says("chmod go-w");
    assert_eq!((world.trace().len(), world.inbox().len()), (0, 1));
}

#[test]
fn alias_and_include_files_are_never_waited_for() {
    let world = World::new();
    let (aliases, list) = (world.path("aliases"), world.path("list"));
    let include = format!(":include:{}", list.display());
    world.config(&format!("[aliases]\nfiles = [{aliases:?}]\nallow = [{include:?}]\n"));
    let refused = |path: &Path| {
        let reason = format!("{} is not a regular file", path.display());
        ends(world.mspool(&["enqueue", "team"]).input(MAIL)).fails(78, &reason);
        let check = ends(world.mspool(&["report", "check"]));
        assert!(check.code == 78 && check.out.contains(&reason), "{check:?}");
    };
    for path in [&aliases, &list] {
        fs::write(&aliases, format!("team: {include}\n")).unwrap();
        chmod(&aliases, 0o600);
        fs::write(&list, "bob@x\n").unwrap();
        chmod(&list, 0o600);
        world.mspool(&["enqueue", "team"]).input(MAIL).run().ok();
        fs::remove_file(path).unwrap();
        fifo(path);
        refused(path);
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
        refused(path);
        fs::remove_dir(path).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(path).unwrap();
        refused(path);
        drop(socket);
        fs::remove_file(path).unwrap();
        symlink("/dev/zero", path).unwrap();
        ends(world.mspool(&["enqueue", "team"]).input(MAIL)).fails(78, "is not a regular file");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn every_directory_up_to_the_root_is_judged() {
    let world = World::new();
    let dir = world.path("a/b/c");
    fs::create_dir_all(&dir).unwrap();
    for file in ["aliases", "config.toml"] {
        fs::write(dir.join(file), "").unwrap();
        chmod(dir.join(file), 0o600);
    }
    world.config(&format!("[aliases]\nfiles = [{:?}]\n", dir.join("aliases")));
    let config = dir.join("config.toml");
    let spool = dir.join("spool");
    chmod(world.path("a"), 0o777);
    let cure = format!("chmod go-w {}", world.path("a").display());
    world.mspool(&["enqueue", "bob"]).input(MAIL).run().fails(78, &cure);
    world.mspool(&["--config", config.to_str().unwrap(), "report"]).run().fails(78, &cure);
    world.mspool(&["report"]).env("MSPOOL_SPOOL", &spool).run().fails(78, &cure);
    assert!(!spool.exists(), "nothing is made where others could replace it");
    chmod(world.path("a"), 0o1777);
    world.mspool(&["enqueue", "bob"]).input(MAIL).run().ok();
    world.mspool(&["--config", config.to_str().unwrap(), "report"]).run().ok();
    world.mspool(&["report"]).env("MSPOOL_SPOOL", &spool).run().ok();
}

#[test]
fn no_directory_of_the_spool_is_a_link() {
    for part in ["out", "in", "log", "state", "work", "out/new", "out/cur", "in/new"] {
        let world = World::with_relay("trace go; cat >/dev/null");
        world.enqueue(&["bob@x"]);
        world.mspool(&["-q", "flush", "--to", "nobody@x"]).run().silent();
        let (path, away) = (world.spool().join(part), world.path("away"));
        fs::rename(&path, &away).unwrap();
        symlink(&away, &path).unwrap();
        let list = || fs::read_dir(&away).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        let before = list();
        let reason = format!("{} is a symbolic link", path.display());
        world.mspool(&["flush"]).run().fails(78, &reason);
        let check = world.mspool(&["report", "check"]).run();
        assert!(check.code == 78 && format!("{}{}", check.out, check.err).contains(&reason), "{part}: {check:?}");
        if part.starts_with("in") {
            world.mspool(&["receive"]).input(MAIL).run().says(&reason);
        } else if part == "out" || part == "out/new" {
            world.mspool(&["enqueue", "ann@x"]).input(MAIL).run().fails(78, &reason);
        }
        assert_eq!((list(), world.trace().len()), (before, 0), "{part}");
    }
}

#[test]
fn a_log_that_is_not_ours_alone_is_not_used() {
    let canary = "{\"at\":\"2026-05-01T11:46:40Z\",\"event\":\"trouble\",\"text\":\"canary\"}\n";
    for reason in ["is a symbolic link", "is not a regular file", "has 2 names"] {
        let world = World::with_relay("trace go; cat >/dev/null");
        let id = world.enqueue(&["bob@x"]);
        let other = world.enqueue(&["ann@x"]);
        let path = world.path("canary");
        fs::write(&path, canary).unwrap();
        let log = world.spool().join("log").join(&id);
        match reason {
            "is a symbolic link" => symlink(&path, log).unwrap(),
            "is not a regular file" => fifo(&log),
            _ => fs::hard_link(&path, log).unwrap(),
        }
        ends(world.mspool(&["flush"])).fails(78, reason);
        assert_eq!((world.trace().len(), world.state(&id).as_str(), world.state(&other).as_str()), (1, "new", "sent"));
        ends(world.mspool(&["cancel", &id])).says(reason);
        assert_eq!(fs::read_to_string(&path).unwrap(), canary);
    }
}

#[test]
fn state_files_are_ours_alone() {
    for name in ["relay.json", "lock", "runner.flush", "swept"] {
        let world = World::with_relay("trace go; cat >/dev/null");
        world.flush();
        let path = world.spool().join("state").join(name);
        let _ = fs::remove_file(&path);
        fifo(&path);
        let id = world.enqueue(&["bob@x"]);
        let ran = ends(world.mspool(&["flush"]));
        assert!(ran.err.contains(&format!("{} is not a regular file", path.display())) || name == "lock", "{ran:?}");
        let ran = ends(world.mspool(&["flush", "--pause", "relay"]));
        assert!(ran.code == 78 || name == "runner.flush" || name == "swept", "{name}: {ran:?}");
        assert!(["new", "sent"].contains(&world.state(&id).as_str()));
    }
}

/// There files of root belong to a user whom nobody knows: the way to the configuration and the spool is accepted,
/// programs need `trust`.
#[test]
fn a_user_namespace_without_root_can_be_used() {
    if is_root() {
        eprintln!("skipped: root maps itself");
        return;
    }
    if !can_run("unshare", &["-Ur", "true"]) {
        return;
    }
    let world = World::at_noon();
    let program = binary();
    let flush = || world.program(Path::new("unshare"), &["-Ur", &program, "flush"]).run();
    let keys = "[transport.relay]\ncommand = [\"true\", \"{recipients}\"]\n";
    world.config(keys);
    let id = world.enqueue(&["bob@x"]);
    flush().fails(78, "list / under \"trust\"");
    world.config(&format!("trust = [\"/\"]\n{keys}"));
    flush().silent();
    assert_eq!(world.state(&id), "sent");
}

#[test]
fn file_capabilities_are_refused() {
    if !is_root() || !can_run("python3", &["-c", "import os; os.setxattr"]) {
        eprintln!("skipped: only root can give a file capabilities");
        return;
    }
    let world = World::new();
    let copy = world.path("mspool");
    fs::copy(binary(), &copy).unwrap();
    chmod(&copy, 0o755);
    chmod(world.dir.path(), 0o755);
    // CAP_NET_BIND_SERVICE, permitted and effective; version 2 of the kernel's format.
    let give = "import os, struct, sys\n\
                os.setxattr(sys.argv[1], 'security.capability', struct.pack('<5I', 0x02000001, 1 << 10, 0, 0, 0))";
    let status = Command::new("python3").args(["-c", give]).arg(&copy).status().unwrap();
    if !status.success() {
        eprintln!("skipped: no file capabilities here");
        return;
    }
    let mut ran = None;
    wait_for("the copy to be closed", || {
        let mut command = Command::new(&copy);
        std::os::unix::process::CommandExt::uid(&mut command, 65_534);
        ran = command.arg("report").env("MSPOOL_SPOOL", world.path("none")).output().ok();
        ran.is_some()
    });
    let ran = Ran::from(ran.unwrap());
    ran.fails(77, "file capabilities");
}
