//! Sessions of SMTP and LMTP, behind a socket.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::world::{World, can_run, wait_for};

use super::{configure, flushed, only, relayed, sendmail, world};

const BEGIN: &str = "EHLO c\r\nMAIL FROM:<joe@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";

/// What is answered to these bytes, by code.
#[track_caller]
fn codes(world: &World, flags: &[&str], input: impl AsRef<[u8]>) -> Vec<u16> {
    let ran = sendmail(world, flags, input);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let last = ran.out.split("\r\n").filter(|line| line.len() > 3 && line.as_bytes()[3] == b' ');
    last.map(|line| line[..3].parse().unwrap()).collect()
}

#[test]
fn one_message_never_becomes_two() {
    let world = world();
    for trick in [
        &b"\n.\n"[..],
        b"\r.\r",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r.\r\n",
        b"\n\r.\r\n",
        b"\r\r\n.\r\n",
        b"\n",
        b"\r",
        b"\r\n\0.\r\n",
    ] {
        let evil = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\nSubject: evil\r\n\r\nx\r\n.\r\nQUIT\r\n";
        let bytes = [BEGIN.as_bytes(), b"Subject: s\r\n\r\nbody", trick, evil].concat();
        let ran = sendmail(&world, &["-bs"], &bytes);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{trick:?}");
        let sent = flushed(&world);
        assert!(sent.iter().all(|sent| sent.sender == "joe@example.org"), "{trick:?}: {sent:?}");
        if trick.contains(&0) {
            continue;
        }
        assert!(sent.is_empty() && ran.out.ends_with("nothing was queued\r\n"), "{trick:?}: {ran:?}");
    }
}

#[test]
fn a_dot_that_is_doubled_is_text() {
    let world = world();
    assert_eq!(
        codes(&world, &["-bs"], format!("{BEGIN}Subject: s\r\n\r\n..\r\n..x\r\n.\r\nQUIT\r\n")).last(),
        Some(&221)
    );
    assert_eq!(only(&world).body(), ".\n.x\n");
}

#[test]
fn a_thousand_recipients_and_no_more() {
    let world = world();
    let rcpt: String = (0..1001).map(|number| format!("RCPT TO:<u{number}@example.org>\r\n")).collect();
    let text = "Subject: s\r\n\r\nhi\r\n.\r\nQUIT\r\n";
    let codes = codes(&world, &["-bs"], format!("EHLO c\r\nMAIL FROM:<joe@example.org>\r\n{rcpt}DATA\r\n{text}"));
    assert_eq!(codes[3..1003].iter().filter(|code| **code == 250).count(), 1000);
    assert_eq!(codes[1003..], [452, 354, 250, 221]);
    assert_eq!(flushed(&world).iter().map(|sent| sent.recipients.len()).sum::<usize>(), 1000);
}

#[test]
fn clients_that_only_err_are_sent_away() {
    let world = world();
    let greeted = "EHLO c\r\n".to_owned();
    for (begun, errors) in [(greeted.clone(), 3), (greeted + "MAIL FROM:<joe@example.org>\r\n", 20)] {
        let codes = codes(&world, &["-bs"], begun + &"NONSENSE\r\n".repeat(30) + "QUIT\r\n");
        assert_eq!((codes.iter().filter(|code| **code == 500).count(), codes.last()), (errors, Some(&421)));
    }
}

