//! What a stranger writes, in an address, a field, a name or a program's output, stays data: it never becomes an
//! argument, a field, a record, a path, or part of somebody else's mail.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::world::{MAIL, Seeded, World};

/// Text that would do something if a shell, a format or a path were made of it.
const HOSTILE: [&str; 18] = [
    "$(touch canary)",
    "`touch canary`",
    ";touch canary;",
    "|touch canary",
    "&touch canary&",
    ">canary",
    "${run{touch$IFS$CANARY}}",
    "$IFS",
    "%s%n%x",
    "{sender}{recipient}{subject}{id}{ref}{folder}",
    "'\"\\",
    "*?[a-z]{a,b}~",
    "--help",
    "-oQ/tmp",
    "../../canary",
    "/canary",
    "() { :;}; touch canary",
    "!! #",
];

/// True if a file of this name is anywhere in the world.
fn has_canary(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().map(Result::unwrap).any(|entry| {
        entry.file_name().to_string_lossy().contains("canary")
            || (entry.file_type().unwrap().is_dir() && has_canary(&entry.path()))
    })
}

/// An address with this local part, quoted where it has to be.
fn mailbox(local: &str) -> String {
    let plain = local.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    let quoted = local.replace('\\', "\\\\").replace('"', "\\\"");
    if plain { format!("{local}@x") } else { format!("\"{quoted}\"@x") }
}

#[test]
fn hooks_filters_and_notices_get_hostile_text_as_it_is() {
    let world = World::at_noon();
    let show = "for a; do printf '[%s]' \"$a\" >>\"$TRACE\"; done; printf ' %s\\n' \"$MSPOOL_SENDER\" >>\"$TRACE\"";
    let filter = world.script("filter", &format!("{show}; cat"));
    let other = world.script("other", &format!("cat >/dev/null; {show}"));
    let notice = world.script("notice", "printf '[%s][%s]\\n' \"$2\" \"$MSPOOL_SUBJECT\" >>\"$TRACE\"");
    world.config(&format!(
        "[queue]\nreserve = \"0B\"\n[transport.relay]\ncommand = [{other:?}, \"--\", \"{{sender}}\", \"{{recipients}}\"]\n\
         preprocess = [[{filter:?}, \"--\", \"{{sender}}\", \"{{envid}}\"]]\nundo = [{other:?}, \"{{id}}\"]\n\
         [[hook.inbound]]\ncommand = [{other:?}, \"{{class}}\", \"{{folder}}\"]\n\
         [[hook.outbound]]\ncommand = [{other:?}]\n[notify]\ncommand = [{notice:?}, \"--\", \"{{subject}}\"]\n"
    ));
    for text in HOSTILE {
        let (address, mail) = (mailbox(text), format!("From: x@y\nSubject: {text}\n\n{text}\n"));
        let _ = fs::remove_file(world.path("trace"));
        let envid = format!("--envid={text}");
        let id = world.enqueue_bytes(mail.as_bytes(), &["-f", &address, &envid, "--", &address]);
        world.flush();
        let expected = [
            format!("[--][{address}][{text}] {address}"),
            format!("[--][{address}][{address}] {address}"),
            format!("[{id}] "),
            format!(" {address}"),
        ];
        assert_eq!(world.trace(), expected, "{text}");
        let _ = fs::remove_file(world.path("trace"));
        world.receive(&mail, &["-f", &address, "--to", &address]);
        assert_eq!(world.trace(), [format!("[mail][] {address}"), format!("[{text}][{text}]")], "{text}");
        world.mspool(&["report", &id]).run().ok();
        world.mspool(&["report", "log", &id]).run().ok();
    }
    assert!(!has_canary(world.dir.path()));
}

