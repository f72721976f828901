//! The commands that are failed at every point, and what each of them promises.

use std::fs;

use crate::faults::campaign::{SampleSize, go_through, go_through_recovery};
use crate::faults::oracle::{Case, Promise, TEXT_MESSAGE};
use crate::faults::tracer::can_trace;
use crate::world::World;

/// A case, but for what it does and promises.
const CASE: Case =
    Case { name: "", promise: Promise::Reads, args: &[], input: "", keys: |_| String::new(), prepare: |_| Vec::new() };

fn check(case: Case, size: SampleSize) {
    if can_trace() {
        go_through(&case, size);
    }
}

fn queue(world: &World, args: &[&str]) -> String {
    world.enqueue_bytes(TEXT_MESSAGE.as_bytes(), &[&["-f", "joe@example.org"], args].concat())
}

#[test]
fn enqueue() {
    let case = Case {
        name: "enqueue",
        promise: Promise::Submits { messages: 1 },
        args: &["enqueue", "bob@x"],
        input: TEXT_MESSAGE,
        ..CASE
    };
    check(case, SampleSize::EveryPoint);
}

#[test]
fn enqueue_reading_recipients() {
    let case = Case {
        name: "enqueue -t",
        promise: Promise::Submits { messages: 1 },
        args: &["enqueue", "-t", "--json"],
        input: TEXT_MESSAGE,
        ..CASE
    };
    check(case, SampleSize::Stride(3));
}

#[test]
fn enqueue_mbox() {
    let case = Case {
        name: "enqueue --mbox",
        promise: Promise::Submits { messages: 2 },
        args: &["enqueue", "--mbox", "bob@x"],
        input: "From x Mon\nSubject: 1\n\nThe text of the message.\n\nFrom x Mon\nSubject: 2\n\nThe text of the message.\n",
        ..CASE
    };
    check(case, SampleSize::EveryPoint);
}

#[test]
fn enqueue_now() {
    let case = Case {
        name: "enqueue --now",
        promise: Promise::Submits { messages: 1 },
        args: &["enqueue", "--now", "bob@x"],
        input: TEXT_MESSAGE,
        ..CASE
    };
    check(case, SampleSize::Stride(3));
}

#[test]
fn enqueue_wait() {
    let case = Case {
        name: "enqueue --wait",
        promise: Promise::Submits { messages: 1 },
        args: &["enqueue", "--wait=4", "bob@x"],
        input: TEXT_MESSAGE,
        ..CASE
    };
    check(case, SampleSize::Stride(4));
}

#[test]
fn flush_delivers() {
    let case = Case {
        name: "flush",
        promise: Promise::Delivers,
        args: &["-q", "flush"],
        prepare: |world| vec![queue(world, &["bob@x"]), queue(world, &["ann@x"])],
        ..CASE
    };
    check(case, SampleSize::Stride(3));
}

#[test]
fn flush_defers() {
    let case = Case {
        name: "flush, deferred",
        promise: Promise::Delivers,
        args: &["-q", "flush"],
        prepare: |world| vec![queue(world, &["later@x"])],
        ..CASE
    };
    check(case, SampleSize::Stride(2));
}

#[test]
fn flush_reports_a_failure() {
    let case = Case {
        name: "flush, failed",
        promise: Promise::Delivers,
        args: &["-q", "flush"],
        prepare: |world| vec![queue(world, &["no@x"])],
        ..CASE
    };
    check(case, SampleSize::Stride(3));
}

#[test]
fn flush_several_recipients() {
    let case = Case {
        name: "flush, several recipients",
        promise: Promise::Delivers,
        args: &["-q", "flush"],
        prepare: |world| vec![queue(world, &["ann@x", "bob@x", "no@x", "carl@list", "dora@list"])],
        ..CASE
    };
    check(case, SampleSize::Stride(4));
}

#[test]
fn flush_into_a_maildir() {
    let case = Case {
        name: "flush, Maildir",
        promise: Promise::Delivers,
        args: &["-q", "flush"],
        keys: |world| format!("[transport.box]\nmatch = [\"*@box\"]\nmaildir = {:?}\n", world.path("box")),
        prepare: |world| vec![queue(world, &["user@box"])],
        ..CASE
    };
    check(case, SampleSize::Stride(3));
}

#[test]
fn flush_with_filters() {
    let case = Case {
        name: "flush, filters",
        promise: Promise::Delivers,
        args: &["-q", "flush"],
        keys: |world| format!("preprocess = [[{:?}]]\n", world.script("filter", "sed s/test/tested/")),
        prepare: |world| vec![queue(world, &["bob@x"])],
        ..CASE
    };
    check(case, SampleSize::Stride(3));
}

