//! The law that holds whatever fails: accepted = delivered + queued + failed, each message with its bytes, and an exit
//! status that says what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use mspool::mail::envelope::id::QueueId;

use crate::faults::stage::{FaultedRun, Stage, id_of};
use crate::faults::tracer::{Fault, FaultPoint, Tracee};
use crate::world::{Ran, World};

/// Promise of a command.
pub enum Promise {
    /// So many new messages are queued.
    Submits { messages: usize },
    /// So many new messages are queued in a session that confirms each of them.
    Serves { messages: usize },
    /// Queued messages are attempted.
    Delivers,
    /// So many received messages are filed in the store.
    Receives { messages: usize },
    /// The messages of a Maildir are shown to the hooks, and stay there.
    LooksAt { messages: usize },
    /// A failed message is queued again, once.
    Resends,
    /// Something is true afterwards.
    Changes { happened: fn(&World, &str) -> bool },
    /// Something is printed, and nothing is changed.
    Reads,
    /// Mail that arrives is delivered until SIGTERM.
    Watches,
}

/// One command under test.
pub struct Case {
    pub name: &'static str,
    pub promise: Promise,
    /// Arguments; `{id}` is the first prepared message.
    pub args: &'static [&'static str],
    pub input: &'static str,
    /// Further keys of the configuration.
    pub keys: fn(&World) -> String,
    /// Makes the work, and returns the ids of queued messages.
    pub prepare: fn(&World) -> Vec<String>,
}

/// End of every test message: bytes that no filter or header completion changes.
pub const TEXT: &str = "The text of the message.\n";

const NOT_DELIVERED: &str = "the watch did not deliver";

/// How long a watch may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How long a watch may take to deliver after a failed call, when it is asked to look again.
const DELIVERY_LIMIT: Duration = Duration::from_secs(10);

/// How long a watch may work on a system that does not, before it is ended.
const LASTING_FAULT_LIMIT: Duration = Duration::from_millis(300);

pub struct PreparedStage {
    pub stage: Stage,
    pub ids: Vec<String>,
}

impl Case {
    pub fn stage(&self) -> PreparedStage {
        let world = Stage::world(self.keys);
        let mut ids = vec![world.enqueue(&["--delete", "warm@x"])];
        world.flush();
        ids.clear();
        fs::remove_dir_all(world.path("given")).unwrap();
        fs::create_dir(world.path("given")).unwrap();
        ids.extend((self.prepare)(&world));
        PreparedStage { stage: Stage::prepared(world), ids }
    }

    fn arguments(&self, prepared: &PreparedStage) -> Vec<String> {
        let world = &prepared.stage.world;
        let id = prepared.ids.first().cloned().unwrap_or_default();
        let dir = world.dir.path().to_str().unwrap();
        self.args.iter().map(|word| word.replace("{id}", &id).replace("{dir}", dir)).collect()
    }

    /// Runs the command from the prepared state, with a fault or without.
    pub fn traced_run(&self, prepared: &PreparedStage, point: Option<FaultPoint>) -> FaultedRun {
        prepared.stage.reset();
        self.traced_run_on(prepared, point)
    }

    /// Runs the command where the last run left everything, with a fault.
    pub fn traced_run_again(&self, prepared: &PreparedStage, point: FaultPoint) -> FaultedRun {
        self.traced_run_on(prepared, Some(point))
    }

    fn traced_run_on(&self, prepared: &PreparedStage, point: Option<FaultPoint>) -> FaultedRun {
        let stage = &prepared.stage;
        let args = self.arguments(prepared);
        let mut late = None;
        let mut run = match self.promise {
            Promise::Watches => {
                let lasting = point.is_some_and(|point| matches!(point.fault, Fault::FailForever(_)));
                stage.run(&args, b"", point, &mut |tracee| late = accompany(stage, tracee, lasting))
            }
            _ => stage.run(&args, self.input.as_bytes(), point, &mut |_| {}),
        };
        // A message that could not be handed over is deferred, and time stands still here.
        let deferred = run.out.contains(": deferred via");
        if let Some(text) = late.filter(|text| text != NOT_DELIVERED || !deferred) {
            run.err.push_str(&format!("\nobserved: {text}\n"));
        }
        run
    }

    fn repeat(&self, prepared: &PreparedStage) -> Ran {
        prepared.stage.run_clean(&self.arguments(prepared), self.input.as_bytes())
    }
}

