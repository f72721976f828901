//! Mail that answers itself, goes round, or stops others: it ends, floods no mailbox, and other mail goes on.

use std::fs;

use crate::world::{MAIL, World};

const RECORD: &str = "printf '<%s> %s\\n' \"$1\" \"$3\" >>\"$TRACE\"; cat >/dev/null;";

#[test]
fn the_null_sender_stays_null_and_is_never_told_anything() {
    let session = "EHLO me\r\nMAIL FROM:<> RET=FULL\r\nRCPT TO:<no@x> NOTIFY=SUCCESS,FAILURE,DELAY\r\nDATA\r\nSubject: s\r\n\r\n\
                   hi\r\n.\r\nQUIT\r\n";
    let submissions: [(&[&str], &str); 7] = [
        (&["enqueue", "-f", "", "no@x"], MAIL),
        (&["enqueue", "-f", "<>", "--notify", "failure,delay,success", "no@x"], MAIL),
        (&["enqueue", "-f", "", "--rcpt-notify", "no@x=failure", "--", "no@x"], MAIL),
        (&["sendmail", "-odq", "-i", "-f", "<>", "no@x"], MAIL),
        (&["sendmail", "-odq", "-i", "-f", "", "no@x"], MAIL),
        (&["sendmail", "-odq", "-i", "-r", "<>", "--", "no@x"], MAIL),
        (&["sendmail", "-odq", "-bs"], session),
    ];
    for via in ["inbox", "queue"] {
        let world = World::at_noon();
        world.relay(&format!("{RECORD} exit 67"), "");
        let text = fs::read_to_string(world.path("config.toml")).unwrap();
        let text = text.replace("via = \"inbox\"", &format!("via = \"{via}\""));
        world.config(&format!(
            "qualify = \"example.org\"\nsender = \"joe@example.org\"\n{text}\
             [rewrite.sender]\n\"*\" = \"rewritten@x\"\n\"*@*\" = \"rewritten@x\"\n"
        ));
        for (args, input) in submissions {
            let ran = world.mspool(args).input(input).run();
            assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
            let ran = world.mspool(&["flush"]).run();
            assert_eq!(ran.code, 0, "{args:?}");
            ran.says("no@x: failed");
            assert_eq!(world.trace().last().unwrap(), "<> no@x", "{args:?}");
            assert_eq!((world.files("new").len(), world.files("cur").len()), (0, 0), "{args:?}");
            assert_eq!(world.inbox().len(), 0, "{args:?}");
        }
        assert_eq!((world.trace().len(), world.files("failed").len()), (7, 7), "what failed stays visible");
    }
}

#[test]
fn reports_of_other_systems_are_never_answered() {
    let kinds = [
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nfailed\n--b--\n",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b--\n",
        "Auto-Submitted: auto-replied\n\naway\n",
        "Auto-Submitted: auto-generated\nPrecedence: bulk\n\nnews\n",
    ];
    for kind in kinds {
        let mut world = World::at_noon();
        world.relay("cat >/dev/null; case $3 in no*) exit 67;; esac; exit 75", "");
        let text = fs::read_to_string(world.path("config.toml")).unwrap();
        world.config(&text.replace("[queue]\n", "[queue]\ndelay_warning = \"1h\"\n"));
        let mail = format!("From: a@y\nSubject: s\n{kind}");
        world.enqueue_bytes(mail.as_bytes(), &["-f", "", "--notify", "success,failure,delay", "later@x", "no@x"]);
        world.receive(&mail, &["-f", "", "--to", "joe@laptop"]);
        world.flush_quietly();
        world.run_machine_until(crate::world::NOON + 7200);
        world.flush_quietly();
        world.run_machine_until(crate::world::NOON + 30 * 86_400);
        world.flush_quietly();
        assert_eq!((world.files("new").len(), world.files("cur").len()), (0, 0), "{kind}");
        assert_eq!(world.inbox().len(), 1, "what was received, and nothing about it: {kind}");
    }
}

#[test]
fn poison_stops_nothing_in_a_flush_or_in_a_watch() {
    let script = "cat >/dev/null; case $3 in crash*) kill -9 $$;; hang*) exec sleep 1000;; gone*) exit 67;;\n\
                  flood*) head -c 3000000 /dev/zero; exit 75;; noise*) head -c 50000 /dev/urandom; exit 99;;\n\
                  esac; trace fine";
    for verb in ["flush", "watch"] {
        let world = World::with_relay("");
        world.relay(script, "timeout = \"1s\"");
        let mut damaged = Vec::new();
        for n in 0..60 {
            let word = ["crash", "hang", "gone", "flood", "noise", "damaged"].get(n / 3).filter(|_| n % 3 == 0);
            let id = world.enqueue(&["-f", "", &format!("{}@x", word.unwrap_or(&"fine"))]);
            if word == Some(&"damaged") {
                fs::write(world.find(&id).unwrap().1, "{\"size\":1}\n").unwrap();
                damaged.push(id);
            }
        }
        if verb == "flush" {
            assert_eq!(world.mspool(&["-q", "flush"]).run().code, 74, "for what is damaged");
        } else {
            let child = world.mspool(&["-q", "watch"]).start();
            crate::world::wait_for("everybody else's mail", || world.files("sent").len() == 54);
            crate::world::wait_for("the poison", || world.files("cur").len() == 4 && world.files("new").is_empty());
            crate::world::signal(&child, "TERM");
            assert!(child.wait_with_output().unwrap().status.code().is_some());
        }
        let counts = ["sent", "cur", "failed", "corrupt", "new"].map(|state| world.files(state).len());
        assert_eq!((counts, world.trace().len(), damaged.len()), ([54, 4, 1, 1, 0], 54, 1), "{verb}");
    }
}

#[test]
fn the_hundredth_hop_is_one_too_many_for_every_way_in() {
    let mail = |hops: usize| format!("{}{MAIL}", "Received: from a by b; now\n".repeat(hops));
    for args in [&["enqueue", "bob@x"][..], &["sendmail", "-odq", "-i", "bob@x"], &["receive", "--to", "joe@laptop"]] {
        let world = World::at_noon();
        world.mspool(args).input(mail(100)).run().fails(65, "mail loop");
        assert!(world.files("new").is_empty() && world.inbox().is_empty());
        let ran = world.mspool(args).input(mail(98)).run();
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    }
}