#[test]
fn flush_with_hooks() {
    let case = Case {
        name: "flush, hooks",
        promise: Promise::Delivers,
        args: &["-q", "flush"],
        keys: |world| {
            let hook = world.script("hook", "cat >/dev/null");
            format!("[[hook.outbound]]\ncommand = [{hook:?}]\n")
        },
        prepare: |world| vec![queue(world, &["--sent", world.path("source").to_str().unwrap(), "bob@x"])],
        ..CASE
    };
    check(case, SampleSize::Stride(3));
}

#[test]
fn recovery_of_a_delivery() {
    let case = Case {
        name: "recovery",
        promise: Promise::Delivers,
        args: &["-q", "flush"],
        prepare: |world| vec![queue(world, &["bob@x"]), queue(world, &["later@x"])],
        ..CASE
    };
    if can_trace() {
        go_through_recovery(&case, [23, 11]);
    }
}

#[test]
fn recovery_of_a_failure_and_its_report() {
    let case = Case {
        name: "recovery, failed",
        promise: Promise::Delivers,
        args: &["-q", "flush"],
        prepare: |world| vec![queue(world, &["no@x", "bob@x"])],
        ..CASE
    };
    if can_trace() {
        go_through_recovery(&case, [43, 19]);
    }
}

#[test]
fn receive() {
    let case = Case {
        name: "receive",
        promise: Promise::Receives { messages: 1 },
        args: &["receive", "--to", "joe@laptop.example"],
        input: TEXT_MESSAGE,
        ..CASE
    };
    check(case, SampleSize::EveryPoint);
}

#[test]
fn receive_from_sources() {
    let case = Case {
        name: "receive --poll",
        promise: Promise::Receives { messages: 2 },
        args: &["receive", "--poll"],
        keys: |world| {
            let source = world.path("source/new");
            let fetch = world.script(
                "fetch",
                &format!("cd {source:?}; f=$(ls | head -1); [ -n \"$f\" ] || exit 1; cat \"$f\"; echo \"ref $f\" >&3"),
            );
            let ack = world.script("ack", &format!("rm {source:?}/\"$1\""));
            format!("[inbound.a]\nfetch = [{fetch:?}]\nack = [{ack:?}, \"{{ref}}\"]\n")
        },
        prepare: |world| {
            for number in 0..2 {
                let text = TEXT_MESSAGE.replace("Subject: test", &format!("Subject: {number}"));
                fs::write(world.path(&format!("source/new/m{number}")), text).unwrap();
            }
            Vec::new()
        },
        ..CASE
    };
    check(case, SampleSize::Stride(5));
}

#[test]
fn receive_in_place() {
    let case = Case {
        name: "receive --in-place",
        promise: Promise::LooksAt { messages: 2 },
        args: &["receive", "--in-place", "{dir}/box"],
        keys: |world| {
            let hook = format!("cat >/dev/null; echo $MSPOOL_FLAGS $MSPOOL_SENDER >>{:?}", world.path("given/hook"));
            format!("[[hook.inbound]]\ncommand = [{:?}]\n", world.script("hook", &hook))
        },
        prepare: |world| {
            for number in 0..2 {
                let text = TEXT_MESSAGE.replace("joe@example.org", &format!("joe{number}@example.org"));
                fs::write(world.path(&format!("box/new/m{number}")), text).unwrap();
            }
            Vec::new()
        },
        ..CASE
    };
    check(case, SampleSize::Stride(2));
}

fn failed(world: &World) -> String {
    let id = queue(world, &["no@x"]);
    world.flush_quietly();
    assert_eq!(world.state(&id), "failed");
    id
}

#[test]
fn resend() {
    let case = Case {
        name: "resend",
        promise: Promise::Resends,
        args: &["resend", "--replace", "no@x=bob@x", "{id}"],
        prepare: |world| vec![failed(world)],
        ..CASE
    };
    check(case, SampleSize::EveryPoint);
}

#[test]
fn resend_from_a_report() {
    let case = Case {
        name: "resend, from a report",
        promise: Promise::Resends,
        args: &["resend", "--replace", "no@x=bob@x", "{dir}/home/report"],
        prepare: |world| {
            let id = failed(world);
            let report = world.folder_files("").pop().unwrap();
            fs::rename(report, world.path("home/report")).unwrap();
            // It is a report on a message that is not in this spool.
            fs::remove_file(world.find(&id).unwrap().1).unwrap();
            fs::remove_file(world.spool().join("log").join(&id)).unwrap();
            Vec::new()
        },
        ..CASE
    };
    check(case, SampleSize::Stride(2));
}

