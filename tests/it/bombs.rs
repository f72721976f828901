//! Messages that parsers choke on: each is taken, kept byte for byte, shown and reported on, in little memory and time.

use std::fs;
use std::path::Path;

use crate::world::{World, binary, can_run};

/// Address space of a run in KiB: it bounds memory for root and for users.
const ADDRESS_SPACE: u32 = 400_000;

fn nested(depth: usize) -> String {
    let open = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
    format!("Subject: nested\n{}\ntext\n", (0..depth).map(open).collect::<String>())
}

/// Name and text of each message.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let report = "From: MAILER-DAEMON@x\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n\
                  x\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n";
    let part = "--b\nContent-Type: message/rfc822\n\n";
    let bounce = "Return-Path: <>\nFrom: MAILER-DAEMON@x\nSubject: Undeliverable mail\n\nIt failed:\n\n";
    let bounce_of_reports = "From: MAILER-DAEMON@x\nContent-Type: multipart/mixed; boundary=b\n\n";
    let text: Vec<(&str, String)> = vec![
        ("nested parts", nested(20_000)),
        ("parts without end", format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\n".repeat(100_000))),
        ("nested messages", format!("Subject: x\n{}", "Content-Type: message/rfc822\n\n".repeat(30_000))),
        ("an empty boundary", format!("Content-Type: multipart/mixed; boundary=\"\"\n\n{}", "--\n".repeat(100_000))),
        ("a long boundary", format!("Content-Type: multipart/mixed; boundary={0}\n\n--{0}\n", "b".repeat(300_000))),
        (
            "continued parameters",
            format!(
                "Content-Disposition: attachment{}\n\n",
                (0..30_000).map(|n| format!(";\n filename*{n}*=%41")).collect::<String>()
            ),
        ),
        ("a colossal parameter", "Content-Type: text/plain; name*99999999999999999999*=utf-8''x\n\n".to_owned()),
        ("nested comments", format!("From: {}joe@x\nDate: {}\n\n", "(".repeat(200_000), "(a".repeat(100_000))),
        ("nested groups", format!("To: {}\n\n", "a:<".repeat(100_000))),
        ("encoded words", format!("Subject: {}\n\n", "=?utf-8?q?=41?= =?x?b?////?= ".repeat(20_000))),
        ("an encoded word without end", format!("Subject: =?utf-8?b?{}\n\n", "QUFB".repeat(100_000))),
        ("many fields", format!("{}\n", "X: y\n".repeat(100_000))),
        ("a folded field", format!("Subject: {}\n\n", "a\n ".repeat(200_000))),
        ("one long line", format!("Subject: {}", "a".repeat(900_000))),
        ("no header", "\u{0}\u{1}\r\r\n".repeat(100_000)),
        ("references", format!("References: {}\nMessage-ID: <{}\n\n", "<a@b> ".repeat(100_000), "<".repeat(50_000))),
        ("a report of many", format!("{report}{}", "Final-Recipient: rfc822; a@x\nAction: failed\n\n".repeat(20_000))),
        ("a report in a report", format!("{report}--b\n{}", report.repeat(3_000))),
        ("returned messages", format!("{report}{}", part.repeat(50_000))),
        ("a bounce of addresses", format!("{bounce}{}", "550 a@x.test no such user\n".repeat(40_000))),
        ("a bounce without spaces", format!("{bounce}550 {}", "a@x.test,".repeat(100_000))),
        ("a bounce of at signs", format!("{bounce}550 undeliverable {}", "@".repeat(900_000))),
        ("a bounce of one address", format!("{bounce}550 {}@{}\n", "a".repeat(400_000), "x.".repeat(200_000))),
        (
            "a bounce of commands",
            format!("{bounce}{}", "rcpt to:<a@x.test>\n\n<a@x.test>: unknown user\n".repeat(30_000)),
        ),
        ("a bounce of fields", format!("{bounce}failed: a@x.test\n{}", "X-A: b\nSubject: c\n".repeat(50_000))),
        ("wrapped reports", format!("{bounce_of_reports}{}", format!("{part}{report}").repeat(3_000))),
        (
            "transfer encodings",
            format!("{report}{part}Content-Transfer-Encoding: base64\n\n{}", "=\u{fffd}A".repeat(100_000)),
        ),
    ];
    let mut all: Vec<(&str, Vec<u8>)> = text.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    let utf16 = b"Subject: =?utf-16?b?2AA=?=\nContent-Type: text/plain; charset=utf-16\n\n".to_vec();
    all.push(("half a character", [utf16, b"\xd8\x00".repeat(50_000)].concat()));
    all.push(("bytes", (0..600_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()));
    all
}

#[test]
fn parts_that_cannot_be_parsed_are_mail_as_any_other() {
    let all = bombs();
    take_and_send(&all[..all.len() / 2]);
}

#[test]
fn fields_and_reports_that_cannot_be_parsed_are_mail_as_any_other() {
    let all = bombs();
    take_and_send(&all[all.len() / 2..]);
}

fn take_and_send(bombs: &[(&str, Vec<u8>)]) {
    let world = World::with_relay("cat >\"$HOME/given\"; exit 67");
    world.relay("cat >\"$HOME/given\"; exit 67", "preprocess = [[\"cat\"]]");
    let limited = world.script("limited", &format!("ulimit -v {ADDRESS_SPACE}; exec \"$@\""));
    let program = binary();
    if !can_run(limited.to_str().unwrap(), &[&program, "--version"]) {
        return;
    }
    let run = |args: &[&str], input: &[u8]| {
        world.program(Path::new(&limited), &[&[program.as_str()], args].concat()).input(input).run()
    };
    for (name, bytes) in bombs {
        let ran = run(&["enqueue", "-f", "joe@x", "bob@x"], bytes);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{name}");
        let id = ran.out.trim();
        assert!(world.message(id) == *bytes, "{name} was changed");
        // To say who is meant is the message's part here: it may be refused, but not with an accident.
        for args in [&["enqueue", "-t", "--dry-run"][..], &["sendmail", "-t", "-i", "-odq"], &["report", "parse", "-"]]
        {
            let ran = run(args, bytes);
            assert!([0, 65].contains(&ran.code) && ran.err.lines().count() <= 1, "{name} {args:?}: {}", ran.err);
            assert!(ran.err.len() < 2000, "{name} {args:?}: {} bytes", ran.err.len());
        }
        for path in world.files("new").iter().filter(|path| !path.to_string_lossy().contains(id)) {
            fs::remove_file(path).unwrap();
        }
        // It fails, and the report on it holds it or its header.
        let ran = run(&["-q", "flush"], b"");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{name}");
        assert!(fs::read(world.path("home/given")).unwrap() == *bytes, "{name} was changed");
        assert_eq!((world.state(id).as_str(), world.inbox().len()), ("failed", 1), "{name}");
        fs::remove_file(&world.folder_files("")[0]).unwrap();
        let ran = run(&["receive", "--to", "joe@laptop"], bytes);
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""), "{name}");
        let received = world.folder_files("").pop().unwrap();
        // Final delivery replaces the sender's own `Return-Path`.
        let rest = bytes.strip_prefix(b"Return-Path: <>\n").unwrap_or(bytes);
        assert!(fs::read(&received).unwrap().ends_with(rest), "{name} was changed");
        fs::remove_file(received).unwrap();
        for args in [&["report", id][..], &["report", "--json"]] {
            let ran = run(args, b"");
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{name} {args:?}");
            assert!(ran.out.len() < 100_000, "{name} {args:?}: {} bytes", ran.out.len());
        }
        fs::remove_file(world.find(id).unwrap().1).unwrap();
    }
}

#[test]
fn three_gigabytes_are_refused_and_take_no_memory() {
    let world = World::new();
    let limited = world.script("limited", &format!("ulimit -v {ADDRESS_SPACE}; exec \"$@\" <\"$HOME/big\""));
    fs::File::create(world.path("home/big")).unwrap().set_len(3 << 30).unwrap();
    world.config("[queue]\nmessage_limit = \"20MiB\"\nreserve = \"0B\"\n");
    let program = binary();
    for args in [&["enqueue", "bob@x"][..], &["enqueue", "-t"], &["sendmail", "-i", "bob@x"], &["receive"]] {
        let ran = world.program(&limited, &[&[program.as_str()], args].concat()).run();
        assert_eq!(ran.code, 65, "{args:?}: {ran:?}");
        ran.says("");
        for dir in ["out/tmp", "out/new", "in/tmp", "in/new"] {
            let left = fs::read_dir(world.spool().join(dir)).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{args:?} {dir}");
        }
    }
}