#[test]
fn references_of_a_source_are_data() {
    for text in HOSTILE {
        let world = World::at_noon();
        fs::write(world.path("home/reference"), text).unwrap();
        let fetch = world.script(
            "fetch",
            "test -e \"$HOME/done\" && exit 1; echo >\"$HOME/done\"; printf 'ref ' >&3; cat \"$HOME/reference\" >&3; \
             echo >&3; printf 'Subject: x\\n\\n\\n'",
        );
        let ack = world.script("ack", "printf '%s [%s] [%s]\\n' $# \"$2\" \"$MSPOOL_REF\" >>\"$TRACE\"");
        world.config(&format!(
            "[queue]\nreserve = \"0B\"\n[inbound.pop]\nfetch = [{fetch:?}]\nack = [{ack:?}, \"--\", \"{{ref}}\"]\n"
        ));
        world.mspool(&["receive", "--poll"]).run().silent();
        assert_eq!(world.trace(), [format!("2 [{text}] [{text}]")]);
        assert!(!has_canary(world.dir.path()), "{text}");
    }
}

#[test]
fn names_of_files_in_a_maildir_are_data() {
    let world = World::at_noon();
    let hook = world.script("hook", "cat >/dev/null; trace hook; echo folder=Seen");
    world.config(&format!("[queue]\nreserve = \"0B\"\n[[hook.inbound]]\ncommand = [{hook:?}]\n"));
    let maildir = world.path("box");
    for dir in ["tmp", "new", "cur"] {
        fs::create_dir_all(maildir.join(dir)).unwrap();
    }
    let names = HOSTILE.iter().filter(|name| !name.contains('/')).map(|name| name.replace("canary", "canar$Y"));
    let names: Vec<String> = names.chain(["a\nb".to_owned(), "\u{1b}[2J".to_owned(), "-rf".to_owned()]).collect();
    for name in &names {
        fs::write(maildir.join("new").join(name), "Subject: x\n\n").unwrap();
    }
    let ran = world.mspool(&["receive", "--in-place", maildir.to_str().unwrap()]).run();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!format!("{}{}", ran.out, ran.err).contains('\u{1b}'), "{ran:?}");
    assert_eq!(world.trace().len(), names.len(), "{ran:?}");
    let filed: BTreeSet<String> = fs::read_dir(maildir.join(".Seen/new"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(filed, names.into_iter().collect());
    assert!(!has_canary(world.dir.path()));
}

#[test]
fn an_empty_value_is_an_argument_of_every_command() {
    let world = World::at_noon();
    let count =
        |name: &str, then: &str| world.script(name, &format!("trace \"{name} $# [$(printf '%s|' \"$@\")]\"; {then}"));
    let [relay, hook, notice] = ["relay", "hook", "notice"].map(|name| count(name, "cat >/dev/null"));
    let filter = count("filter", "cat");
    world.config(&format!(
        "[queue]\nreserve = \"0B\"\n[transport.relay]\n\
         command = [{relay:?}, \"{{sender}}\", \"{{body}}\", \"-f{{sender}}\", \"{{recipient}}\", \"end\"]\n\
         preprocess = [[{filter:?}, \"{{sender}}\", \"{{body}}\", \"end\"]]\n\
         [[hook.inbound]]\ncommand = [{hook:?}, \"{{folder}}\", \"end\"]\n\
         [notify]\ncommand = [{notice:?}, \"{{from}}\", \"{{subject}}\", \"{{folder}}\", \"end\"]\n"
    ));
    world.enqueue_bytes(b"\nno header\n", &["-f", "", "bob@x"]);
    world.flush();
    world.receive("\nno header\n", &["-f", ""]);
    assert_eq!(
        world.trace(),
        ["filter 3 [||end|]", "relay 5 [||-f|bob@x|end|]", "hook 2 [|end|]", "notice 4 [|||end|]"]
    );
    world.mspool(&["enqueue", "-f", "@x", "bob@x"]).input(MAIL).run().fails(65, "");
    world.mspool(&["enqueue", "@x"]).input(MAIL).run().fails(65, "");
}

/// Pieces that end lines, strings, objects and commands.
const PIECES: [&str; 26] = [
    "\n",
    "\r",
    "\r\n",
    "\n.\n",
    "\\n",
    "\\u000a",
    "\"",
    "\"}",
    "\",\"sender\":\"",
    "{\"event\":\"result\"}",
    "}\n{",
    "\t",
    "\u{85}",
    "\u{2028}",
    "\u{1b}[2J",
    "\u{7f}",
    "a",
    "@x",
    " ",
    "<",
    ">",
    ",",
    ";",
    "+0A",
    "=",
    "é",
];

fn odd_text(random: &mut Seeded) -> String {
    (0..1 + random.below(5)).map(|_| *random.one_of(&PIECES)).collect()
}

const ENVELOPE_MEMBERS: [&str; 14] = [
    "size",
    "sum",
    "line",
    "id",
    "arrival",
    "running",
    "sender",
    "recipients",
    "not_before",
    "notify",
    "ret",
    "envid",
    "body",
    "hops",
];

/// The envelope of a queue file, which has only known members, and the recipients that were asked for.
fn check_envelope(bytes: &[u8], recipients: usize, what: &str) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    let envelope: Value = serde_json::from_slice(&bytes[..end]).unwrap_or_else(|error| panic!("{what}: {error}"));
    let members = envelope.as_object().unwrap();
    assert!(members.keys().all(|name| ENVELOPE_MEMBERS.contains(&name.as_str())), "{what}: {envelope}");
    assert_eq!(envelope["recipients"].as_array().unwrap().len(), recipients, "{what}: {envelope}");
    assert_eq!(envelope["size"].as_u64(), Some((bytes.len() - end - 1) as u64), "{what}");
    for recipient in envelope["recipients"].as_array().unwrap() {
        let known = ["type", "address", "orcpt", "notify", "expanded_from"];
        assert!(recipient.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{what}: {envelope}");
    }
    let mut stack = vec![&envelope];
    while let Some(value) = stack.pop() {
        match value {
            Value::String(text) => assert!(!text.chars().any(char::is_control), "{what}: {envelope}"),
            Value::Array(values) => stack.extend(values),
            Value::Object(members) => stack.extend(members.values()),
            _ => {}
        }
    }
}

#[test]
fn no_input_adds_a_record_a_member_or_a_line() {
    let seeds = std::env::var("MSPOOL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(25);
    let mut taken = 0;
    for seed in 1..=seeds {
        let mut random = Seeded(seed * 2 + 1);
        let world = World::at_noon();
        let noise = world.path("noise");
        world.relay(
            &format!("cat >/dev/null; cat {noise:?} {noise:?} >&3; cat {noise:?}; cat {noise:?} >&2; exit 75"),
            "results = \"lines\"",
        );
        fs::write(
            &noise,
            format!(
                "rcpt b@x 4.2.1 {}\nref {}\n{}",
                odd_text(&mut random),
                odd_text(&mut random),
                odd_text(&mut random)
            ),
        )
        .unwrap();
        let mut word = || odd_text(&mut random);
        let (sender, address, envid, orcpt) = (format!("a{}@x", word()), format!("b{}@x", word()), word(), word());
        let orcpt = format!("b@x=rfc822;{orcpt}");
        let lines = [
            vec!["enqueue", "-f", &sender, "b@x"],
            vec!["enqueue", "-f", "a@x", "--", &address],
            vec!["enqueue", "-f", "a@x", "--envid", &envid, "b@x"],
            vec!["enqueue", "-f", "a@x", "--orcpt", &orcpt, "--", "b@x"],
            vec!["enqueue", "--report-to", &sender, "b@x"],
            vec!["sendmail", "-i", "-odq", "-f", &sender, "b@x"],
            vec!["sendmail", "-i", "-odq", "-V", &envid, "-f", "a@x", "b@x"],
            vec!["sendmail", "-i", "-odq", "-f", "a@x", "-F", &envid, "b@x"],
        ];
        for args in lines {
            let ran = world.mspool(&args).input(MAIL).run();
            assert!([0, 64, 65].contains(&ran.code), "{args:?}: {ran:?}");
            assert!(ran.err.lines().count() <= 1 && ran.out.lines().count() <= 1, "{args:?}: {ran:?}");
            assert_eq!(world.files("new").len(), usize::from(ran.code == 0), "{args:?}");
            for path in world.files("new") {
                taken += 1;
                check_envelope(&fs::read(&path).unwrap(), 1, &format!("seed {seed}, {args:?}"));
                fs::rename(&path, world.spool().join("out/hold").join(path.file_name().unwrap())).unwrap();
            }
        }
        // A client of the SMTP server: its lines end where they end, and its values are in one member each.
        let session = format!(
            "EHLO {}\r\nMAIL FROM:<a@x> ENVID={}\r\nRCPT TO:<b@x> ORCPT=rfc822;{}\r\nRCPT TO:<c@x>\r\nDATA\r\n{}\r\n.\r\nQUIT\r\n",
            word(),
            word(),
            word(),
            word()
        );
        let _ = world.mspool(&["sendmail", "-bs", "-odq"]).input(&session).run();
        for path in world.files("new") {
            let bytes = fs::read(&path).unwrap();
            let envelope: Value = serde_json::from_slice(bytes.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
            check_envelope(&bytes, envelope["recipients"].as_array().unwrap().len().min(2), &format!("{session:?}"));
            assert_eq!(envelope["sender"], "a@x", "{session:?}");
            fs::remove_file(path).unwrap();
        }
        // What the transport prints: two records, of known members, in the log or in the name.
        let id = world.enqueue(&["-f", "a@x", "b@x"]);
        assert_eq!(world.mspool(&["-q", "flush"]).run().code, 0);
        let log = world.mspool(&["report", "log", "--json", &id]).run().ok();
        let records: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), 2, "seed {seed}: {log}");
        let events: Vec<&str> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["attempt", "result"], "seed {seed}: {log}");
        let known = ["recipients", "state", "status", "text", "next", "charge", "remote_id"];
        for result in records[1]["results"].as_array().unwrap() {
            assert!(
                result.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())),
                "seed {seed}: {log}"
            );
        }
    }
    assert!(taken > seeds, "{taken} were taken");
}

