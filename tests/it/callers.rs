//! The program behind those that call sendmail: git, mutt, s-nail, mailx, cron, at, PHP, Python, swaks, Alpine and the
//! mail libraries hand mail in, and a relay writes down what comes out; and beside other sendmails, given the same.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::world::{Ran, World, binary, can_run, is_root, wait_for};

/// A short message with a field for its recipient.
const LETTER: &str = "From: joe@example.org\nTo: bob@example.org\nSubject: letter\n\nHello.\n";

/// A world with a relay that keeps what it is given, and a link named `sendmail`.
fn world() -> World {
    let world = World::new();
    configure(&world, "");
    symlink(binary(), world.path("sendmail")).unwrap();
    world
}

fn configure(world: &World, tables: &str) {
    fs::create_dir_all(world.path("relayed")).unwrap();
    // A message may come in pieces, each with some of its recipients.
    let keep = "f=$(mktemp \"$(dirname \"$TRACE\")/relayed/$MSPOOL_ID-XXXXXX\")\n\
                for a in \"$@\"; do printf '%s\\n' \"$a\"; done >\"$f.args\"\ncat >\"$f\"\nmv \"$f\" \"$f.mail\"";
    let relay = world.script("relay", keep);
    world.config(&format!(
        "hostname = \"host.example.org\"\n[queue]\nreserve = \"0B\"\n\
         [transport.relay]\ntypes = [\"SMTP\"]\ncommand = [{relay:?}, \"{{sender}}\", \"--\", \"{{recipients}}\"]\n{tables}\n"
    ));
}

/// A message as the relay was given it.
#[derive(Debug)]
struct Sent {
    sender: String,
    recipients: Vec<String>,
    bytes: Vec<u8>,
}

impl Sent {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn parts(&self) -> (String, String) {
        let text = self.text().replace("\r\n", "\n");
        let (header, body) = text.split_once("\n\n").unwrap_or_else(|| panic!("no body: {text:?}"));
        (header.to_owned(), body.to_owned())
    }

    fn body(&self) -> String {
        self.parts().1
    }

    /// The values of all fields of this name.
    fn fields(&self, name: &str) -> Vec<String> {
        let unfolded = self.parts().0.replace("\n\t", " ").replace("\n ", " ");
        let fields = unfolded.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
    }

    #[track_caller]
    fn field(&self, name: &str) -> String {
        let mut values = self.fields(name);
        assert_eq!(values.len(), 1, "{name} in {}", self.text());
        values.remove(0)
    }

    #[track_caller]
    fn is_for(&self, sender: &str, recipients: &[&str]) {
        assert_eq!(
            (self.sender.as_str(), self.recipients.as_slice()),
            (sender, &recipients.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()[..])
        );
    }
}

/// Everything that the relay has.
fn relayed(world: &World) -> Vec<Sent> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(world.path("relayed")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let sent = |path: &PathBuf| {
        let args = fs::read_to_string(path.with_extension("args")).unwrap();
        let mut args = args.lines().map(str::to_owned);
        let sender = args.next().unwrap();
        assert_eq!(args.next().unwrap(), "--");
        Sent { sender, recipients: args.collect(), bytes: fs::read(path).unwrap() }
    };
    paths.iter().filter(|path| path.extension().is_some_and(|e| e == "mail")).map(sent).collect()
}

/// What the relay is given by a flush.
#[track_caller]
fn flushed(world: &World) -> Vec<Sent> {
    fs::remove_dir_all(world.path("relayed")).unwrap();
    fs::create_dir(world.path("relayed")).unwrap();
    world.flush();
    relayed(world)
}

/// The only message that a flush gives the relay.
#[track_caller]
fn only(world: &World) -> Sent {
    let mut sent = flushed(world);
    assert_eq!(sent.len(), 1, "{sent:?}");
    sent.remove(0)
}

fn sendmail(world: &World, args: &[&str], input: impl AsRef<[u8]>) -> Ran {
    world.program(&world.path("sendmail"), args).input(input).run()
}

/// A program in the path, or among the unpacked packages that MSPOOL_PEERS has.
fn find(program: &str, package: &str) -> Option<PathBuf> {
    let peers = std::env::var_os("MSPOOL_PEERS").map(|peers| Path::new(&peers).join(package).join("usr/bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).chain(peers).map(|dir| dir.join(program)).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {program} cannot be used here");
    }
    found
}

/// No file of this name anywhere in the world, nor where the attacks of old put it.
#[track_caller]
fn no_canary(world: &World) {
    let mut stack = vec![world.dir.path().to_owned()];
    while let Some(path) = stack.pop() {
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            assert!(!entry.file_name().to_string_lossy().contains("canary"), "{:?}", entry.path());
            if entry.file_type().unwrap().is_dir() {
                stack.push(entry.path());
            }
        }
    }
}

mod programs {
    use super::*;

