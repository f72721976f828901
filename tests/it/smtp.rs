//! SMTP and LMTP on standard input and output.

use crate::world::{Ran, World};

fn world() -> World {
    let world = World::at_noon();
    world.config("hostname = \"laptop\"\n[queue]\nreserve = \"0B\"\nmessage_limit = \"10KiB\"\n");
    world
}

fn speak(world: &World, args: &[&str], words: &str) -> Ran {
    world.mspool(&[&["sendmail"], args].concat()).input(words).run()
}

/// The codes of all replies to these lines.
fn codes(world: &World, lines: &[&str]) -> Vec<String> {
    let words: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let out = speak(world, &["-bs"], &words).out;
    assert!(out.split_terminator("\r\n").all(|line| !line.contains(['\r', '\n'])), "{out:?}");
    out.lines().filter(|line| line.get(3..4) == Some(" ")).map(|line| line[..3].to_owned()).collect()
}

const MAIL: [&str; 9] =
    ["EHLO me", "MAIL FROM:<joe@x>", "RCPT TO:<bob@y>", "DATA", "Subject: hi", "", "..dot", ".", "QUIT"];

#[test]
fn a_message_is_queued_when_it_is_answered() {
    let world = world();
    assert_eq!(codes(&world, &MAIL), ["220", "250", "250", "250", "354", "250", "221"]);
    let reports = world.json(&["report", "--json"]);
    assert_eq!((reports.len(), reports[0]["sender"].as_str()), (1, Some("joe@x")));
    let message = String::from_utf8(world.message(reports[0]["id"].as_str().unwrap())).unwrap();
    assert!(message.starts_with("Received: from me (userid "), "{message}");
    assert!(message.contains("by laptop (mspool) with ESMTP\n\tid "), "{message}");
    assert!(message.ends_with("Subject: hi\n\n.dot\n"), "{message}");
}

#[test]
fn what_is_offered_is_said_and_what_is_asked_is_kept() {
    let world = world();
    let out = speak(&world, &["-bs"], "EHLO me\r\nQUIT\r\n").ok();
    for offer in ["SIZE 10240", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"] {
        assert!(out.contains(&format!("250-{offer}\r\n")), "{offer}: {out}");
    }
    let lines = [
        "EHLO me",
        "MAIL FROM:<joe@x> BODY=8BITMIME RET=HDRS ENVID=QQ+2B1",
        "RCPT TO:<bob@y> NOTIFY=NEVER",
        "RCPT TO:<eve@y> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Eve+2Bx@y",
        "DATA",
        "",
        ".",
        "QUIT",
    ];
    assert_eq!(codes(&world, &lines), ["220", "250", "250", "250", "250", "354", "250", "221"]);
    let text = std::fs::read_to_string(&world.files("new")[0]).unwrap();
    let envelope: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(
        (envelope["body"].as_str(), envelope["ret"].as_str(), envelope["envid"].as_str()),
        (Some("8BITMIME"), Some("hdrs"), Some("QQ+1"))
    );
    assert_eq!(envelope["recipients"][0]["notify"], "never");
    assert_eq!(envelope["recipients"][1]["notify"], "success,failure");
    assert_eq!(envelope["recipients"][1]["orcpt"], "rfc822;Eve+x@y");
}

#[test]
fn the_order_of_commands_is_kept() {
    let world = world();
    assert_eq!(codes(&world, &["MAIL FROM:<a@x>", "QUIT"]), ["220", "503", "221"]);
    assert_eq!(codes(&world, &["EHLO me", "RCPT TO:<a@x>", "DATA", "QUIT"]), ["220", "250", "503", "503", "221"]);
    assert_eq!(
        codes(&world, &["EHLO me", "MAIL FROM:<a@x>", "MAIL FROM:<a@x>", "DATA"]),
        ["220", "250", "250", "503", "503"]
    );
    assert_eq!(
        codes(&world, &["EHLO me", "MAIL FROM:<a@x>", "RSET", "RCPT TO:<a@x>"]),
        ["220", "250", "250", "250", "503"]
    );
    assert_eq!(
        codes(&world, &["NOOP", "VRFY a", "HELP", "EXPN a", "AUTH PLAIN x", "NOOP"]),
        ["220", "250", "252", "214", "502", "502", "250"]
    );
    assert_eq!(codes(&world, &["EHLO me", "LHLO me", "XYZ"]), ["220", "250", "500", "500"]);
    assert_eq!(
        codes(&world, &["HELO me", "MAIL FROM:<a@x> SIZE=99999999", "MAIL FROM:<a b@x>"]),
        ["220", "250", "552", "501"]
    );
    assert_eq!(
        codes(&world, &["EHLO me", "MAIL FROM:<root>", "RCPT TO:<Postmaster>", "QUIT"]),
        ["220", "250", "250", "250", "221"]
    );
    assert!(world.files("new").is_empty());
    assert_eq!(speak(&world, &["-bs"], "Subject: a message, not SMTP\r\n\r\nhi\r\n").code, 64);
}

#[test]
fn no_line_end_but_the_sessions_own_ends_anything() {
    for trick in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\n\n.\r\n"] {
        let world = world();
        let words = format!(
            "EHLO me\r\nMAIL FROM:<joe@x>\r\nRCPT TO:<bob@y>\r\nDATA\r\nSubject: a\r\n\r\ntext{trick}MAIL FROM:<evil@x>\r\n\
             RCPT TO:<victim@y>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\nQUIT\r\n"
        );
        let out = speak(&world, &["-bs"], &words).ok();
        assert!(out.contains("\r\n550 5.5.2 "), "{trick:?}: {out}");
        assert!(world.files("new").is_empty(), "{trick:?}");
    }
    let world = world();
    let out = speak(&world, &["-bs"], "EHLO me\r\nMAIL FROM:<joe@x>\nRCPT TO:<bob@y>\r\n").ok();
    assert!(out.ends_with("closing the session\r\n") && out.contains("\r\n521 5.5.2 "), "{out}");
}