#[test]
fn an_envelope_with_an_unsafe_value_is_set_aside() {
    let world = World::with_relay("trace \"$*\"; cat >/dev/null");
    let arguments = ["-f", "joe@x", "--envid", "envid", "--orcpt", "bob@x=rfc822;orcpt", "--", "bob@x"];
    for (old, new) in [
        ("bob@x", "bob@x\\nann@x"),
        ("bob@x", "bob\\u0000@x"),
        ("bob@x", "bob\\r@x"),
        ("bob@x", ""),
        ("\"SMTP\"", "\"sm tp\""),
        ("\"SMTP\"", "\"SMTP\\n\""),
        ("joe@x", "joe\\n@x"),
        ("joe@x", "<joe@x"),
        (":\"envid\"", ":\"en\\nvid\""),
        (":\"envid\"", ":\"\\u001b[2J\""),
        ("rfc822;orcpt", "rfc822;or\\ncpt"),
        ("rfc822;orcpt", "orcpt"),
        ("\"recipients\":[", "\"recipients\":[],\"other\":["),
        ("\"arrival\":\"2026", "\"arrival\":\"x026"),
    ] {
        let id = world.enqueue(&arguments);
        let path = world.find(&id).unwrap().1;
        let text = fs::read_to_string(&path).unwrap();
        let (envelope, message) = text.split_once('\n').unwrap();
        assert!(envelope.contains(old), "{envelope}");
        fs::write(&path, format!("{}\n{message}", envelope.replacen(old, new, 1))).unwrap();
        let ran = world.mspool(&["flush"]).run();
        assert_eq!(ran.code, 74, "{old} -> {new}: {ran:?}");
        ran.says("moved to corrupt");
        assert!(world.trace().is_empty(), "{old} -> {new}: {:?}", world.trace());
        assert_eq!(world.state(&id), "corrupt");
    }
}