    #[test]
    fn git_sends_a_series() {
        if !can_run("git", &["send-email", "--dump-aliases"]) {
            return;
        }
        let world = world();
        let smtp_server = format!("sendemail.smtpServer={}", world.path("sendmail").display());
        let git = |args: &[&str]| {
            let own = ["-c", "user.name=J\u{f6}e", "-c", "user.email=joe@example.org", "-c", &smtp_server];
            let ran = world.program(Path::new("git"), &[&own, args].concat()).env("GIT_CONFIG_NOSYSTEM", "1").run();
            assert_eq!(ran.code, 0, "{ran:?}");
        };
        git(&["init", "-q"]);
        for text in ["base", "first \u{e9}", "second\n.\nFrom here"] {
            fs::write(world.path("file"), format!("{text}\n")).unwrap();
            git(&["add", "file"]);
            git(&["commit", "-qm", text.lines().next().unwrap()]);
        }
        git(&[
            "send-email",
            "--confirm=never",
            "--to=bob@example.org",
            "--cc=carl@example.org",
            "--suppress-cc=author",
            "-2",
        ]);
        let mut sent = flushed(&world);
        sent.sort_by_key(|sent| sent.fields("Subject"));
        assert_eq!(sent.len(), 2);
        for one in &sent {
            assert_eq!(one.recipients, ["bob@example.org", "carl@example.org"]);
            assert!(one.sender.ends_with("@host.example.org"), "{one:?}");
            assert!(one.field("From").ends_with("<joe@example.org>"));
            assert_eq!((one.field("To"), one.field("Cc")), ("bob@example.org".into(), "carl@example.org".into()));
            assert_eq!(one.fields("Received").len(), 1);
        }
        assert!(sent[1].field("Subject").ends_with("[PATCH 2/2] second"));
        assert_eq!(sent[1].field("In-Reply-To"), sent[0].field("Message-ID"));
        assert!(sent[0].body().contains("+first \u{e9}\n") && sent[1].body().contains("\n+.\n+From here\n"));
    }

    #[test]
    fn mutt_sends_other_alphabets_and_a_file() {
        if !can_run("mutt", &["-v"]) {
            return;
        }
        let world = world();
        fs::write(world.path("file.txt"), "attached\n.\n").unwrap();
        let settings = format!(
            "set sendmail=\"{} -oem -oi\" copy=no charset=utf-8 send_charset=utf-8 from=joe@example.org \
             use_envelope_from=yes realname=\"Joe\" tmpdir={}",
            world.path("sendmail").display(),
            world.dir.path().display()
        );
        let args =
            ["-n", "-F", "/dev/null", "-e", &settings, "-s", "gr\u{fc}n", "-a", "file.txt", "--", "bob@example.org"];
        let run = world.program(Path::new("mutt"), &args).env("LC_ALL", "C.UTF-8");
        let ran = run.input("h\u{e9}llo\n.\nmore\n").run();
        assert_eq!(ran.code, 0, "{ran:?}");
        let sent = only(&world);
        sent.is_for("joe@example.org", &["bob@example.org"]);
        assert_eq!(sent.field("From"), "Joe <joe@example.org>");
        assert!(
            sent.body().contains("h\u{e9}llo\n.\nmore\n") && sent.body().contains("attached\n.\n"),
            "{}",
            sent.text()
        );
        assert!(sent.field("Content-Type").starts_with("multipart/mixed"));
    }

    #[test]
    fn mutt_tells_of_what_is_refused() {
        if !can_run("mutt", &["-v"]) {
            return;
        }
        let world = world();
        world.config("[queue]\nreserve = \"1000TB\"\n");
        let settings = format!(
            "set sendmail=\"{} -oem -oi\" copy=no tmpdir={}",
            world.path("sendmail").display(),
            world.dir.path().display()
        );
        let args = ["-n", "-F", "/dev/null", "-e", &settings, "-s", "x", "--", "bob@example.org"];
        let ran = world.program(Path::new("mutt"), &args).input("hi\n").run();
        assert_ne!(ran.code, 0, "{ran:?}");
        assert_eq!(world.files("new"), [""; 0].map(PathBuf::from));
    }

    #[test]
    fn s_nail_sends() {
        if !can_run("s-nail", &["-V"]) {
            return;
        }
        let world = world();
        let mta = format!("mta={}", world.path("sendmail").display());
        let args = [
            "-:/",
            "-S",
            "sendwait",
            "-S",
            &mta,
            "-S",
            "ttycharset=utf-8",
            "-s",
            "gr\u{fc}n",
            "-r",
            "joe@example.org",
            "-c",
            "carl@example.org",
            "-b",
            "dan@example.org",
            "bob@example.org",
        ];
        let ran = world.program(Path::new("s-nail"), &args).input("h\u{e9}llo\n.\n").run();
        assert_eq!(ran.code, 0, "{ran:?}");
        let sent = only(&world);
        sent.is_for("joe@example.org", &["bob@example.org", "carl@example.org", "dan@example.org"]);
        assert_eq!((sent.field("To"), sent.field("Cc")), ("bob@example.org".into(), "carl@example.org".into()));
        assert_eq!(sent.fields("Bcc"), [""; 0]);
        assert!(sent.body().starts_with("h=C3=A9llo\n"));
    }

