//! The law that holds after every power cut.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::crash_states::disk::CrashState;
use crate::crash_states::stage::{self, HandOff, MESSAGE, TEXT};
use crate::crash_states::trace::Operation;
use crate::world::{Ran, World};

/// Promise of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Each printed id is a message to `bob@x`.
    Submits,
    /// Each success that was printed is kept; at the end there is one report on each failed message.
    Delivers,
    /// At the end, one message more is in the store.
    Receives,
    /// A failed message is queued again, once, when the new id is printed.
    Resends,
    /// At the end, the first message is on hold.
    Holds,
    /// At the end, it is in the queue.
    Releases,
    /// At the end, it is cancelled.
    Cancels,
}

/// Message that was accepted before the command.
pub struct Prepared {
    pub id: String,
    pub recipients: Vec<&'static str>,
}

/// One command, and what it works on.
pub struct Case {
    pub promise: Promise,
    /// Arguments; `{id}` is the first prepared message.
    pub args: &'static [&'static str],
    pub input: String,
    pub prepare: fn(&World) -> Vec<Prepared>,
}

impl Case {
    /// Returns true if the relay takes all mail, also during the command.
    pub fn is_open(&self) -> bool {
        self.promise != Promise::Delivers
    }
}

/// What was told before the power cut.
#[derive(Debug, Default)]
pub struct Told {
    pub output: String,
    pub handed_off: BTreeSet<HandOff>,
    pub exited: bool,
}

impl Told {
    pub fn new<'a>(operations: impl Iterator<Item = &'a Operation>) -> Told {
        let mut told = Told::default();
        for operation in operations {
            match operation {
                Operation::Printed(text) => told.output.push_str(text),
                Operation::Delivered(name) => {
                    told.handed_off.insert(stage::hand_off(name));
                }
                Operation::Exited => told.exited = true,
                _ => {}
            }
        }
        told
    }

    /// Returns the ids that were printed, each on a whole line.
    fn ids(&self) -> Vec<String> {
        let whole = self.output.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().filter(|line| !line.starts_with('{')).map(str::to_owned).collect()
    }

    /// Returns the successes that were printed.
    fn successes(&self) -> BTreeSet<HandOff> {
        let lines = self.output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let successes = lines.filter(|line| line["state"] == "delivered" || line["state"] == "relayed");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        successes.map(|line| (text(&line["id"]), text(&line["address"]))).collect()
    }
}

/// Recovers from a crash state, and returns each violation.
pub fn judge(case: &Case, world: &World, prepared: &[Prepared], state: &CrashState, told: &Told) -> Vec<String> {
    state.image.write(&world.spool());
    stage::forget_hand_offs(world);
    if !case.is_open() {
        stage::close(world);
    }
    let mut judge = Judge { case, world, told, handed_off: Vec::new(), problems: Vec::new() };
    judge.expect_success("the first flush", &world.mspool(&["-q", "flush"]).run());
    judge.examine_check(&world.mspool(&["report", "check"]).run());
    stage::open(world);
    judge.expect_success("the second flush", &world.mspool(&["-q", "flush", "--force"]).run());
    for (hand_off, bytes) in stage::hand_offs(world) {
        let is_whole = bytes == case.input.as_bytes() || bytes == MESSAGE.as_bytes();
        let is_part =
            case.args.contains(&"--mbox") && bytes.starts_with(b"Subject: ") && bytes.ends_with(TEXT.as_bytes());
        judge.expect(is_whole || is_part, || format!("{hand_off:?} was handed over mutilated: {} bytes", bytes.len()));
        judge.handed_off.push(hand_off);
    }
    let printed = printed_messages(case.promise, told);
    for message in prepared.iter().chain(&printed) {
        judge.examine_message(message);
    }
    judge.examine_reports(prepared);
    judge.examine_end(prepared);
    judge.problems
}

/// Returns the messages that were accepted by the command.
fn printed_messages(promise: Promise, told: &Told) -> Vec<Prepared> {
    let recipient = match promise {
        Promise::Submits => "bob@x",
        Promise::Resends => "no@x",
        _ => return Vec::new(),
    };
    told.ids().into_iter().map(|id| Prepared { id, recipients: vec![recipient] }).collect()
}

struct Judge<'a> {
    case: &'a Case,
    world: &'a World,
    told: &'a Told,
    /// Hand-offs after the cut.
    handed_off: Vec<HandOff>,
    problems: Vec<String>,
}

