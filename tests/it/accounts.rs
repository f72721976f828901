//! Accounts that are in no file of /etc: a name service is asked for them, through getent(1).

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::world::{MAIL, Run, World, binary, can_run, is_root};

/// Options of unshare(1) for a namespace in which files of /etc can be replaced. Everybody is root there.
fn namespace() -> &'static str {
    if is_root() { "-m" } else { "-rm" }
}

/// A run of the program where /etc knows no user, nsswitch.conf has this line, and getent runs this script.
fn mspool(world: &World, services: &str, getent: &str, args: &str) -> Run {
    fs::write(world.path("passwd"), "daemon:x:1:1::/:/bin/false\n").unwrap();
    fs::write(world.path("nsswitch.conf"), format!("passwd: {services}\ngroup: {services}\n")).unwrap();
    world.script("getent", getent);
    let bind = |file: &str, target: &str| format!("mount --bind {} {target}", world.path(file).display());
    let script = [
        bind("passwd", "/etc/passwd"),
        bind("nsswitch.conf", "/etc/nsswitch.conf"),
        bind("getent", "/usr/bin/getent"),
        format!("exec {} {args}", binary()),
    ]
    .join(" && ");
    world.program(Path::new("unshare"), &[namespace(), "sh", "-c", &script])
}

const ANSWERS: &str = "case \"$1 $2\" in
    'passwd 0') echo 'chief:x:0:0:The Chief,room 1:/home/chief:/bin/sh' ;;
    'passwd eve') echo 'eve:x:4999:0::/:/bin/sh' ;;
    \"group $GROUP\") echo \"chief:x:$GROUP:$MEMBERS\" ;;
    *) exit 2 ;;
esac";

#[test]
fn the_name_of_the_user_comes_from_the_name_service() {
    if !can_run("unshare", &[namespace(), "mount", "--bind", "/etc/group", "/etc/passwd"]) {
        return;
    }
    let world = World::at_noon();
    world.config("hostname = \"h.example\"\n[transport.relay]\ncommand = [\"true\", \"{recipients}\"]\n");
    let sender = |services: &str, getent: &str| {
        let ran = mspool(&world, services, getent, "enqueue bob@x").input(MAIL).run();
        world.report(ran.ok().trim())["sender"].as_str().unwrap().to_owned()
    };
    let seen = world.path("seen");
    let spy = format!("cat </proc/$$/environ | tr '\\0' '\\n' >{}\n{ANSWERS}", seen.display());
    assert_eq!(sender("files ldap", &spy), "chief@h.example");
    assert_eq!(fs::read_to_string(&seen).unwrap(), "LC_ALL=C\n");
    // Without another service than the files, nothing is asked; without an answer, the environment has a name.
    assert_eq!(sender("files", ANSWERS), "joe@h.example");
    assert_eq!(sender("files ldap", "exit 2"), "joe@h.example");
    assert_eq!(sender("files ldap", "echo 'eve:x:4999:0::/:/bin/sh'"), "joe@h.example");
    assert_eq!(sender("files ldap", "exec sleep 60"), "joe@h.example");
}

#[test]
fn a_private_group_can_come_from_the_name_service() {
    if !can_run("unshare", &[namespace(), "mount", "--bind", "/etc/group", "/etc/passwd"]) {
        return;
    }
    let world = World::at_noon();
    world.config("[transport.relay]\ncommand = [\"true\", \"{recipients}\"]\n");
    let config = world.path("config.toml");
    if is_root() {
        std::os::unix::fs::chown(&config, None, Some(54321)).unwrap();
    }
    fs::set_permissions(&config, fs::Permissions::from_mode(0o660)).unwrap();
    // In a namespace of a user the group of the file has another number.
    let group = if is_root() { fs::metadata(&config).unwrap().gid() } else { 0 };
    let flush = |members: &str| {
        let answers = format!("GROUP={group}; MEMBERS={members}\n{ANSWERS}");
        mspool(&world, "files ldap", &answers, "flush").run()
    };
    if is_root() {
        flush("").silent();
        flush("chief").silent();
    }
    flush("chief,eve").fails(78, "chmod go-w");
}