    #[test]
    fn mailx_of_bsd_sends() {
        let Some(mailx) = find("bsd-mailx", "bsd-mailx") else { return };
        let world = world();
        fs::write(world.path("rc"), format!("set sendmail={}\n", world.path("sendmail").display())).unwrap();
        let args = [
            "-s",
            "subject",
            "-r",
            "joe@example.org",
            "-c",
            "carl@example.org",
            "-b",
            "dan@example.org",
            "bob@example.org",
        ];
        let ran = world.program(&mailx, &args).env("MAILRC", world.path("rc")).input("hello\n").run();
        assert_eq!(ran.code, 0, "{ran:?}");
        let sent = only(&world);
        sent.is_for("joe@example.org", &["bob@example.org", "carl@example.org", "dan@example.org"]);
        assert_eq!((sent.field("From"), sent.fields("Bcc").len()), ("joe@example.org".into(), 0));
        assert_eq!((sent.field("Subject").as_str(), sent.body().as_str()), ("subject", "hello\n"));
    }

    fn php(world: &World, path: &str, call: &str) -> Option<Ran> {
        if !can_run("php", &["-n", "-v"]) {
            return None;
        }
        let path = format!("sendmail_path={} {path}", world.path("sendmail").display());
        let code = format!("exit(mail({call}) ? 0 : 1);");
        Some(world.program(Path::new("php"), &["-n", "-d", &path, "-r", &code]).run())
    }

    #[test]
    fn php_sends() {
        let world = world();
        let call = r#""bob@example.org", "s\r\nBcc: evil@example.org", "body\n.\nmore\n", ["From" => "joe@example.net", "Bcc" => "carl@example.org"], "-fenv@example.net""#;
        let Some(ran) = php(&world, "-t -i", call) else { return };
        ran.silent();
        let sent = only(&world);
        sent.is_for("env@example.net", &["bob@example.org", "carl@example.org"]);
        assert_eq!((sent.field("From"), sent.fields("Bcc").len()), ("joe@example.net".into(), 0));
        assert!(sent.body().starts_with("body\n.\nmore\n"), "{sent:?}");
    }

    #[test]
    fn php_cannot_be_made_to_write_a_file() {
        let world = world();
        let hostile = [
            "-X/tmp/mspool-canary -OQueueDirectory=/tmp",
            r#"-fa@b -X mspool-canary"#,
            r#"-f\"a\\\" -Xmspool-canary -OQueueDirectory=/tmp b\"@example.org"#,
            "-f`touch canary`@example.org",
            "-f$(touch canary)@example.org",
            "-be ${run{/bin/touch canary}}",
            "-oQ/tmp -D/tmp/mspool-canary",
            "-bs",
            "-C/etc/passwd",
        ];
        for extra in hostile {
            let call = format!(
                "'bob@example.org', 's', 'body', \"From: joe@example.net\\r\\nX: y\", \"{}\"",
                extra.replace('$', "\\$")
            );
            let Some(ran) = php(&world, "-t -i", &call) else { return };
            assert!(ran.err.lines().count() <= 1, "{extra}: {ran:?}");
            for sent in flushed(&world) {
                assert_eq!(sent.fields("X"), ["y"], "{extra}");
            }
            no_canary(&world);
            assert!(!Path::new("/tmp/mspool-canary").exists(), "{extra}");
        }
    }

    #[test]
    fn php_cannot_be_made_to_use_another_configuration() {
        let world = world();
        let canary = world.path("canary");
        let text = format!("[sendmail]\ndelivery = \"attempt\"\n[transport.x]\ncommand = [\"touch\", {canary:?}]\n");
        // As a web server stores what is uploaded.
        fs::write(world.path("upload"), text).unwrap();
        let extra = format!("-C{}", world.path("upload").display());
        let call = format!("'bob@example.org', 's', 'body', 'From: joe@example.net', '{extra}'");
        let Some(_) = php(&world, "-t -i", &call) else { return };
        no_canary(&world);
    }
}

mod lines {
    use super::*;

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
}

mod sessions {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::process::{Child, Stdio};

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
            assert!(sent.is_empty() && ran.out.ends_with("it was not taken\r\n"), "{trick:?}: {ran:?}");
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
        let codes = codes(&world, &["-bs"], "EHLO c\r\n".to_owned() + &"NONSENSE\r\n".repeat(30) + "QUIT\r\n");
        assert_eq!((codes.iter().filter(|code| **code == 500).count(), codes.last()), (20, Some(&421)));
    }

    #[test]
    fn lines_and_messages_have_limits() {
        let world = world();
        configure(&world, "");
        let text = fs::read_to_string(world.path("config.toml")).unwrap();
        world.config(&text.replacen("[queue]", "[queue]\nmessage_limit = \"10kB\"", 1));
        let long = "x".repeat(100_000);
        let lines =
            format!("EHLO c\r\nMAIL FROM:<{long}@x>\r\nMAIL FROM:<joe@example.org> SIZE=99999999999\r\nQUIT\r\n");
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
        let commands: Vec<_> =
            (0..connections).map(|_| world.program(&world.path("sendmail"), flags).command()).collect();
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
        assert_eq!(
            out,
            "['8bitmime', 'dsn', 'enhancedstatuscodes', 'help', 'pipelining', 'size', 'smtputf8']\n{}\n552\n"
        );
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
}