impl Judge<'_> {
    fn expect(&mut self, condition: bool, problem: impl FnOnce() -> String) {
        if !condition {
            self.problems.push(problem());
        }
    }

    fn expect_success(&mut self, what: &str, ran: &Ran) {
        self.expect(ran.code == 0, || {
            let complaints = ran.out.lines().filter(|line| !line.starts_with("ok"));
            let complaints: Vec<&str> = complaints.chain(ran.err.lines()).collect();
            format!("{what} ended with {}: {}", ran.code, complaints.join("; "))
        });
    }

    /// Allows one kind of warning: of files whose end is missing. They were not accepted, or they are missed later.
    fn examine_check(&mut self, ran: &Ran) {
        let is_allowed =
            |line: &str| line.starts_with("ok ") || line.contains("by a power failure before it was accepted");
        let others: Vec<&str> = ran.out.lines().filter(|line| !is_allowed(line)).collect();
        self.expect(matches!(ran.code, 0 | 1) && others.is_empty() && ran.err.is_empty(), || {
            format!("the check ended with {}: {}{}", ran.code, others.join("; "), ran.err)
        });
    }

    fn count(&self, hand_off: &HandOff) -> usize {
        self.handed_off.iter().filter(|other| *other == hand_off).count()
    }

    fn examine_message(&mut self, message: &Prepared) {
        let Prepared { id, recipients } = message;
        let Some((state, path)) = self.world.find(id) else {
            return self.problems.push(format!("{id} was accepted, and is lost"));
        };
        self.expect(state != "corrupt", || format!("{id} was accepted, and is in corrupt"));
        let bytes = fs::read(path).unwrap();
        self.expect(bytes.ends_with(TEXT.as_bytes()), || format!("{id} was accepted, and is mutilated"));
        let ran = self.world.mspool(&["report", "--json", id]).run();
        self.expect_success("the report", &ran);
        for recipient in recipients {
            if recipient.ends_with("@box") {
                self.examine_copies(recipient);
                continue;
            }
            let hand_off = (id.clone(), (*recipient).to_owned());
            let count = self.count(&hand_off);
            self.expect(count <= 1, || format!("{hand_off:?} was handed over {count} times after the cut"));
            let was_told = self.told.successes().contains(&hand_off);
            self.expect(!was_told || count == 0, || format!("{hand_off:?} was told, and is handed over again"));
            let is_delivered = count > 0 || self.told.handed_off.contains(&hand_off);
            let stays = matches!(state.as_str(), "hold" | "failed");
            self.expect(is_delivered || stays, || format!("{hand_off:?} was never handed over, in {state}"));
        }
    }

    /// Mail for the Maildir is there once, however often its delivery was begun.
    fn examine_copies(&mut self, recipient: &str) {
        let delivered_to = format!("Delivered-To: {recipient}\n");
        let received = stage::received(self.world);
        let is_whole = |bytes: &Vec<u8>| {
            bytes.ends_with(MESSAGE.as_bytes()) && String::from_utf8_lossy(bytes).contains(&delivered_to)
        };
        let whole = received.iter().filter(|bytes| is_whole(bytes)).count();
        self.expect(whole == 1, || format!("{whole} of {} files have the message to {recipient}", received.len()));
    }

    /// Each refused recipient of a delivered message makes one report; two, if the power went in between.
    fn examine_reports(&mut self, prepared: &[Prepared]) {
        let is_report = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).contains("report-type=delivery-status");
        let reports: Vec<Vec<u8>> = stage::received(self.world).into_iter().filter(is_report).collect();
        for report in &reports {
            let text = String::from_utf8_lossy(report);
            let is_whole = !report.contains(&0) && text.contains("Final-Recipient:") && text.trim_end().ends_with("--");
            self.expect(is_whole, || format!("a report is mutilated: {text}"));
        }
        if self.case.promise == Promise::Delivers {
            let refused = |message: &&Prepared| message.recipients.iter().any(|recipient| recipient.starts_with("no"));
            let failed = prepared.iter().filter(refused).count();
            let most = if self.told.exited { failed } else { 2 * failed };
            self.expect((failed..=most).contains(&reports.len()), || {
                format!("{} reports on {failed} messages", reports.len())
            });
        }
    }

    /// What holds when the command had ended, or was not begun.
    fn examine_end(&mut self, prepared: &[Prepared]) {
        let first = prepared.first().map(|message| (self.world.state(&message.id), message));
        let exited = self.told.exited;
        let new = self.handed_off.iter().filter(|(id, _)| prepared.iter().all(|message| message.id != *id)).count();
        match (self.case.promise, first) {
            (Promise::Holds, Some((state, _))) if exited => {
                self.expect(state == "hold", || format!("a held message is in {state}"));
            }
            (Promise::Cancels, Some((state, message))) => {
                let was_given = self.handed_off.iter().any(|(id, _)| *id == message.id);
                self.expect(!exited || state == "failed", || format!("a cancelled message is in {state}"));
                self.expect(!exited || !was_given, || "a cancelled message was handed over".to_owned());
                self.expect(was_given || state == "failed", || format!("it was not handed over, and is in {state}"));
            }
            (Promise::Releases, Some((state, _))) if exited => {
                self.expect(state == "sent", || format!("a released message is in {state}"));
            }
            (Promise::Resends, Some((state, _))) => {
                self.expect(state == "failed", || format!("the failed message is in {state}"));
                let least = usize::from(exited);
                self.expect((least..=1).contains(&new), || format!("{new} messages were sent again"));
            }
            (Promise::Receives, _) => {
                let is_new = |bytes: &Vec<u8>| bytes.ends_with(self.case.input.as_bytes());
                let filed = stage::received(self.world).iter().filter(|bytes| is_new(bytes)).count();
                let least = usize::from(exited);
                self.expect((least..=1).contains(&filed), || format!("{filed} received messages"));
            }
            _ => {}
        }
    }
}
