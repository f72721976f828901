//! Our reports as others read them: Python's email package, and flufl.bounce.

use std::fs;

use crate::world::{World, can_run};

/// Reads a report with Python: the kind, the groups of the status part, whether the message came back whole.
const WITH_EMAIL: &str = r#"
import email, email.policy, json, sys
raw = open(sys.argv[1], 'rb').read()
message = email.message_from_bytes(raw)
parts = message.get_payload()
status = parts[1].get_payload()
returned = parts[2]
text = returned.get_payload()[0].as_bytes() if returned.get_content_type() == 'message/rfc822' else b''
print(json.dumps({
    'type': message.get_content_type(),
    'report': message.get_param('report-type'),
    'defects': [str(defect) for part in message.walk() for defect in part.defects],
    'envid': status[0]['Original-Envelope-Id'],
    'groups': [[group['Final-Recipient'], group['Action'], group['Status']] for group in status[1:]],
    'whole': text == open(sys.argv[2], 'rb').read(),
    'longest': max(len(line) for line in raw.split(b'\n')),
}))
"#;

const WITH_FLUFL: &str = r#"
import email, sys
from flufl.bounce import all_failures
temporary, permanent = all_failures(email.message_from_binary_file(open(sys.argv[1], 'rb')))
print(' '.join(sorted(a.decode() for a in permanent)), '/', ' '.join(sorted(a.decode() for a in temporary)))
"#;

fn world() -> World {
    let world = World::at_noon();
    world.relay(
        "cat >/dev/null; for r in \"$@\"; do case $r in\n\
         no*) echo \"rcpt $r 5.1.1 550 5.1.1 no such user, and more words than fit into one line of any report at all\" >&3;; \
         later*) echo \"rcpt $r 4.2.1 away\" >&3;; *@*) echo \"rcpt $r 2.0.0 ok\" >&3;; esac; done",
        "results = \"lines\"",
    );
    world
}

fn python(world: &World, program: &str, args: &[&str]) -> String {
    let all = [&["-c", program], args].concat();
    world.program(std::path::Path::new("python3"), &all).run().ok().trim().to_owned()
}

#[test]
fn python_reads_what_we_write() {
    if !can_run("python3", &["-c", "import email"]) {
        return;
    }
    let world = world();
    let mail =
        "From: joe@example.org\nSubject: =?utf-8?q?caf=C3=A9?=\nMessage-ID: <1@example.org>\n\nHello.\n.\nFrom here\n";
    fs::write(world.path("mail"), mail).unwrap();
    let id = world.enqueue_bytes(mail.as_bytes(), &["-f", "joe@example.org", "no1@x", "no2@x", "yes@x"]);
    assert_eq!(world.mspool(&["-q", "flush"]).run().code, 0);
    let report = world.folder_files("")[0].to_str().unwrap().to_owned();
    let read: serde_json::Value =
        serde_json::from_str(&python(&world, WITH_EMAIL, &[&report, world.path("mail").to_str().unwrap()])).unwrap();
    assert_eq!(
        (read["type"].as_str(), read["report"].as_str(), read["envid"].as_str()),
        (Some("multipart/report"), Some("delivery-status"), Some(id.as_str()))
    );
    assert_eq!(read["defects"], serde_json::json!([]));
    assert_eq!(
        read["groups"],
        serde_json::json!([["rfc822; no1@x", "failed", "5.1.1"], ["rfc822; no2@x", "failed", "5.1.1"]])
    );
    assert_eq!(read["whole"], true);
    assert!(read["longest"].as_u64().unwrap() <= 998);
}

#[test]
fn flufl_bounce_knows_who_failed() {
    if !can_run("python3", &["-c", "import flufl.bounce"]) {
        return;
    }
    let world = world();
    world.enqueue(&["-f", "joe@example.org", "no1@x.example", "no2@x.example", "yes@x.example"]);
    assert_eq!(world.mspool(&["-q", "flush"]).run().code, 0);
    let report = world.folder_files("")[0].to_str().unwrap().to_owned();
    assert_eq!(python(&world, WITH_FLUFL, &[&report]), "no1@x.example no2@x.example /");
}
