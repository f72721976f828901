//! The programs themselves.

use std::fs;
use std::path::{Path, PathBuf};

use crate::world::{Ran, World, can_run};

use super::{find, flushed, no_canary, only, world};

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
    let args = ["-n", "-F", "/dev/null", "-e", &settings, "-s", "gr\u{fc}n", "-a", "file.txt", "--", "bob@example.org"];
    let run = world.program(Path::new("mutt"), &args).env("LC_ALL", "C.UTF-8");
    let ran = run.input("h\u{e9}llo\n.\nmore\n").run();
    assert_eq!(ran.code, 0, "{ran:?}");
    let sent = only(&world);
    sent.is_for("joe@example.org", &["bob@example.org"]);
    assert_eq!(sent.field("From"), "Joe <joe@example.org>");
    assert!(sent.body().contains("h\u{e9}llo\n.\nmore\n") && sent.body().contains("attached\n.\n"), "{}", sent.text());
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
