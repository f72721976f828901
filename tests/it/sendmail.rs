//! The program as sendmail(1), mailq(1) and newaliases(1).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::world::{Ran, World, binary, wait_for};

fn world() -> World {
    let world = World::at_noon();
    let relay = world.script("relay", "cat >>\"$TRACE\"; trace \"<$1> $2 $3\"; case $2 in later*) exit 75;; esac");
    world.config(&format!(
        "hostname = \"laptop\"\n[queue]\nreserve = \"0B\"\n[transport.relay]\n\
         command = [{relay:?}, \"{{sender}}\", \"{{recipient}}\", \"{{body}}\"]\n"
    ));
    for name in ["sendmail", "mailq", "newaliases"] {
        symlink(binary(), world.path(name)).unwrap();
    }
    world
}

fn call(world: &World, name: &str, args: &[&str], input: impl AsRef<[u8]>) -> Ran {
    let path: PathBuf = world.path(name);
    world.program(&path, args).input(input).run()
}

/// The one message that is queued.
fn queued(world: &World) -> (String, String) {
    let files = world.files("new");
    assert_eq!(files.len(), 1, "{files:?}");
    let text = String::from_utf8_lossy(&fs::read(&files[0]).unwrap()).into_owned();
    let (line, message) = text.split_once('\n').unwrap();
    (line.to_owned(), message.to_owned())
}

