//! Lines of arguments, as programs and libraries write them, and what becomes of a message then.

use std::fs;
use std::os::unix::fs::symlink;

use crate::world::binary;

use super::{LETTER, only, relayed, sendmail, world};

#[test]
fn cron_reports() {
    let world = world();
    let mail = "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> test -x /x && y\nMIME-Version: 1.0\n\
                Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nX-Cron-Env: <SHELL=/bin/sh>\n\
                X-Cron-Env: <LOGNAME=root>\n\nh\u{e9}\n.\nlast\n";
    sendmail(&world, &["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"], mail).silent();
    let sent = only(&world);
    assert_eq!(
        (sent.recipients.as_slice(), sent.field("From").as_str()),
        (&["root".to_owned()][..], "root (Cron Daemon)")
    );
    assert!(sent.sender.ends_with("@host.example.org"));
    assert_eq!((sent.body().as_str(), sent.fields("X-Cron-Env").len()), ("h\u{e9}\n.\nlast\n", 2));
}

#[test]
fn at_reports() {
    let world = world();
    sendmail(&world, &["-i", "joe"], "Subject: Output from your job        7\nTo: joe\n\nout\n.\n").silent();
    let sent = only(&world);
    assert_eq!((sent.recipients.as_slice(), sent.body().as_str()), (&["joe".to_owned()][..], "out\n.\n"));
    assert_eq!(sent.fields("From").len(), 1);
}

#[test]
fn libraries_send() {
    let own = "joe@host.example.org";
    // lettre, nodemailer, Ruby's mail, Perl's Email::Sender, Go's and Django's, Mailman, logwatch, smartd, the rest.
    let table: [(&[&str], &str, &[&str]); 14] = [
        (&["-i", "-f", "a@x.org", "--", "rcpt@x.org"], "a@x.org", &["rcpt@x.org"]),
        (&["-i", "-f", "a@x.org", "rcpt@x.org"], "a@x.org", &["rcpt@x.org"]),
        (&["-i", "-fa@x.org", "rcpt@x.org", "two@x.org"], "a@x.org", &["rcpt@x.org", "two@x.org"]),
        (&["-t", "-i"], own, &["bob@example.org"]),
        (&["-ti"], own, &["bob@example.org"]),
        (&["-t", "-oi", "-oem", "-f", "a@x.org"], "a@x.org", &["bob@example.org"]),
        (&["-i", "-f", "a@x.org", "-t", "--"], "a@x.org", &["bob@example.org"]),
        (&["-oi", "-oeq", "-odb", "rcpt@x.org"], own, &["rcpt@x.org"]),
        (&["-bm", "-om", "-G", "-f", "<>", "rcpt@x.org"], "", &["rcpt@x.org"]),
        (&["-i", "-f", "", "rcpt@x.org"], "", &["rcpt@x.org"]),
        (&["-i", "-f", "Joe <a@x.org>", "Rcpt <rcpt@x.org>, two@x.org"], "a@x.org", &["rcpt@x.org", "two@x.org"]),
        (&["-Am", "-N", "never", "-R", "hdrs", "-V", "id", "rcpt@x.org"], own, &["rcpt@x.org"]),
        (&["-r", "a@x.org", "-v", "rcpt@x.org"], "a@x.org", &["rcpt@x.org"]),
        (&["-oMs", "-L", "tag", "-h5", "-O", "Timeout=1", "rcpt@x.org"], own, &["rcpt@x.org"]),
    ];
    let world = world();
    fs::write(world.path("relayed/x"), "").unwrap();
    for (args, sender, recipients) in table {
        let args: Vec<&str> = args.iter().map(|arg| if *arg == "-odb" { "-odq" } else { arg }).collect();
        let ran = sendmail(&world, &args, LETTER);
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{args:?}: {ran:?}");
        let sent = only(&world);
        // Whoever runs the test.
        let found = if sender == own { sent.sender.split('@').nth(1) } else { Some(sent.sender.as_str()) };
        assert_eq!(found, if sender == own { Some("host.example.org") } else { Some(sender) }, "{args:?}");
        assert_eq!(sent.recipients, recipients, "{args:?}");
        assert!(
            sent.text().ends_with(&format!("\n{LETTER}")) || sent.body() == "Hello.\n",
            "{args:?}: {}",
            sent.text()
        );
    }
}

#[test]
fn a_dot_ends_the_message_unless_told_otherwise() {
    let world = world();
    let mail = format!("{LETTER}.\nnot this\n");
    sendmail(&world, &["bob@example.org"], &mail).silent();
    assert_eq!(only(&world).body(), "Hello.\n");
    for args in [&["-i", "bob@example.org"][..], &["-oi", "bob@example.org"], &["-ti"]] {
        sendmail(&world, args, &mail).silent();
        assert_eq!(only(&world).body(), "Hello.\n.\nnot this\n", "{args:?}");
    }
}

#[test]
fn a_long_message_comes_through_with_and_without_dots() {
    let world = world();
    for size in [65_400usize, 65_533, 65_534, 65_535, 65_536, 65_537, 131_072, 300_000] {
        let line = format!("{}\n", "x".repeat(69));
        let mail: String = format!("{LETTER}{}end", line.repeat(size / line.len())).chars().take(size).collect();
        for args in [&["-i", "bob@example.org"][..], &["bob@example.org"], &["-t"]] {
            sendmail(&world, args, &mail).silent();
            let sent = only(&world);
            assert_eq!(sent.body().len(), mail.len() - mail.find("\n\n").unwrap() - 2, "{args:?} {size}");
        }
    }
}

#[test]
fn the_other_names_answer() {
    let world = world();
    for name in ["mailq", "newaliases"] {
        symlink(binary(), world.path(name)).unwrap();
    }
    assert_eq!(world.program(&world.path("mailq"), &[]).run().ok(), "Mail queue is empty\n");
    assert_eq!(sendmail(&world, &["-bp"], "").ok(), "Mail queue is empty\n");
    world.program(&world.path("newaliases"), &[]).run().silent();
    sendmail(&world, &["-bi"], "").silent();
    sendmail(&world, &["-i", "bob@example.org"], LETTER).silent();
    assert!(world.program(&world.path("mailq"), &[]).run().ok().contains("bob@example.org"));
    sendmail(&world, &["-q"], "").silent();
    assert_eq!(relayed(&world).len(), 1);
    sendmail(&world, &["-bd"], "").fails(64, "no daemon");
}