mod threats {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn hostile_words_are_refused_or_data() {
        let world = world();
        let words = [
            "-oQ/tmp",
            "-Xa canary@h",
            "-Xcanary",
            "-X",
            "--help",
            "--version",
            "-",
            "--",
            "`touch canary`@x.org",
            "$(touch canary)",
            "$(touch canary)@x.org",
            ";touch canary",
            "|touch canary",
            "\"|touch canary\"",
            "\"|touch canary\"@x.org",
            ">canary",
            "/tmp/canary",
            ":include:/etc/passwd",
            "-D canary",
            "-dcanary",
            "-OQueueDirectory=canary",
            "-pcanary",
            "-Lcanary",
            "-h",
            "-be ${run{touch canary}}",
            "a@x.org\nb@x.org",
            "a@x.org\r\nBcc: b@x.org",
            "\r",
            "\n",
            "\t",
            " ",
            "",
            "a@x.org\0",
            "@",
            "<>",
            "<<a@x.org>>",
            "a@x.org>",
            "(",
            "\"",
            "%s%n@x.org",
            "{recipient}@x.org",
            "\u{202e}@x.org",
            "-\u{1b}[31m",
            "-\u{e9}",
        ];
        for word in words.iter().filter(|word| !word.contains('\0')) {
            for args in [
                &["-i", "-f", "joe@x.org", word][..],
                &["-i", "-f", "joe@x.org", "--", word],
                &["-i", "-f", word, "bob@x.org"],
                &["-i", "-r", word, "--", "bob@x.org"],
                &["-i", "-F", word, "bob@x.org"],
                &["-i", "bob@x.org", "carl@x.org", word],
            ] {
                let ran = sendmail(&world, args, "Subject: s\n\nhi\n");
                assert!([0, 64, 65].contains(&ran.code), "{args:?}: {ran:?}");
                if ran.code != 0 {
                    ran.says("");
                }
                let ran = world.mspool(&["flush"]).run();
                assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{args:?}: {ran:?}");
                for sent in relayed(&world) {
                    assert_eq!(sent.fields("Subject"), ["s"], "{args:?}");
                    assert!(
                        sent.fields("Bcc").is_empty() && sent.fields("From").len() == 1,
                        "{args:?}: {}",
                        sent.text()
                    );
                    assert!(sent.recipients.iter().all(|one| !one.contains(['\n', '\r', '\t'])), "{sent:?}");
                    assert_eq!(sent.body(), "hi\n", "{args:?}");
                }
                fs::remove_dir_all(world.path("relayed")).unwrap();
                fs::create_dir(world.path("relayed")).unwrap();
            }
        }
        no_canary(&world);
        assert!(!Path::new("/tmp/canary").exists());
    }

    #[test]
    fn what_is_refused_is_told_in_a_line_that_fits_a_screen() {
        let world = world();
        let long = "a".repeat(100_000);
        let glued = |flag: &str| format!("{flag}{long}");
        let lines = [
            vec![long.clone()],
            vec!["-f".into(), long.clone(), "bob@x.org".into()],
            vec![glued("-B"), "bob@x.org".into()],
            vec![glued("-N"), "bob@x.org".into()],
            vec![glued("-R"), "bob@x.org".into()],
            vec![glued("-V"), "bob@x.org".into()],
            vec![glued("-b"), "bob@x.org".into()],
            vec![glued("-Z"), "bob@x.org".into()],
            vec![glued("-qR")],
            vec![glued("-qI")],
            vec!["x y".to_owned(); 20_000],
        ];
        for line in lines {
            let args: Vec<&str> = line.iter().map(String::as_str).collect();
            let ran = sendmail(&world, &args, "hi\n");
            assert!([1, 64, 65, 66, 78].contains(&ran.code), "{}: {}", &args[0][..3], ran.code);
            ran.says("");
            assert!(ran.err.len() < 1000, "{:?}: {} bytes", &args[0][..3], ran.err.len());
        }
        let many: Vec<String> =
            (0..20_000).map(|number| format!("u{number:06}@a-rather-long-domain-name.example.org")).collect();
        let args: Vec<&str> = many.iter().map(String::as_str).collect();
        sendmail(&world, &args, LETTER).silent();
        assert_eq!(flushed(&world).iter().map(|sent| sent.recipients.len()).sum::<usize>(), 20_000);
    }