#[test]
fn a_message_is_queued_with_a_complete_header() {
    let world = world();
    call(
        &world,
        "sendmail",
        &["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "-f", "joe@laptop", "root@x"],
        "Subject: hi\n\n.\nHello.\n",
    )
    .silent();
    let (envelope, message) = queued(&world);
    let id = world.files("new")[0].file_name().unwrap().to_string_lossy().into_owned();
    let uid = if crate::world::is_root() {
        "0".to_owned()
    } else {
        message.split("userid ").nth(1).unwrap().split(')').next().unwrap().to_owned()
    };
    assert_eq!(
        message,
        format!(
            "Received: by laptop (mspool, from userid {uid})\n\tid {id}; Fri, 1 May 2026 12:00:00 +0000\n\
             From: CronDaemon <joe@laptop>\nDate: Fri, 1 May 2026 12:00:00 +0000\nMessage-ID: <{id}@laptop>\n\
             To: undisclosed-recipients:;\nSubject: hi\n\n.\nHello.\n"
        )
    );
    assert!(envelope.contains("\"body\":\"8BITMIME\"") && envelope.contains("\"sender\":\"joe@laptop\""), "{envelope}");
    world.flush();
    assert_eq!(world.trace().last().unwrap(), "<joe@laptop> root@x 8BITMIME");
}

#[test]
fn what_is_there_stays_byte_for_byte() {
    let world = world();
    let mail =
        b"From: \"J\" <j@x>\r\nDate: then\r\nMessage-ID: <1@x>\r\nTo: bob@x\r\nX-Long: \xe9\xff\r\n\r\nbody \0\xfe\r\n";
    call(&world, "sendmail", &["-i", "bob@x"], mail).silent();
    let bytes = fs::read(&world.files("new")[0]).unwrap();
    assert!(bytes.ends_with(mail), "with the line ends it came with");
    assert_eq!(bytes.windows(2).filter(|pair| *pair == b"\r\n").count(), 9, "the trace has them too");
}

#[test]
fn the_header_names_recipients_and_loses_bcc() {
    let world = world();
    let mail = "To: a@x\nCc: b@x,\n c@x\nBcc: d@x\nSubject: x\n\nhi\n";
    call(&world, "sendmail", &["-ti", "e@x"], mail).silent();
    let (envelope, message) = queued(&world);
    for name in ["e", "a", "b", "c", "d"] {
        assert!(envelope.contains(&format!("\"address\":\"{name}@x\"")), "{name}: {envelope}");
    }
    assert!(!message.contains("d@x") && message.contains("Cc: b@x,\n c@x\n"), "{message}");
    call(&world, "sendmail", &["-t"], "Subject: nobody\n\nhi\n").fails(65, "no recipient");
    call(&world, "sendmail", &[], "hi\n").fails(64, "no recipient");
}

#[test]
fn a_lone_dot_ends_a_message_unless_it_is_told_not_to() {
    let world = world();
    call(&world, "sendmail", &["a@x"], "Subject: x\n\none\n.\ntwo\n").silent();
    assert!(queued(&world).1.ends_with("\n\none\n"));
    world.flush();
    for flag in ["-i", "-oi"] {
        call(&world, "sendmail", &[flag, "a@x"], "Subject: x\n\none\n.\ntwo\n").silent();
        assert!(queued(&world).1.ends_with("\n\none\n.\ntwo\n"), "{flag}");
        world.flush();
    }
    call(&world, "sendmail", &["a@x"], "").silent();
    assert!(queued(&world).1.ends_with("undisclosed-recipients:;\n"), "a header without a text");
}

#[test]
fn senders_and_recipients_as_callers_write_them() {
    for (args, sender, recipients) in [
        (&["-f", "", "a@x"][..], "", &["a@x"][..]),
        (&["-f", "<>", "a@x"], "", &["a@x"]),
        (&["-fJoe <joe@y>", "a@x"], "joe@y", &["a@x"]),
        (&["-r", "joe@y", "--", "a@x", "b@x"], "joe@y", &["a@x", "b@x"]),
        (&["-f", "joe@y", "a@x, Bob <b@x>", "-i", "c@x"], "joe@y", &["a@x", "b@x", "c@x"]),
    ] {
        let world = world();
        call(&world, "sendmail", args, "hi\n").silent();
        let report = &world.json(&["report", "--json"])[0];
        let found: Vec<&str> =
            report["recipients"].as_array().unwrap().iter().map(|one| one["address"].as_str().unwrap()).collect();
        assert_eq!((report["sender"].as_str().unwrap(), found.as_slice()), (sender, recipients), "{args:?}");
    }
}

#[test]
fn requests_for_reports_are_carried_through() {
    let world = world();
    call(&world, "sendmail", &["-N", "success,delay", "-R", "hdrs", "-V", "QQ1", "a@x"], "hi\n").silent();
    let (envelope, _) = queued(&world);
    for member in ["\"notify\":\"success,delay\"", "\"ret\":\"hdrs\"", "\"envid\":\"QQ1\""] {
        assert!(envelope.contains(member), "{member}: {envelope}");
    }
    call(&world, "sendmail", &["-N", "often", "a@x"], "hi\n").fails(64, "never");
    call(&world, "sendmail", &["-V", " a", "a@x"], "hi\n").fails(64, "printable");
}

#[test]
fn modes_and_other_names() {
    let world = world();
    call(&world, "newaliases", &[], "").silent();
    for args in [&["-bi"][..], &["-I"]] {
        call(&world, "sendmail", args, "").silent();
    }
    assert_eq!(call(&world, "mailq", &[], "").ok(), "Mail queue is empty\n");
    call(&world, "sendmail", &["-bd"], "").fails(64, "\"mspool watch\"");
    call(&world, "sendmail", &["-bx"], "").fails(64, "-b \"x\" is unknown");
    call(&world, "sendmail", &["-Z", "a@x"], "").fails(64, "unknown flag \"-Z\"");
    assert_eq!(call(&world, "sendmail", &["-bv", "a@x"], "").ok(), "a@x: relay\n");
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    world.config(&text.replace("[transport.relay]\n", "[transport.relay]\ntypes = [\"FAX\"]\n"));
    let ran = call(&world, "sendmail", &["-bv", "a@x"], "");
    assert_eq!((ran.code, ran.out.as_str()), (67, "a@x: no transport takes it\n"));
    assert!(call(&world, "sendmail", &["--help"], "").ok().contains("-B TYPE"));
    assert!(world.mspool(&["sendmail", "-bp"]).run().ok().contains("empty"));
    assert!(world.mspool(&["-q", "mailq"]).run().ok().contains("empty"));
}

#[test]
fn a_message_can_be_attempted_at_once_or_in_the_background() {
    let world = world();
    call(&world, "sendmail", &["-odi", "-f", "j@x", "a@x"], "hi\n").silent();
    assert_eq!(world.trace().last().unwrap(), "<j@x> a@x ");
    call(&world, "sendmail", &["-odb", "-f", "j@x", "b@x"], "hi\n").silent();
    wait_for("the delivery", || world.trace().last().is_some_and(|line| line == "<j@x> b@x "));
    wait_for("its end", || world.files("sent").len() == 2);
    call(&world, "sendmail", &["-odq", "-f", "j@x", "c@x"], "hi\n").silent();
    call(&world, "sendmail", &["-f", "j@x", "d@x"], "hi\n").silent();
    assert_eq!(world.files("new").len(), 2);
    call(&world, "sendmail", &["-qRx"], "").silent();
    assert_eq!(world.files("new").len(), 0);
    let id = world.enqueue(&["later@x"]);
    call(&world, "sendmail", &["-q15m"], "").silent();
    call(&world, "sendmail", &["-qI", &id], "").silent();
    assert_eq!(world.report(&id)["attempts"], 2);
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    world.config(&format!("{text}[sendmail]\ndelivery = \"attempt\"\n"));
    call(&world, "sendmail", &["-f", "j@x", "e@x"], "hi\n").silent();
    assert_eq!(world.trace().last().unwrap(), "<j@x> e@x ");
}

#[test]
fn the_queue_is_listed_as_others_list_it() {
    let world = world();
    let first = world.enqueue(&["-f", "joe@x", "later@x", "a@x"]);
    world.flush();
    let held = world.enqueue(&["-f", "", "--hold", "b@x"]);
    let list = call(&world, "mailq", &[], "").ok();
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines[0], "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------");
    assert_eq!(lines[1], format!("{first}       44 Fri May  1 12:00:00  joe@x"));
    assert!(lines[2].trim_start().starts_with('(') && lines[2].ends_with(')'), "{list}");
    assert_eq!(lines[3].trim_start(), "later@x");
    assert_eq!(lines[5], format!("{held}!       44 Fri May  1 12:00:00  MAILER-DAEMON"));
    assert_eq!(*lines.last().unwrap(), "-- 1 Kbytes in 2 Requests.");
    let format = |name: &str| world.mspool(&["report", "--format", name]).run().ok();
    let json: Vec<serde_json::Value> =
        format("postfix-json").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (json[0]["queue_name"].as_str(), json[1]["queue_name"].as_str(), json[0]["message_size"].as_u64()),
        (Some("deferred"), Some("hold"), Some(44))
    );
    assert_eq!(json[0]["recipients"][0]["address"], "later@x");
    assert_eq!(
        (json[0]["arrival_time"].as_u64(), json[0]["forced_expire"].as_bool()),
        (Some(crate::world::NOON), Some(false))
    );
    let exim = format("exim");
    assert!(exim.contains(&format!(" 0m    44 {first} <joe@x>\n          later@x\n        D a@x\n")), "{exim}");
    assert!(exim.contains("<> *** frozen ***"), "{exim}");
    assert!(format("nullmailer").contains("2026-05-01 12:00:00 44 bytes from <joe@x>\n  to <later@x>\n"));
    assert_eq!(format("qmail-qstat"), "messages in queue: 2\nmessages in queue but not yet preprocessed: 0\n");
}

