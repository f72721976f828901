//! Full, without inodes, read-only: a small filesystem in a namespace of its own, which needs no root.

use std::path::Path;

use crate::world::{MAIL, World, binary, can_run};

/// Runs a script with `$D` a fresh tmpfs of these options and `mspool` on the path, spool in `$D/spool`.
fn on_small_disk(options: &str, script: &str) -> Option<(World, crate::world::Ran)> {
    if !can_run("unshare", &["-Urm", "true"]) {
        return None;
    }
    let world = World::with_relay("cat >/dev/null; trace \"$MSPOOL_ID\"");
    // The namespace does not map root, to whom the directories of programs belong.
    let keys = std::fs::read_to_string(world.path("config.toml")).unwrap();
    world.config(&format!("trust = [\"/\"]\n{keys}"));
    std::fs::create_dir(world.path("disk")).unwrap();
    std::fs::write(world.path("mail"), MAIL).unwrap();
    std::fs::write(world.path("big"), vec![b'x'; 300 << 10]).unwrap();
    let program = binary();
    let bin = Path::new(&program).parent().unwrap();
    let body = format!(
        "set -u; D={0}/disk; W={0}; PATH={1}:$PATH\nmount -t tmpfs -o mode=700,{options} none $D || {{ echo cannot mount; exit 99; }}\n\
         MSPOOL_SPOOL=$D/spool; export MSPOOL_SPOOL\n{script}",
        world.dir.path().display(),
        bin.display()
    );
    let path = world.script("disk.sh", &body);
    let ran = world.program(Path::new("unshare"), &["-Urm", path.to_str().unwrap()]).run();
    if ran.code == 99 {
        eprintln!("skipped: no filesystem can be mounted here");
        return None;
    }
    Some((world, ran))
}

#[test]
fn a_full_disk_refuses_mail_and_keeps_what_it_has() {
    let script = "n=0; while :; do id=$(mspool enqueue bob@x <$W/mail 2>$W/err); code=$?; test $code = 0 || break; n=$((n+1)); done\n\
        echo \"$code $(cat $W/err)\"; mspool enqueue bob@x <$W/big 2>>$W/err; echo $?\n\
        ls $D/spool/out/tmp | wc -l; echo $n $(ls $D/spool/out/new | wc -l)";
    let Some((_, ran)) = on_small_disk("size=400k", script) else { return };
    let out = ran.ok();
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("75 mspool: ") && lines[0].contains("No space left"), "{out}");
    assert_eq!((lines[1], lines[2].trim()), ("75", "0"), "{out}");
    let (accepted, there) = lines[3].split_once(' ').unwrap();
    assert_eq!(accepted, there, "{out}");
    assert!(accepted.parse::<u32>().unwrap() > 5);
}

#[test]
fn a_full_disk_can_empty_itself() {
    let script = "for n in 1 2 3; do mspool enqueue bob@x <$W/mail >/dev/null; done; mspool flush\n\
        echo '{\"running\":9000000,\"counted_at\":\"2026-05-01T12:00:00Z\"}' >$D/spool/state/running-time; rm $D/spool/state/swept\n\
        cat /dev/zero >$D/filler 2>/dev/null; echo $(ls $D/spool/out/sent | wc -l); mspool flush; echo $?; echo $(ls $D/spool/out/sent | wc -l)";
    let Some((_, ran)) = on_small_disk("size=2m", script) else { return };
    assert_eq!(ran.ok(), "3\n0\n0\n");
}

#[test]
fn a_disk_without_inodes_refuses_mail() {
    let script = "mspool enqueue bob@x <$W/mail; echo $?";
    let Some((_, ran)) = on_small_disk("size=100m,nr_inodes=500", script) else { return };
    assert_eq!(ran.out, "75\n", "{ran:?}");
    assert!(ran.err.contains("too few inodes"), "{ran:?}");
}

#[test]
fn a_read_only_disk_says_so() {
    let script = "mspool enqueue bob@x <$W/mail >/dev/null; mount -t tmpfs -o remount,ro none $D || exit 99\n\
        mspool enqueue bob@x <$W/mail; echo $?; mspool report >/dev/null; echo $?; mspool flush; echo $?";
    let Some((world, ran)) = on_small_disk("size=100m", script) else { return };
    assert_eq!(ran.out, "78\n0\n78\n", "{ran:?}");
    assert!(ran.err.contains("Read-only file system"), "{ran:?}");
    assert!(world.trace().is_empty(), "what cannot be written down is not sent");
}

#[test]
fn a_full_disk_sends_nothing_that_it_could_not_write_down() {
    let script = "for n in 1 2 3; do mspool enqueue bob@x <$W/mail >/dev/null; done\n\
        mspool flush --dry-run >/dev/null; cat /dev/zero >$D/filler 2>/dev/null\n\
        mspool flush 2>$W/err; echo $?; cat $W/trace 2>/dev/null | wc -l; rm $D/filler; mspool flush; echo $?; cat $W/trace | wc -l";
    let Some((_, ran)) = on_small_disk("size=2m", script) else { return };
    let out = ran.ok();
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    assert_eq!((lines[1], lines[2], lines[3]), ("0", "0", "3"), "{out}");
    assert!(matches!(lines[0], "74" | "75"), "{out}");
}

#[test]
fn a_large_message_leaves_a_disk_that_has_no_room_for_a_copy() {
    let script = "head -c 2500000 /dev/zero | tr '\\0' x >$W/huge; mspool enqueue bob@x <$W/huge >/dev/null\n\
        mspool flush; echo $?; ls $D/spool/out/sent | wc -l; ls $D/spool/work | wc -l";
    let Some((_, ran)) = on_small_disk("size=4m", script) else { return };
    assert_eq!(ran.ok().split_whitespace().collect::<Vec<_>>(), ["0", "1", "0"]);
}