/// Gives a watch one message, waits for its delivery and ends it. Returns what went wrong. With a fault that lasts,
/// there may be no delivery.
fn accompany(stage: &Stage, tracee: &Tracee, lasting: bool) -> Option<String> {
    let world = &stage.world;
    let began = Instant::now();
    let presence = world.spool().join("state/runner.watch");
    while !presence.exists() && !tracee.has_ended() && began.elapsed() < STOP_LIMIT {
        std::thread::sleep(Duration::from_millis(2));
    }
    world.enqueue_bytes(TEXT_MESSAGE.as_bytes(), &["arrival@x"]);
    let delivered = || world.files("sent").len() == 2;
    let began = Instant::now();
    let mut asked = began;
    let limit = if lasting { LASTING_FAULT_LIMIT } else { DELIVERY_LIMIT };
    while !delivered() && !tracee.has_ended() && began.elapsed() < limit {
        std::thread::sleep(Duration::from_millis(5));
        if asked.elapsed() > Duration::from_millis(500) {
            // The timer would do so within a minute.
            tracee.signal(libc::SIGHUP);
            asked = Instant::now();
        }
    }
    let late = !delivered() && !tracee.has_ended() && !lasting;
    let problem = late.then(|| NOT_DELIVERED.to_owned());
    let began = Instant::now();
    tracee.signal(libc::SIGTERM);
    while !tracee.has_ended() && began.elapsed() < STOP_LIMIT {
        std::thread::sleep(Duration::from_millis(2));
    }
    if !tracee.has_ended() {
        tracee.signal(libc::SIGKILL);
        return Some("the watch did not end at SIGTERM".to_owned());
    }
    problem
}

/// Message of the tests.
pub const TEXT_MESSAGE: &str = "From: joe@example.org\nTo: bob@x\nSubject: test\n\nThe text of the message.\n";

/// Compares a run with the law, and returns every violation. `clean` is the run without a fault.
pub fn judge(case: &Case, prepared: &PreparedStage, run: &FaultedRun, clean: Option<&FaultedRun>) -> Vec<String> {
    let mut judge = Judge { case, prepared, stage: &prepared.stage, run, runs: 1, problems: Vec::new() };
    judge.examine(clean);
    judge.problems
}

/// The same for the second of two runs that were killed.
pub fn judge_second(case: &Case, prepared: &PreparedStage, run: &FaultedRun) -> Vec<String> {
    let mut judge = Judge { case, prepared, stage: &prepared.stage, run, runs: 2, problems: Vec::new() };
    judge.examine(None);
    judge.problems
}

struct Judge<'a> {
    case: &'a Case,
    prepared: &'a PreparedStage,
    stage: &'a Stage,
    run: &'a FaultedRun,
    /// Number of runs that met a fault: each may leave one attempt without a result.
    runs: usize,
    problems: Vec<String>,
}

const ANY_STATE: [&str; 5] = ["new", "cur", "hold", "sent", "failed"];