#[test]
fn hostile_arguments_do_nothing() {
    let world = world();
    let canary = world.path("canary");
    let log = format!("-X{}", canary.display());
    for args in [
        vec!["-f", "-oQ/tmp", "--", "a@x"],
        vec!["-f", "a@x\nBcc: evil@x", "a@x"],
        vec!["--", "-oQ/tmp@x", "a@x"],
        vec![log.as_str(), "a@x"],
        vec!["-F", "Joe\r\nBcc: evil@x", "a@x"],
        vec!["--", "`touch canary`@x"],
        vec!["$(touch canary)@x"],
        vec!["a@x\nevil@x"],
    ] {
        let ran = call(&world, "sendmail", &args, "Subject: x\n\nhi\n");
        assert!(matches!(ran.code, 0 | 64 | 65), "{args:?}: {ran:?}");
        assert!(ran.err.lines().count() <= 1, "{ran:?}");
    }
    world.flush_quietly();
    assert!(!canary.exists() && !world.path("home/canary").exists());
    assert!(
        !world.trace().iter().any(|line| line.starts_with("Bcc:") || line.contains("> evil@x")),
        "{:?}",
        world.trace()
    );
}

#[test]
fn a_closed_standard_input_is_no_empty_message() {
    let world = World::with_relay("cat >/dev/null");
    let program = binary();
    let closed = world.script("closed", "exec \"$@\" <&-");
    let ran = world.program(&closed, &[&program, "sendmail", "bob@x"]).run();
    ran.fails(65, "standard input is closed; nothing was queued");
    let empty = world.script("empty", "exec \"$@\" </dev/null");
    world.program(&empty, &[&program, "sendmail", "bob@x"]).run().silent();
    assert_eq!(world.files("new").len(), 1, "who gives an empty message means it");
}