#[test]
fn what_is_no_queue_id_is_no_path() {
    let world = World::with_relay("cat >/dev/null");
    let id = world.enqueue(&["bob@x"]);
    let long = "9".repeat(10_000);
    let inside = format!("../../out/new/{id}");
    let below = format!("{id}/../{id}");
    let marked = format!("{id},T=1");
    let hostile = [
        "",
        ".",
        "..",
        "x",
        "/",
        "../../x",
        "/etc/passwd",
        "out/new",
        &long,
        &inside,
        &below,
        &marked,
        "-",
        "\u{1b}[2J",
        "1.M000000P1Q0R00000000.a/b",
        "1.M000000P1Q0R00000000.",
        "1.M000000P1Q0R00000000..",
        "1.M000000P1Q0R00000000.a\nb",
    ];
    for word in hostile {
        for args in [
            &["report", "--", word][..],
            &["report", "log", "--", word],
            &["cancel", "--", word],
            &["hold", "--", word],
            &["release", "--", word],
            &["flush", "--", word],
            &["report", "complete", "--rcpt", "bob@x", "--status", "2.0.0", "--", word],
        ] {
            let ran = world.mspool(args).run();
            assert!([64, 65, 66].contains(&ran.code), "{args:?}: {ran:?}");
            assert_eq!((ran.out.as_str(), ran.err.lines().count()), ("", 1), "{args:?}: {ran:?}");
            assert!(!ran.err.contains('\u{1b}') && ran.err.len() < 1000, "{args:?}: {ran:?}");
        }
    }
    assert_eq!(world.state(&id), "new");
}