impl Judge<'_> {
    fn expect(&mut self, condition: bool, problem: impl FnOnce() -> String) {
        if !condition {
            self.problems.push(problem());
        }
    }

    fn was_killed(&self) -> bool {
        self.run.traced.was_killed()
    }

    fn code(&self) -> i32 {
        self.run.traced.code
    }

    fn examine(&mut self, clean: Option<&FaultedRun>) {
        let run = self.run;
        self.expect(!run.traced.overdue, || "it did not end".to_owned());
        let bug = run.err.contains("internal error") || run.err.contains("panicked") || run.traced.code == 70;
        self.expect(!bug, || "it ended as by a bug".to_owned());
        self.expect(run.traced.code >= 0 || self.was_killed(), || "a signal ended it".to_owned());
        let outside = self.stage.changed_outside();
        self.expect(outside.is_empty(), || format!("it changed {outside:?}"));
        let accepted = match self.case.promise {
            Promise::Submits { messages } => self.submits(messages),
            Promise::Serves { messages } => self.serves(messages),
            Promise::Resends => self.resends(),
            Promise::Receives { messages } => self.receives(messages),
            Promise::LooksAt { .. } | Promise::Delivers => BTreeSet::new(),
            Promise::Changes { happened } => self.changes(happened),
            Promise::Reads => self.reads(clean),
            Promise::Watches => self.watches(),
        };
        if let Promise::Delivers = self.case.promise {
            self.delivers();
        }
        self.settle(accepted);
    }

    /// Messages beyond the prepared ones, in the queue or with a transport, whole.
    fn new_messages(&self) -> BTreeSet<String> {
        let whole = |bytes: &[u8]| bytes.ends_with(TEXT.as_bytes());
        let messages = self.stage.messages(&ANY_STATE).into_iter().filter(|(_, bytes)| whole(bytes));
        let ids = messages.map(|(id, _)| id).chain(self.stage.deliveries().into_iter().map(|(id, _, _)| id));
        ids.filter(|id| !self.prepared.ids.contains(id)).collect()
    }

    fn ids_in(text: &str) -> BTreeSet<String> {
        let words = text.split(|letter: char| letter.is_whitespace() || matches!(letter, ':' | ';' | ',' | '"'));
        words.filter(|word| QueueId::parse(word).is_ok()).map(str::to_owned).collect()
    }

    fn submits(&mut self, messages: usize) -> BTreeSet<String> {
        let new = self.new_messages();
        let printed = Self::ids_in(&self.run.out);
        let named = &Self::ids_in(&self.run.err) | &printed;
        let code = self.code();
        let known = |ids: &BTreeSet<String>| format!("queued {:?}", ids);
        self.expect(printed.is_subset(&new), || format!("it printed an id that is not queued; {}", known(&new)));
        if self.was_killed() {
            self.expect(new.len() <= messages, || known(&new));
        } else if code == 0 {
            self.expect(new.len() == messages, || format!("status 0 for {} messages", new.len()));
        } else {
            let may = self.run.err.contains("may be queued");
            let hidden: Vec<&String> = new.iter().filter(|id| !named.contains(*id)).collect();
            self.expect(hidden.is_empty(), || format!("status {code} hides {hidden:?}"));
            self.expect(code != 75 || !may, || "75 for a message that may be queued".to_owned());
            if new.is_empty() && !may {
                let again = self.case.repeat(self.prepared);
                let now = self.new_messages();
                self.expect(again.code == 0 && now.len() == messages, || {
                    format!("repeated after {code}: {} messages, {again:?}", now.len())
                });
                return now;
            }
        }
        new
    }

    fn serves(&mut self, messages: usize) -> BTreeSet<String> {
        let new = self.new_messages();
        let confirmed = self.run.out.lines().filter(|line| line.contains("queued as")).count();
        // A client that could not read the reply has to send the message again (RFC 1047).
        let unread = self.was_killed() || self.run.traced.struck_output;
        let may = self.run.err.contains("may be queued") || self.run.out.contains("may be queued");
        self.expect(new.len() == confirmed || (new.len() <= messages && (unread || may)), || {
            format!("{} messages are queued, {confirmed} confirmed", new.len())
        });
        if confirmed == 0 && new.is_empty() && !may {
            let again = self.case.repeat(self.prepared);
            let now = self.new_messages();
            self.expect(again.code == 0 && now.len() == messages, || format!("repeated: {} messages", now.len()));
            return now;
        }
        new
    }

    fn resends(&mut self) -> BTreeSet<String> {
        let new = self.new_messages();
        let (code, killed) = (self.code(), self.was_killed());
        if code == 0 {
            self.expect(new.len() == 1, || format!("status 0 for {} messages", new.len()));
            return new;
        }
        let named = Self::ids_in(&self.run.err);
        let may = self.run.err.contains("may be queued");
        let printed = Self::ids_in(&self.run.out);
        let told = new.iter().all(|id| named.contains(id) || printed.contains(id));
        self.expect(killed || told || self.run.traced.struck_output, || format!("status {code} hides {new:?}"));
        self.expect(new.is_empty() || code != 75, || format!("75 though {new:?} is queued"));
        let again = self.case.repeat(self.prepared);
        let now = self.new_messages();
        self.expect(now.len() == 1, || format!("repeated after {code}: {} messages, {again:?}", now.len()));
        let expected = if new.is_empty() && !may { again.code == 0 } else { matches!(again.code, 0 | 65) };
        self.expect(expected, || format!("repeated after {code}, {} queued: {again:?}", new.len()));
        now
    }

    /// Received messages: how many are in the spool or in the store.
    fn kept(&self) -> usize {
        let is_ours = |bytes: &[u8]| bytes.ends_with(TEXT.as_bytes());
        let waiting = self.stage.received().iter().filter(|bytes| is_ours(bytes)).count();
        waiting + self.stage.world.inbox().iter().filter(|text| is_ours(text.as_bytes())).count()
    }

    fn receives(&mut self, messages: usize) -> BTreeSet<String> {
        let (code, kept) = (self.code(), self.kept());
        let is_poll = self.case.args.contains(&"--poll");
        if code == 0 && !is_poll {
            // In the spool and in the store at once, until the next run.
            self.expect(kept >= messages, || format!("status 0 for {kept} messages"));
        } else if !self.was_killed() && !is_poll {
            let may = self.run.err.contains("may be queued") && code == 74;
            self.expect(kept == 0 || may, || format!("status {code} for {kept} messages that are kept"));
        }
        if code != 0 && (is_poll || (kept == 0 && !self.was_killed())) {
            let again = self.case.repeat(self.prepared);
            self.expect(again.code == 0, || format!("repeated after {code}: {again:?}"));
        }
        BTreeSet::new()
    }

    fn changes(&mut self, happened: fn(&World, &str) -> bool) -> BTreeSet<String> {
        let id = self.prepared.ids.first().cloned().unwrap_or_default();
        let (world, code) = (&self.stage.world, self.code());
        if code == 0 {
            self.expect(happened(world, &id), || "status 0 and it did not happen".to_owned());
        } else {
            let again = self.case.repeat(self.prepared);
            // 66: there is nothing left to change.
            self.expect(matches!(again.code, 0 | 65 | 66), || format!("repeated after {code}: {again:?}"));
            self.expect(happened(world, &id), || format!("repeated after {code}, it did not happen: {again:?}"));
        }
        BTreeSet::new()
    }

    fn reads(&mut self, clean: Option<&FaultedRun>) -> BTreeSet<String> {
        let unchanged = self.stage.spool_files() == self.stage.prepared_spool_files();
        self.expect(unchanged, || "it changed the spool".to_owned());
        let Some(clean) = clean else { return BTreeSet::new() };
        if self.code() == 0 && !self.run.traced.struck_output {
            let same = self.run.out == clean.out;
            self.expect(same, || format!("status 0 for another output than {:?}", clean.out));
        }
        BTreeSet::new()
    }

    fn delivers(&mut self) {
        // A transport that cannot be started gets no mail, which is said, and is no error of the run.
        let is_told = self.run.err.contains("is broken: ") && self.run.err.contains("; its mail is kept");
        if self.code() == 0 && !is_told {
            let never: Vec<_> = self.stage.messages(&["new"]).into_keys().collect();
            self.expect(never.is_empty(), || format!("status 0 and {never:?} was not attempted"));
        }
    }

    fn watches(&mut self) -> BTreeSet<String> {
        let run = self.run;
        if let Some((_, text)) = run.err.split_once("observed: ") {
            self.expect(false, || text.trim().to_owned());
        }
        // A watch that could not begin says so; one that has begun ends at SIGTERM only.
        let could_not_begin = run.err.contains("state/runner.watch: ");
        let began = self.stage.world.spool().join("state/runner.watch").exists() && !could_not_begin;
        if !self.was_killed() && began {
            self.expect(matches!(run.traced.code, 0 | 143), || "the watch ended by itself".to_owned());
        }
        self.new_messages()
    }

    /// Runs without faults until everything has come to its end, then checks that all of it is there.
    fn settle(&mut self, accepted: BTreeSet<String>) {
        let world = &self.stage.world;
        fs::write(world.path("open"), "").unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        let mut last;
        loop {
            world.mspool(&["flush", "--resume", "relay"]).run().ok();
            last = world.mspool(&["-q", "flush", "--force"]).run();
            let idle = world.files("new").is_empty()
                && self.stage.messages(&["cur"]).keys().all(|id| has_async(world, id))
                && self.stage.received().is_empty();
            if (idle && last.code == 0) || Instant::now() > end {
                break;
            }
        }
        self.expect(last.code == 0, || format!("a clean flush ended so: {last:?}"));
        if let Promise::Receives { messages } | Promise::LooksAt { messages } = self.case.promise {
            self.inbound(messages);
        }
        let check = world.mspool(&["report", "check"]).run();
        let torn = self.was_killed() && !world.files("corrupt").is_empty();
        self.expect(check.code == 0 || torn, || format!("report check: {check:?}"));
        let owed: BTreeSet<String> = self.prepared.ids.iter().cloned().chain(accepted).collect();
        self.conserved(&owed);
    }

    fn inbound(&mut self, messages: usize) {
        let (code, killed) = (self.code(), self.was_killed());
        match self.case.promise {
            Promise::Receives { .. } => {
                let texts: Vec<String> =
                    self.stage.world.inbox().into_iter().filter(|text| text.ends_with(TEXT)).collect();
                let subjects: BTreeSet<&str> =
                    texts.iter().filter_map(|text| text.lines().find(|line| line.starts_with("Subject: "))).collect();
                let enough = texts.len() == messages && subjects.len() == messages;
                let none = killed && texts.is_empty();
                let may = code == 74 && self.run.err.contains("may be queued") && texts.len() <= messages;
                self.expect(enough || none || may, || format!("{} messages are in the store", texts.len()));
            }
            _ => {
                let again = self.case.repeat(self.prepared);
                self.expect(again.code == 0, || format!("repeated: {again:?}"));
                let left = fs::read_dir(self.stage.world.path("box/new")).unwrap().count();
                self.expect(left == messages, || format!("{left} messages are in the Maildir"));
                let mut seen = BTreeMap::new();
                for line in fs::read_to_string(self.stage.world.path("given/hook")).unwrap_or_default().lines() {
                    *seen.entry(line.to_owned()).or_insert(0) += 1;
                }
                // A hook that cannot be started is ignored, and the error output reports it.
                let skipped = self.run.err.matches("; ignored").count();
                let right = seen.len() + skipped >= messages && seen.values().all(|count| (1..=2).contains(count));
                self.expect(right, || format!("the hooks have seen {seen:?}"));
            }
        }
    }

    fn conserved(&mut self, owed: &BTreeSet<String>) {
        let world = &self.stage.world;
        let deliveries = self.stage.deliveries();
        let strangers: BTreeSet<&String> =
            deliveries.iter().map(|(id, _, _)| id).filter(|id| !owed.contains(*id)).collect();
        self.expect(strangers.is_empty(), || format!("{strangers:?} were delivered and never accepted"));
        let all = self.stage.messages(&ANY_STATE);
        for id in owed {
            let Some((state, path)) = world.find(id) else {
                self.problems.push(format!("{id} is lost"));
                continue;
            };
            assert_eq!(&id_of(&path), id);
            let bytes = &all.get(id).cloned().unwrap_or_default();
            self.expect(bytes.ends_with(TEXT.as_bytes()), || format!("{id} has lost bytes"));
            for (address, recipient_state) in recipients(world, id) {
                let times = deliveries.iter().filter(|(of, to, _)| of == id && *to == address).count();
                let mut given = deliveries.iter().filter(|(of, _, _)| of == id);
                let whole = given.all(|(_, _, given)| given.ends_with(TEXT.as_bytes()));
                self.expect(whole, || format!("{id} was delivered with other bytes"));
                let wanted =
                    if address.starts_with("no") || address.starts_with("async") || state == "hold" { 0 } else { 1 };
                let unseen = self.stage.unseen_attempts(id).min(self.runs);
                let twice = wanted == 1 && times > 1 && times <= 1 + unseen;
                let cancelled = recipient_state == "cancelled" && times <= 1;
                self.expect(times == wanted || twice || cancelled, || {
                    format!("{id} was delivered to {address} {times} times and is {recipient_state}")
                });
                let told = match wanted {
                    _ if cancelled => true,
                    1 => matches!(recipient_state.as_str(), "relayed" | "delivered"),
                    _ if address.starts_with("async") => true,
                    _ if state == "hold" => recipient_state == "owed",
                    _ => recipient_state == "failed",
                };
                self.expect(told, || format!("{id}: {address} is {recipient_state} in {state}"));
                let state_fits = match state.as_str() {
                    "sent" => matches!(recipient_state.as_str(), "relayed" | "delivered"),
                    "failed" => recipient_state != "owed",
                    _ => true,
                };
                self.expect(state_fits || state == "sent", || {
                    format!("{id}: {address} is {recipient_state} in {state}")
                });
            }
            let failed = state == "failed" && recipients(world, id).iter().any(|(_, state)| state == "failed");
            if failed && matches!(self.case.promise, Promise::Delivers) {
                let about = format!("mspool resend {id}");
                let reports = world.inbox().iter().filter(|text| text.contains(&about)).count();
                self.expect((1..=2).contains(&reports), || format!("{reports} reports on {id}"));
            }
        }
        let strangers: Vec<&String> = all.keys().filter(|id| !owed.contains(*id)).collect();
        self.expect(strangers.is_empty() || self.was_killed(), || format!("{strangers:?} appeared from nowhere"));
    }
}

/// Addresses of a message and the states that `report` tells.
fn recipients(world: &World, id: &str) -> Vec<(String, String)> {
    let report = world.report(id);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
    let all = report["recipients"].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| (text(&one["address"]), text(&one["state"]))).collect()
}

fn has_async(world: &World, id: &str) -> bool {
    recipients(world, id).iter().any(|(_, state)| state == "async")
}