    #[test]
    fn words_that_are_no_text_are_refused() {
        let world = world();
        for bytes in [&b"\xff@x.org"[..], b"-F\xff", b"-f\xc3"] {
            let mut command = world.program(&world.path("sendmail"), &["-i"]).command();
            let out = command.arg(OsStr::from_bytes(bytes)).arg("bob@x.org").output().unwrap();
            assert_eq!(out.status.code(), Some(65));
            assert_eq!(String::from_utf8_lossy(&out.stderr).lines().count(), 1);
        }
        assert_eq!(flushed(&world).len(), 0);
    }

    #[test]
    fn a_name_is_no_header() {
        let world = world();
        for name in [
            "Evil\r\nBcc: eve@x.org",
            "Evil\n\nbody",
            "a\u{2028}b\u{85}Bcc: x",
            "\"<eve@x.org>, \"",
            "a <eve@x.org>",
            "\\",
        ] {
            sendmail(&world, &["-F", name, "-f", "joe@x.org", "bob@x.org"], "Subject: s\n\nhi\n").silent();
            let sent = only(&world);
            sent.is_for("joe@x.org", &["bob@x.org"]);
            assert!(sent.fields("Bcc").is_empty() && sent.field("From").ends_with(" <joe@x.org>"), "{}", sent.text());
            assert_eq!(sent.body(), "hi\n");
        }
    }

    #[test]
    fn a_hundred_thousand_recipients_are_all_taken_or_none() {
        let world = world();
        let field = |count: usize| {
            let all: Vec<String> = (0..count).map(|number| format!("u{number}@x.org")).collect();
            format!("To: {}\nSubject: s\n\nhi\n", all.join(",\n "))
        };
        for flags in [&["-t"][..], &["-t", "-i"]] {
            sendmail(&world, flags, field(100_000)).fails(65, "1 MiB");
            assert_eq!(flushed(&world).len(), 0);
            sendmail(&world, flags, field(40_000)).silent();
            let sent = flushed(&world);
            assert_eq!(sent.iter().map(|sent| sent.recipients.len()).sum::<usize>(), 40_000, "{flags:?}");
            assert!(sent.iter().all(|sent| sent.body() == "hi\n"));
        }
    }
}

/// Other sendmails, as Debian packages them, unpacked in the directory MSPOOL_PEERS: `$MSPOOL_PEERS/dma/usr/sbin/dma`.
/// Each runs in a root of its own, in a mount namespace of its own, for their paths and rights are compiled in.
mod peers {
    use super::*;
    use std::collections::BTreeSet;
    use std::os::unix::fs::{PermissionsExt, chown};

    /// What a sendmail made of arguments and a message.
    #[derive(Debug, PartialEq, Eq)]
    struct Made {
        sender: String,
        recipients: BTreeSet<String>,
        /// Names and values of the fields that the message came with.
        kept: Vec<String>,
        body: String,
    }

    fn made(sender: &str, recipients: impl IntoIterator<Item = String>, message: &str, given: &str) -> Made {
        let message = message.replace("\r\n", "\n");
        let (header, body) = message.split_once("\n\n").unwrap_or((message.trim_end(), ""));
        let given = given.replace("\r\n", "\n");
        let kept = header.lines().filter(|line| given.lines().any(|other| other == *line));
        Made {
            sender: sender.to_owned(),
            recipients: recipients.into_iter().collect(),
            kept: kept.map(str::to_owned).collect(),
            body: body.trim_end().to_owned(),
        }
    }