/// The lines of a header before its end.
fn header(message: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(message).lines().take_while(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn no_name_of_a_host_or_a_user_adds_a_field() {
    let names =
        ["joe", "joe\nBcc: eve@x", "joe\r\nX: y\r\n\r\nbody", "j\u{2028}oe", "\"<eve@x>", "joe@y", "", "\u{1b}[2J"];
    let mut expected = None;
    for name in names {
        let world = World::at_noon();
        world.config("hostname = \"laptop\"\n[queue]\nreserve = \"0B\"\n");
        let run = |args: &[&str]| {
            let run = world.mspool(args).env("USER", name).env("LOGNAME", name).env("NAME", name).env("MAILNAME", name);
            run.env("HOSTNAME", name).input("Subject: s\n\nhi\n").run().ok()
        };
        run(&["sendmail", "-odq", "-i", "bob@x"]);
        let id = run(&["enqueue", "-t", "bob@x"]);
        run(&["receive"]);
        let mut fields = header(&world.message(id.trim()));
        fields.extend(world.inbox().iter().flat_map(|text| header(text.as_bytes())));
        let sendmail = world.files("new").into_iter().map(|path| fs::read(path).unwrap());
        fields.extend(sendmail.flat_map(|bytes| header(&bytes)).filter(|line| !line.starts_with('{')));
        let names: Vec<String> =
            fields.iter().map(|line| line.split([':', ' ', '\t']).next().unwrap().to_owned()).collect();
        assert!(
            !fields.iter().any(|line| line.contains("eve@x\"") || line.starts_with("Bcc")),
            "{name:?}: {fields:#?}"
        );
        assert_eq!(expected.get_or_insert(names.clone()), &names, "{name:?}: {fields:#?}");
    }
    let world = World::new();
    for host in ["lap\\ntop", "lap top", "laptop\\r\\nX: y", "", "a/b", "-\\u001b"] {
        world.config(&format!("hostname = \"{host}\"\n"));
        world.mspool(&["enqueue", "bob@x"]).input(MAIL).run().fails(78, "hostname");
    }
}

#[test]
fn no_dot_and_no_line_end_changes_a_message() {
    let world = World::at_noon();
    let keep = world.script("keep", "cat >\"$HOME/kept\"");
    world.config(&format!(
        "[queue]\nreserve = \"0B\"\n[transport.keep]\nmatch = [\"*@x\"]\ncommand = [{keep:?}]\n\
         [transport.box]\nmatch = [\"*@box\"]\nmaildir = \"~/box\"\n"
    ));
    for trick in [
        "\n.\n",
        "\r\n.\r\n",
        "\r\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r.\r\n",
        "\n.\r",
        "\n..\n",
        ".",
        "\n.",
        "\r\n.\r",
        "\n\n.\n\n",
        "\r\r\n",
        "\0",
        "\nFrom a b\n",
        "\n>From a b\n",
        "\x1a",
        "",
    ] {
        let text = format!("Subject: s\n\nbefore{trick}MAIL FROM:<evil@x>\n{trick}");
        let id = world.enqueue_bytes(text.as_bytes(), &["bob@x", "bob@box"]);
        assert_eq!(world.message(&id), text.as_bytes(), "{trick:?}");
        world.flush();
        assert_eq!(fs::read(world.path("home/kept")).unwrap(), text.as_bytes(), "{trick:?}");
        let filed = fs::read_dir(world.path("home/box/new")).unwrap().map(|entry| entry.unwrap().path());
        let filed: Vec<_> = filed.collect();
        assert_eq!(filed.len(), 1, "{trick:?}");
        assert!(fs::read(&filed[0]).unwrap().ends_with(text.as_bytes()), "{trick:?}");
        fs::remove_file(&filed[0]).unwrap();
        world.receive(&text, &["-f", "b@x", "--to", "joe@laptop"]);
        let received = world.folder_files("").pop().unwrap();
        assert!(fs::read(&received).unwrap().ends_with(text.as_bytes()), "{trick:?}");
        fs::remove_file(received).unwrap();
        world.mspool(&["sendmail", "-i", "-odq", "-f", "joe@x", "bob@x"]).input(&text).run().silent();
        let sent = fs::read(&world.files("new")[0]).unwrap();
        assert!(sent.ends_with(text.split_once("\n\n").unwrap().1.as_bytes()), "{trick:?}");
        fs::remove_file(&world.files("new")[0]).unwrap();
    }
}

#[test]
fn nobody_is_told_of_the_other_recipients() {
    let world = World::at_noon();
    let show = "{ echo \"== $*\"; env; cat; } >>\"$HOME/NAME\"";
    let [one, other] = ["one", "other"].map(|name| world.script(name, &show.replace("NAME", name)));
    let filter = world.script("filter", "env >>\"$HOME/filter\"; cat");
    let failing = world.script("failing", "cat >/dev/null; exit 67");
    world.config(&format!(
        "[queue]\nreserve = \"0B\"\n[transport.one]\nmatch = [\"*@one\"]\ncommand = [{one:?}, \"{{recipients}}\"]\n\
         preprocess = [[{filter:?}]]\n[transport.other]\nmatch = [\"*@other\"]\ncommand = [{other:?}, \"{{recipient}}\"]\n\
         [transport.failing]\nmatch = [\"*@failing\"]\ncommand = [{failing:?}]\n\
         [transport.box]\nmatch = [\"*@box\"]\nmaildir = \"~/box\"\n"
    ));
    let mail = "From: joe@x\nTo: open@one\nBcc: secret1@other,\n secret2@box\nbcc : secret3@one\nBcc:secret4@one\n\
                Subject: s\n\nhi\n";
    world.enqueue_bytes(mail.as_bytes(), &["-t", "-f", "joe@x", "secret1@other", "secret5@other", "secret6@failing"]);
    world.flush_quietly();
    let read = |name: &str| fs::read_to_string(world.path("home").join(name)).unwrap();
    let boxed = fs::read_dir(world.path("home/box/new")).unwrap();
    let boxed: String = boxed.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let reports: String = world.inbox().concat();
    let of_other = read("other");
    let mut seen = vec![
        ("one", read("one"), vec!["secret3", "secret4"]),
        ("filter", read("filter"), vec!["secret3", "secret4"]),
        ("box", boxed, vec!["secret2"]),
        ("report", reports, vec!["secret6"]),
    ];
    // One recipient a run: not even those of the same transport.
    let runs: Vec<&str> = of_other.split("== ").filter(|run| !run.is_empty()).collect();
    assert_eq!(runs.len(), 2);
    seen.extend(runs.iter().map(|run| {
        let only = if run.starts_with("secret1") { "secret1" } else { "secret5" };
        ("other", (*run).to_owned(), vec![only])
    }));
    for (who, text, known) in seen {
        for number in 1..=6 {
            let secret = format!("secret{number}");
            let may = known.contains(&secret.as_str());
            assert!(text.contains(&secret) == may, "{who} {secret}: {text}");
        }
        assert!(!text.to_lowercase().contains("bcc"), "{who}: {text}");
    }
}