#[test]
fn cancel() {
    let case = Case {
        name: "cancel",
        promise: Promise::Changes { happened: |world, id| world.recipient(id, 0).0 == "cancelled" },
        args: &["cancel", "{id}"],
        prepare: |world| vec![queue(world, &["bob@x"])],
        ..CASE
    };
    check(case, SampleSize::EveryPoint);
}

#[test]
fn hold() {
    let case = Case {
        name: "hold",
        promise: Promise::Changes { happened: |world, id| world.state(id) == "hold" },
        args: &["hold", "{id}"],
        prepare: |world| vec![queue(world, &["bob@x"])],
        ..CASE
    };
    check(case, SampleSize::EveryPoint);
}

#[test]
fn release() {
    let case = Case {
        name: "release",
        promise: Promise::Changes { happened: |world, id| world.state(id) == "new" },
        args: &["release", "{id}"],
        prepare: |world| vec![queue(world, &["--hold", "bob@x"])],
        ..CASE
    };
    check(case, SampleSize::EveryPoint);
}

#[test]
fn report_complete() {
    let case = Case {
        name: "report complete",
        promise: Promise::Changes { happened: |world, id| world.recipient(id, 0).0 == "delivered" },
        args: &["report", "complete", "{id}", "--rcpt", "async@x", "--status", "2.0.0"],
        prepare: |world| {
            let id = queue(world, &["async@x"]);
            world.flush_quietly();
            vec![id]
        },
        ..CASE
    };
    check(case, SampleSize::EveryPoint);
}

fn is_paused(world: &World) -> bool {
    let rows = world.json(&["report", "status", "--json"]);
    rows.iter().any(|row| row["transport"] == "relay" && row["state"] == "paused")
}

#[test]
fn pausing() {
    let case = Case {
        name: "flush --pause",
        promise: Promise::Changes { happened: |world, _| is_paused(world) },
        args: &["flush", "--pause", "relay"],
        ..CASE
    };
    check(case, SampleSize::Stride(2));
}

#[test]
fn resuming() {
    let case = Case {
        name: "flush --resume",
        promise: Promise::Changes { happened: |world, _| !is_paused(world) },
        args: &["flush", "--resume", "relay"],
        prepare: |world| {
            world.mspool(&["flush", "--pause", "relay"]).run().silent();
            Vec::new()
        },
        ..CASE
    };
    check(case, SampleSize::Stride(2));
}

#[test]
fn sendmail() {
    let case = Case {
        name: "sendmail",
        promise: Promise::Submits { messages: 1 },
        args: &["sendmail", "-odq", "-f", "joe@example.org", "bob@x"],
        input: TEXT_MESSAGE,
        ..CASE
    };
    check(case, SampleSize::EveryPoint);
}

#[test]
fn smtp() {
    let case = Case {
        name: "sendmail -bs",
        promise: Promise::Serves { messages: 1 },
        args: &["sendmail", "-odq", "-bs"],
        input: "EHLO me\r\nMAIL FROM:<joe@example.org>\r\nRCPT TO:<bob@x>\r\nDATA\r\nSubject: test\r\n\r\n\
                The text of the message.\r\n.\r\nQUIT\r\n",
        ..CASE
    };
    check(case, SampleSize::EveryPoint);
}

#[test]
fn mailq() {
    let case = Case {
        name: "mailq",
        args: &["mailq"],
        prepare: |world| vec![queue(world, &["bob@x"]), queue(world, &["ann@x"])],
        ..CASE
    };
    check(case, SampleSize::Stride(2));
}

#[test]
fn report() {
    let case = Case {
        name: "report",
        args: &["report", "--json"],
        prepare: |world| vec![queue(world, &["bob@x"]), queue(world, &["ann@x"])],
        ..CASE
    };
    check(case, SampleSize::Stride(2));
}

#[test]
fn report_on_one_message() {
    let case = Case { name: "report ID", args: &["report", "{id}"], prepare: |world| vec![failed(world)], ..CASE };
    check(case, SampleSize::Stride(2));
}

#[test]
fn watch() {
    let case = Case {
        name: "watch",
        promise: Promise::Watches,
        args: &["watch"],
        prepare: |world| vec![queue(world, &["bob@x"])],
        ..CASE
    };
    check(case, SampleSize::Stride(6));
}