#[test]
fn local_programs_may_end_all_lines_in_lf() {
    let world = world();
    let words: String = MAIL.iter().map(|line| format!("{line}\n")).collect();
    let out = speak(&world, &["-bs", "-odb", "-oem"], &words).ok();
    assert!(out.contains("queued as"), "{out}");
    assert_eq!(world.json(&["report", "--json"]).len() + world.files("sent").len(), 1);
}

#[test]
fn limits_are_told() {
    let world = world();
    let long = "x".repeat(5000);
    assert_eq!(codes(&world, &[&long, "NOOP"]), ["220", "500", "250"]);
    let mut lines = vec!["EHLO me".to_owned(), "MAIL FROM:<a@x>".to_owned()];
    lines.extend((0..1001).map(|n| format!("RCPT TO:<r{n}@x>")));
    let found = codes(&world, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((found[1002].as_str(), found[1003].as_str()), ("250", "452"));
    let complaints = ["XYZ"; 30];
    let found = codes(&world, &complaints);
    assert_eq!((found.len(), found.last().unwrap().as_str()), (5, "421"));
    let large = format!("Subject: x\r\n\r\n{}", "y".repeat(20_000));
    let lines = ["EHLO me", "MAIL FROM:<a@x>", "RCPT TO:<b@x>", "DATA", &large, ".", "NOOP", "QUIT"];
    assert_eq!(codes(&world, &lines), ["220", "250", "250", "250", "354", "552", "250", "221"]);
    assert!(world.files("new").is_empty());
}

#[test]
fn a_client_that_goes_away_leaves_nothing() {
    let world = world();
    let out = speak(&world, &["-bs"], "EHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nSubject: half\r\n").ok();
    assert!(out.trim_end().ends_with("a single dot"), "{out}");
    assert!(world.files("new").is_empty() && world.files("tmp").is_empty());
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let world = world();
    let words = "LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nhi\r\n.\r\nEHLO me\r\nQUIT\r\n";
    let out = speak(&world, &["--lmtp"], words).ok();
    assert_eq!(out.matches("250 2.0.0 queued as ").count(), 2, "{out}");
    assert!(out.contains("500 5.5.1 this is LMTP: send LHLO"), "{out}");
    assert_eq!(world.files("new").len(), 1);
}

#[test]
fn a_full_disk_is_told_in_time() {
    let world = world();
    world.config("[queue]\nreserve = \"1000TB\"\n");
    assert_eq!(codes(&world, &["EHLO me", "MAIL FROM:<a@x>"]), ["220", "250", "452"]);
}

#[test]
fn a_client_that_does_not_speak_smtp_is_hung_up_on() {
    let hidden = MAIL.map(|line| format!("{line}\r\n")).concat();
    let first_lines = [
        "POST / HTTP/1.1\r\nHost: localhost:25\r\n\r\n",
        "Host: a\r\n",
        "X-Field:b\r\n",
        "get /\r\n",
        "PRI * HTTP/2.0\r\n",
    ];
    for first in first_lines {
        let world = world();
        let ran = speak(&world, &["-bs"], &format!("{first}{hidden}"));
        assert!(ran.out.ends_with("521 5.5.1 this is not SMTP; closing the session\r\n"), "{first}: {ran:?}");
        assert_eq!((ran.code, world.files("new").len()), (64, 0), "{first}");
    }
    let world = world();
    let ran = speak(&world, &["-bs"], &format!("one\r\ntwo\r\nthree\r\n{hidden}"));
    assert!(ran.out.ends_with("421 4.7.0 too many errors; closing the session\r\n"), "{ran:?}");
    assert!(world.files("new").is_empty());
    let later = format!("EHLO me\r\nMAIL FROM:<a@x>\r\nRSET\r\n{}{hidden}", "bad\r\n".repeat(10));
    assert!(speak(&world, &["-bs"], &later).ok().contains("queued as"), "a client that sent MAIL may err more often");
}

#[test]
fn parameters_with_bad_values_are_refused() {
    let world = world();
    let mail = |parameter: &str| codes(&world, &["EHLO me", &format!("MAIL FROM:<a@x> {parameter}")])[2].clone();
    assert_eq!(mail("SIZE=18446744073709551716"), "552", "beyond 64 bits");
    assert_eq!(mail("SIZE=99999999999999999999"), "552");
    assert_eq!(mail("SIZE=123456789012345678901"), "501", "more than 20 digits");
    assert_eq!(mail("SIZE=-1"), "501");
    assert_eq!(mail("ENVID=a+b"), "501");
    assert_eq!(mail("SIZE=10240"), "250");
    let rcpt = |orcpt: &str| {
        codes(&world, &["EHLO me", "MAIL FROM:<a@x>", &format!("RCPT TO:<b@x> ORCPT={orcpt}")])[3].clone()
    };
    for bad in ["rfc822;a+4", "rfc822;a+2b@x", "rfc822;a=b", "rfc822;", "a@x"] {
        assert_eq!(rcpt(bad), "501", "{bad}");
    }
    assert_eq!(rcpt("rfc822;a+2Bb@x"), "250");
}