    const JAIL: &str = r#"peer=$1 root=$2; shift 2; set -e
for d in usr etc dev tmp run var/run var/spool/cron/crontabs root; do mkdir -p "$root/$d"; done
for d in bin sbin lib lib64; do ln -s "usr/$d" "$root/$d"; done
mount -t overlay overlay -o "lowerdir=$peer/usr:/usr" "$root/usr"
touch "$root/dev/null"; mount --bind /dev/null "$root/dev/null"
exec chroot "$root" "$@""#;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Peer {
        Postfix,
        Nullmailer,
        Dma,
    }

    impl Peer {
        fn package(self) -> &'static str {
            match self {
                Peer::Postfix => "postfix",
                Peer::Nullmailer => "nullmailer",
                Peer::Dma => "dma",
            }
        }

        fn prepare(self, root: &Path) {
            let dir = |name: &str, owner: Option<(u32, u32)>, mode: u32| {
                let path = root.join(name);
                fs::create_dir_all(&path).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                if let Some((user, group)) = owner {
                    chown(&path, Some(user), Some(group)).unwrap();
                }
            };
            let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
            dir("etc", None, 0o755);
            dir("tmp", None, 0o1777);
            write(
                "etc/passwd",
                "root:x:0:0:root:/root:/bin/sh\nmail:x:8:8:mail:/:/bin/false\npostfix:x:990:990::/:/bin/false\n",
            );
            write("etc/group", "root:x:0:\nmail:x:8:\npostfix:x:990:\npostdrop:x:991:\n");
            write("etc/mailname", "host.example.org\n");
            match self {
                Peer::Postfix => {
                    dir("etc/postfix", None, 0o755);
                    dir("var/lib/postfix", Some((990, 990)), 0o755);
                    dir("var/spool/postfix/public", None, 0o755);
                    dir("var/spool/postfix/maildrop", Some((990, 991)), 0o1730);
                    write("etc/postfix/main.cf", "compatibility_level = 3.6\nmyhostname = host.example.org\n");
                }
                Peer::Nullmailer => {
                    dir("etc/nullmailer", None, 0o755);
                    dir("var/spool/nullmailer/queue", Some((8, 8)), 0o755);
                    dir("var/spool/nullmailer/tmp", Some((8, 8)), 0o755);
                }
                Peer::Dma => {
                    dir("etc/dma", None, 0o755);
                    dir("var/spool/dma", Some((8, 8)), 0o2775);
                    dir("var/mail", None, 0o755);
                    write("etc/dma/dma.conf", "DEFER\nMAILNAME host.example.org\nSMARTHOST 127.0.0.1\n");
                }
            }
        }

        /// The status, and what lies in the peer's queue.
        fn run(self, world: &World, args: &[&str], input: &str) -> (i32, Option<Made>) {
            let root = world.path("root");
            let _ = fs::remove_dir_all(&root);
            fs::create_dir(&root).unwrap();
            self.prepare(&root);
            let tree = Path::new(&std::env::var_os("MSPOOL_PEERS").unwrap()).join(self.package());
            let program = match self {
                Peer::Postfix => &["/usr/bin/env", "LD_LIBRARY_PATH=/usr/lib/postfix", "/usr/sbin/sendmail"][..],
                Peer::Nullmailer => &["/usr/sbin/sendmail"],
                Peer::Dma => &["/usr/sbin/dma"],
            };
            let jail = ["-m", "sh", "-c", JAIL, "jail", tree.to_str().unwrap(), root.to_str().unwrap()];
            let ran = world.program(Path::new("unshare"), &[&jail, program, args].concat()).input(input).run();
            (ran.code, self.queue(&root, input))
        }

        fn queue(self, root: &Path, given: &str) -> Option<Made> {
            let files = |name: &str| -> Vec<PathBuf> {
                fs::read_dir(root.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect()
            };
            match self {
                Peer::Nullmailer => {
                    let text = fs::read_to_string(files("var/spool/nullmailer/queue").first()?).unwrap();
                    let mut lines = text.lines();
                    let sender = lines.next().unwrap();
                    let recipients: Vec<String> =
                        lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect();
                    // An empty sender is an empty line, and the first of two.
                    let message = text.split_once('\n').unwrap().1.split_once("\n\n").unwrap().1;
                    Some(made(sender, recipients, message, given))
                }
                Peer::Dma => {
                    let (mut sender, mut recipients, mut message) = (String::new(), Vec::new(), String::new());
                    let all = files("var/spool/dma");
                    for path in &all {
                        let text = fs::read_to_string(path).unwrap();
                        if path.file_name()?.to_str()?.starts_with('M') {
                            message = text;
                            continue;
                        }
                        for line in text.lines() {
                            if let Some(found) = line.strip_prefix("Sender: ") {
                                found.clone_into(&mut sender);
                            }
                            recipients.extend(line.strip_prefix("Recipient: ").map(str::to_owned));
                        }
                    }
                    (!recipients.is_empty()).then(|| made(&sender, recipients, &message, given))
                }
                Peer::Postfix => {
                    let bytes = fs::read(files("var/spool/postfix/maildrop").first()?).unwrap();
                    let (mut sender, mut recipients, mut message) = (String::new(), Vec::new(), String::new());
                    let mut rest = bytes.as_slice();
                    // Records: a type, a length in pieces of seven bits, and so many bytes.
                    while let Some((kind, mut tail)) = rest.split_first() {
                        let (mut length, mut shift) = (0usize, 0);
                        while let Some((byte, more)) = tail.split_first() {
                            tail = more;
                            length |= usize::from(byte & 127) << shift;
                            shift += 7;
                            if byte & 128 == 0 {
                                break;
                            }
                        }
                        let (data, more) = tail.split_at(length);
                        rest = more;
                        let data = String::from_utf8_lossy(data);
                        match kind {
                            b'S' => sender = data.into_owned(),
                            b'R' => recipients.push(data.into_owned()),
                            b'N' => message.push_str(&format!("{data}\n")),
                            b'L' => message.push_str(&data),
                            _ => {}
                        }
                    }
                    Some(made(&sender, recipients, &message, given))
                }
            }
        }
    }

    fn ours(world: &World, args: &[&str], input: &str) -> (i32, Option<Made>) {
        let ran = sendmail(world, args, input);
        let sent = flushed(world).pop();
        (ran.code, sent.map(|sent| made(&sent.sender, sent.recipients.clone(), &sent.text(), input)))
    }

    /// One call, and the peers that do something else with the reason why that is right.
    struct Call {
        args: &'static [&'static str],
        input: &'static str,
        others: &'static [(Peer, &'static str)],
    }

    const F: &str = "From: joe@y.org\nTo: hdr@x.org\nSubject: s\n\nbody\n";

    const CALLS: [Call; 22] = [
        Call { args: &["-i", "-f", "a@y.org", "b@x.org"], input: F, others: &[] },
        Call { args: &["-i", "-fa@y.org", "--", "b@x.org", "c@x.org"], input: F, others: &[] },
        Call {
            args: &["-t", "-i", "-f", "a@y.org"],
            input: "From: joe@y.org\nTo: B <b@x.org>, c@x.org\nCc: d@x.org\nBcc: e@x.org\nSubject: s\n\nbody\n",
            others: &[(Peer::Postfix, "its cleanup(8) takes Bcc out, which does not run here")],
        },
        Call {
            args: &["-t", "-i", "-f", "a@y.org"],
            input: "To: b@x.org, B@x.org\nCc: b@x.org\n\nbody\n",
            others: &[],
        },
        Call { args: &["-t", "-i", "-f", "a@y.org", "z@x.org"], input: F, others: &[] },
        Call {
            args: &["-t", "-i", "-f", "a@y.org"],
            input: "To: friends: b@x.org, c@x.org;\nCc: D <d@x.org> (a, comment), (x) f@x.org\n\nbody\n",
            others: &[(Peer::Nullmailer, "it writes fields of addresses anew")],
        },
        Call {
            args: &["-t", "-i", "-f", "a@y.org"],
            input: "Cc: \"d,e\"@x.org\n\nbody\n",
            others: &[
                (Peer::Postfix, "its queue has addresses without quotes"),
                (Peer::Nullmailer, "its queue has addresses without quotes"),
            ],
        },
        Call {
            args: &["-t", "-i", "-f", "a@y.org"],
            input: "From: joe@y.org\nTo: b@x.org\nSubject: s\nResent-To: r@x.org\nResent-From: q@y.org\n\nbody\n",
            others: &[(Peer::Dma, "it knows no Resent fields")],
        },
        Call {
            args: &["-t", "-i", "-f", "a@y.org"],
            input: "To:\n b@x.org,\n\tc@x.org\nSubject: s\n\nbody\n",
            others: &[
                (Peer::Nullmailer, "it writes fields of addresses anew"),
                (Peer::Dma, "it does not look behind a fold that comes first"),
            ],
        },
        Call {
            args: &["-i", "-f", "", "b@x.org"],
            input: F,
            others: &[(Peer::Dma, "it puts a domain behind nothing")],
        },
        Call {
            args: &["-i", "-f", "<>", "b@x.org"],
            input: F,
            others: &[(Peer::Dma, "it puts a domain behind nothing")],
        },
        Call {
            args: &["-f", "a@y.org", "b@x.org"],
            input: "From: joe@y.org\n\nbody\n.\nlost\n",
            others: &[(Peer::Nullmailer, "it knows no dot that ends a message")],
        },
        Call {
            args: &["-oi", "-f", "a@y.org", "b@x.org"],
            input: "From: joe@y.org\n\nbody\n.\nkept\n",
            others: &[(Peer::Dma, "it does not know -oi")],
        },
        Call {
            args: &["-i", "-f", "a@y.org", "b@x.org"],
            input: "From: joe@y.org\r\nSubject: s\r\n\r\none\r\ntwo\r\n",
            others: &[],
        },
        Call {
            args: &["-i", "-f", "a@y.org", "b@x.org"],
            input: "just text\nmore\n",
            others: &[
                (Peer::Postfix, "its cleanup(8) puts the blank line in, which does not run here"),
                (Peer::Nullmailer, "it drops what is no field"),
                (Peer::Dma, "it puts no blank line in"),
            ],
        },
        Call {
            args: &["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "-f", "a@y.org", "root"],
            input: "From: root (Cron Daemon)\nTo: root\nSubject: c\n\nout\n",
            others: &[(Peer::Nullmailer, "it always puts a domain behind a name")],
        },
        Call {
            args: &["-i", "-f", "a@y.org", "b@x.org, C <c@x.org>"],
            input: F,
            others: &[(Peer::Dma, "an argument is one address to it")],
        },
        Call { args: &["-i", "-f", "a@y.org", "<b@x.org>"], input: F, others: &[(Peer::Dma, "it keeps the brackets")] },
        Call {
            args: &["-i", "-f", "a@y.org", "b@x.org"],
            input: "From joe Fri Jan  1 00:00:00 2021\nFrom: joe@y.org\nSubject: s\n\nFrom here\n",
            others: &[],
        },
        Call {
            args: &["-t", "-i", "-f", "a@y.org"],
            input: "To: undisclosed-recipients:;\nBcc: b@x.org\n\nbody\n",
            others: &[
                (Peer::Postfix, "its cleanup(8) takes Bcc out, which does not run here"),
                (Peer::Nullmailer, "it writes fields of addresses anew"),
            ],
        },
        Call {
            args: &["-i", "-f", "a@y.org", "$(touch canary)@x.org"],
            input: F,
            others: &[(Peer::Dma, "it knows no comments")],
        },
        Call { args: &["-i", "-f", "a@y.org", "b@x.org"], input: "From: joe@y.org\nSubject: s\n\nno end", others: &[] },
    ];

    fn compare(peer: Peer) {
        let tree = std::env::var_os("MSPOOL_PEERS").map(|peers| Path::new(&peers).join(peer.package()));
        if !tree.is_some_and(|tree| tree.is_dir()) {
            eprintln!("skipped: MSPOOL_PEERS has no {}", peer.package());
            return;
        }
        if !is_root() || !can_run("unshare", &["-m", "true"]) {
            eprintln!("skipped: only root can give {} its own files", peer.package());
            return;
        }
        let world = world();
        if peer.run(&world, &["-i", "-f", "a@y.org", "b@x.org"], F).1.is_none() {
            eprintln!("skipped: {} takes nothing here", peer.package());
            return;
        }
        for call in &CALLS {
            let ((code, ours), (other, theirs)) =
                (ours(&world, call.args, call.input), peer.run(&world, call.args, call.input));
            let reason = call.others.iter().find(|(one, _)| *one == peer).map(|(_, reason)| reason);
            match reason {
                Some(reason) => assert_ne!(ours, theirs, "{:?} {:?}: no longer true: {reason}", call.args, call.input),
                None => assert_eq!((code, ours), (other, theirs), "{:?} {:?}", call.args, call.input),
            }
        }
    }

    #[test]
    fn postfix_makes_the_same_of_the_same() {
        compare(Peer::Postfix);
    }

    #[test]
    fn nullmailer_makes_the_same_of_the_same() {
        compare(Peer::Nullmailer);
    }

    #[test]
    fn dma_makes_the_same_of_the_same() {
        compare(Peer::Dma);
    }

    /// A program that is ended with the test, and all that it started.
    struct Served(std::process::Child);

    impl Drop for Served {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn cron_itself_sends_what_its_jobs_print() {
        let Some(tree) = std::env::var_os("MSPOOL_PEERS").map(|peers| Path::new(&peers).join("cron")) else {
            eprintln!("skipped: MSPOOL_PEERS has no cron");
            return;
        };
        if !tree.is_dir() || !is_root() || !can_run("unshare", &["-m", "-p", "-f", "true"]) {
            eprintln!("skipped: cron cannot be used here");
            return;
        }
        let world = world();
        let (root, own) = (world.path("root"), world.path("own"));
        for dir in [own.join("usr/sbin"), root.join("etc/pam.d"), root.join("etc/cron.d"), root.join("tmp")] {
            fs::create_dir_all(dir).unwrap();
        }
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        for name in ["cron", "other"] {
            let all = ["auth", "account", "session"].map(|kind| format!("{kind} required pam_permit.so\n")).concat();
            write(&format!("etc/pam.d/{name}"), &all);
        }
        write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        write("etc/group", "root:x:0:\n");
        write("etc/crontab", "MAILTO=bob@example.org\n@reboot root echo out; echo .; echo more\n");
        fs::copy(binary(), own.join("usr/sbin/mspool")).unwrap();
        // Nothing of our environment comes through cron.
        let front = "#!/bin/sh\nexec mspool --spool /tmp/spool --config /etc/mspool.toml sendmail \"$@\"\n";
        fs::write(own.join("usr/sbin/sendmail"), front.replace("exec mspool", "exec /usr/sbin/mspool")).unwrap();
        fs::set_permissions(own.join("usr/sbin/sendmail"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(world.path("config.toml"), root.join("etc/mspool.toml")).unwrap();
        let jail = JAIL.replace("lowerdir=", &format!("lowerdir={}/usr:", own.display()));
        let args = [
            "-m",
            "-p",
            "-f",
            "--kill-child=KILL",
            "sh",
            "-c",
            &jail,
            "jail",
            tree.to_str().unwrap(),
            root.to_str().unwrap(),
        ];
        let mut cron = world.program(Path::new("unshare"), &[&args[..], &["/usr/sbin/cron", "-f"]].concat()).command();
        let null = std::process::Stdio::null;
        let _cron = Served(cron.stdin(null()).stdout(null()).stderr(null()).spawn().unwrap());
        let queue = root.join("tmp/spool/out/new");
        wait_for("the mail of the job", || fs::read_dir(&queue).is_ok_and(|entries| entries.count() == 1));
        let spool = root.join("tmp/spool");
        let ran = world.mspool(&["flush"]).env("MSPOOL_SPOOL", &spool).run();
        assert_eq!(ran.code, 0, "{ran:?}");
        let sent = relayed(&world).pop().unwrap();
        sent.is_for("root@host.example.org", &["bob@example.org"]);
        assert_eq!((sent.field("From").as_str(), sent.body().as_str()), ("root (Cron Daemon)", "out\n.\nmore\n"));
    }
}