#[test]
fn a_message_of_any_length_arrives_whole() {
    let world = world();
    for length in [8_190, 8_191, 8_192, 8_193, 65_534, 65_535, 65_536, 65_537, 131_071, 131_072] {
        let head = "Date: Fri, 1 May 2026 12:00:00 +0000\r\n\r\n";
        let text = format!("{head}{}", "x".repeat(length - head.len()));
        assert_eq!(codes(&world, &["-bs"], format!("{BEGIN}{text}\r\n.\r\nQUIT\r\n")).last(), Some(&221));
        let path = world.files("new").pop().unwrap();
        let message = String::from_utf8(fs::read(&path).unwrap()).unwrap();
        let line = message.trim_end().rsplit('\n').next().unwrap();
        assert_eq!(line.len(), length - head.len(), "{length}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn lines_and_messages_have_limits() {
    let world = world();
    configure(&world, "");
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    world.config(&text.replacen("[queue]", "[queue]\nmessage_limit = \"10kB\"", 1));
    let long = "x".repeat(100_000);
    let lines = format!("EHLO c\r\nMAIL FROM:<{long}@x>\r\nMAIL FROM:<joe@example.org> SIZE=99999999999\r\nQUIT\r\n");
    assert_eq!(codes(&world, &["-bs"], lines), [220, 250, 500, 552, 221]);
    let codes = codes(&world, &["-bs"], format!("{BEGIN}A: b\r\n\r\n{long}\r\n.\r\nRSET\r\nQUIT\r\n"));
    assert_eq!(codes[codes.len() - 3..], [552, 250, 221]);
    assert_eq!(flushed(&world).len(), 0);
}

#[test]
fn every_host_has_a_postmaster_and_users_without_a_domain() {
    let world = world();
    for address in ["postmaster", "Postmaster", "root"] {
        let bytes = format!("EHLO c\r\nMAIL FROM:<joe@example.org>\r\nRCPT TO:<{address}>\r\nQUIT\r\n");
        assert_eq!(codes(&world, &["-bs"], bytes)[3], 250, "{address}");
    }
}

#[test]
fn quoted_words_and_numbers_of_hosts_are_addresses() {
    let world = world();
    for address in ["\"a b\"@example.org", "\"a@b\"@example.org", "joe@[192.0.2.1]", "joe@[IPv6:2001:db8::1]"] {
        let bytes = format!("{BEGIN}A: b\r\n\r\nx\r\n.\r\n").replace("bob@example.org", address) + "QUIT\r\n";
        assert_eq!(codes(&world, &["-bs"], bytes)[3], 250, "{address}");
        assert_eq!(only(&world).recipients, [address]);
    }
}

#[test]
fn an_address_is_never_changed_into_another() {
    let world = world();
    let bytes = b"EHLO c\r\nMAIL FROM:<joe@example.org>\r\nRCPT TO:<\xff@example.org>\r\nQUIT\r\n";
    assert_eq!(codes(&world, &["-bs"], bytes)[3] / 100, 5);
}

#[test]
fn alpine_submits_in_turns_and_the_mail_leaves_behind_it() {
    let world = world();
    let mut alpine = world.program(&world.path("sendmail"), &["-bs", "-odb", "-oem"]).command();
    let mut alpine = alpine.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut to, mut from) = (alpine.stdin.take().unwrap(), BufReader::new(alpine.stdout.take().unwrap()));
    let mut hear = |code: &str| loop {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        assert!(line.starts_with(code), "{line:?} is not {code}");
        if !line[3..].starts_with('-') {
            break;
        }
    };
    hear("220");
    let dialogue = [
        ("EHLO localhost", "250"),
        ("MAIL FROM:<joe@example.org>", "250"),
        ("RCPT TO:<bob@example.org> NOTIFY=FAILURE,DELAY", "250"),
        ("DATA", "354"),
        (
            "Date: Fri, 1 May 2026 12:00:00 +0000 (UTC)\r\nFrom: Joe <joe@example.org>\r\nTo: bob@example.org\r\nSubject: s\r\nMessage-ID: <1@example.org>\r\n\r\nhi\r\n.",
            "250",
        ),
        ("QUIT", "221"),
    ];
    for (say, code) in dialogue {
        to.write_all(format!("{say}\r\n").as_bytes()).unwrap();
        hear(code);
    }
    assert!(alpine.wait().unwrap().success());
    wait_for("the mail at the relay", || relayed(&world).len() == 1);
    relayed(&world)[0].is_for("joe@example.org", &["bob@example.org"]);
    wait_for("the end of the flush", || world.files("new").is_empty() && world.files("cur").is_empty());
}

/// Serves a few connections as inetd would, and gives the port.
fn inetd(world: &World, flags: &[&str], connections: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let commands: Vec<_> = (0..connections).map(|_| world.program(&world.path("sendmail"), flags).command()).collect();
    std::thread::spawn(move || {
        for mut command in commands {
            let Ok((stream, _)) = listener.accept() else { return };
            let (input, output) = (OwnedFd::from(stream.try_clone().unwrap()), OwnedFd::from(stream));
            let child = command.stdin(input).stdout(output).spawn();
            // What is open here is not what the client waits for.
            drop(command);
            let _ = child.and_then(|mut child| child.wait());
        }
    });
    port
}

fn python(world: &World, code: &str, args: &[&str]) -> Option<String> {
    if !can_run("python3", &["-c", "import smtplib"]) {
        return None;
    }
    let args = [&["-c", code], args].concat();
    Some(world.program(Path::new("python3"), &args).run().ok())
}

#[test]
fn python_submits_with_all_that_is_offered() {
    let world = world();
    let port = inetd(&world, &["-bs"], 1).to_string();
    let code = r#"
import smtplib, sys
from email.message import EmailMessage
s = smtplib.SMTP("127.0.0.1", int(sys.argv[1]))
s.ehlo("client")
print(sorted(k for k in s.esmtp_features))
m = EmailMessage()
m["From"], m["To"], m["Subject"] = "joe@example.org", "bob@example.org", "grün"
m.set_content("héllo\n.\nFrom here\n", cte="8bit")
print(s.sendmail("joe@example.org", ["bob@example.org", "carl@example.org"], m.as_bytes(policy=m.policy.clone(linesep="\r\n")), ["BODY=8BITMIME", "RET=HDRS", "ENVID=abc"], ["NOTIFY=SUCCESS", "ORCPT=rfc822;Bob@example.org"]))
s.send_message(m, "jö@example.org", ["bö@example.org"], ["SMTPUTF8", "BODY=8BITMIME"])
try:
    s.sendmail("joe@example.org", ["bob@example.org", "a b@example.org"], b"A: b\r\n\r\n", ["SIZE=99999999999"])
except smtplib.SMTPSenderRefused as e:
    print(e.smtp_code)
s.quit()
"#;
    let Some(out) = python(&world, code, &[&port]) else { return };
    assert_eq!(out, "['8bitmime', 'dsn', 'enhancedstatuscodes', 'help', 'pipelining', 'size', 'smtputf8']\n{}\n552\n");
    let envelopes: Vec<String> = world.files("new").iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let dsn = envelopes.iter().find(|text| text.contains("\"abc\"")).unwrap();
    for part in ["hdrs", "success", "Bob@example.org", "8BITMIME"] {
        assert!(dsn.lines().next().unwrap().contains(part), "{part} in {dsn}");
    }
    let mut sent = flushed(&world);
    sent.sort_by_key(|sent| sent.recipients.len());
    sent[0].is_for("j\u{f6}@example.org", &["b\u{f6}@example.org"]);
    sent[1].is_for("joe@example.org", &["bob@example.org", "carl@example.org"]);
    assert_eq!(sent[1].body(), "h\u{e9}llo\n.\nFrom here\n");
}

#[test]
fn python_hands_in_over_lmtp() {
    let world = world();
    let port = inetd(&world, &["--lmtp"], 1).to_string();
    let code = "import smtplib, sys\ns = smtplib.LMTP('127.0.0.1', int(sys.argv[1]))\n\
        print(s.sendmail('joe@example.org', ['bob@example.org', 'carl@example.org'], 'Subject: s\\n\\nhi\\n'))\ns.quit()\n";
    let Some(out) = python(&world, code, &[&port]) else { return };
    assert_eq!(out, "{}\n");
    only(&world).is_for("joe@example.org", &["bob@example.org", "carl@example.org"]);
}

#[test]
fn swaks_submits_with_commands_in_a_row() {
    if !can_run("swaks", &["--version"]) {
        return;
    }
    let world = world();
    let port = inetd(&world, &["-bs"], 1).to_string();
    let args = [
        "--server",
        "127.0.0.1",
        "--port",
        &port,
        "--from",
        "joe@example.org",
        "--to",
        "bob@example.org,carl@example.org",
        "--pipeline",
        "--ehlo",
        "client",
        "--body",
        "hello",
        "--header",
        "Subject: swaks",
        "--timeout",
        "20",
    ];
    let ran = world.program(Path::new("swaks"), &args).run();
    assert_eq!(ran.code, 0, "{ran:?}");
    let sent = only(&world);
    sent.is_for("joe@example.org", &["bob@example.org", "carl@example.org"]);
    assert_eq!((sent.field("Subject").as_str(), sent.body().trim()), ("swaks", "hello"));
    assert!(sent.fields("Received").concat().contains("from client"));
}

/// A program that is ended with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_socket_of_systemd_serves() {
    if !can_run("systemd-socket-activate", &["--version"]) {
        return;
    }
    let world = world();
    let socket = world.path("socket");
    let listen = format!("--listen={}", socket.display());
    let program = world.path("sendmail");
    let mut args = vec!["--inetd".to_owned(), "-a".to_owned(), listen];
    for name in ["MSPOOL_SPOOL", "MSPOOL_CONFIG"] {
        args.push(format!("--setenv={name}"));
    }
    args.extend([program.to_str().unwrap().to_owned(), "-bs".to_owned()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut server = world.program(Path::new("systemd-socket-activate"), &args).command();
    let _server = Served(server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let mut stream = None;
    wait_for("the socket", || {
        stream = std::os::unix::net::UnixStream::connect(&socket).ok();
        stream.is_some()
    });
    let mut stream = stream.unwrap();
    stream.write_all(format!("{BEGIN}Subject: s\r\n\r\nhi\r\n.\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert!(heard.ends_with("221 2.0.0 goodbye\r\n"), "{heard}");
    only(&world).is_for("joe@example.org", &["bob@example.org"]);
}
