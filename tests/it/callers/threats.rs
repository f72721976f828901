//! What strangers put into arguments and headers.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{LETTER, flushed, no_canary, only, relayed, sendmail, world};

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
                assert!(sent.fields("Bcc").is_empty() && sent.fields("From").len() == 1, "{args:?}: {}", sent.text());
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
    for name in
        ["Evil\r\nBcc: eve@x.org", "Evil\n\nbody", "a\u{2028}b\u{85}Bcc: x", "\"<eve@x.org>, \"", "a <eve@x.org>", "\\"]
    {
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
