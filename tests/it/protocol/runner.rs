//! A run of deliveries: attempt, hand-off, result, report, end.

use crate::protocol::names::{Directory, History, Name, Recipient, Recipients, Record};
use crate::protocol::processes::{Step, Steps};
use crate::protocol::properties::{self, Violation};
use crate::protocol::rules::Rule;
use crate::protocol::scenario::AfterSuccess;
use crate::protocol::world::World;

/// Takes the next step of a runner with a claim.
pub fn run(steps: &mut Steps<'_>) {
    let (scenario, process) = (steps.scenario, steps.process);
    let model = scenario.disk;
    match steps.me().step {
        Step::Claimed => decide(steps),
        Step::StartProgram => start_program(steps),
        Step::EndProgram => end_program(steps),
        Step::SyncResultMark | Step::TellMarked | Step::FileCopy | Step::FinishMarked => finish_marked(steps),
        Step::SyncBeforeRemoval => steps.step("syncs new and cur, to remove", Step::Remove, |world| {
            if scenario.keeps(Rule::SyncBeforeRemoval) {
                world.disk.sync_directory(Directory::New, model);
                world.disk.sync_directory(Directory::Cur, model);
            }
        }),
        Step::Remove => {
            let name = steps.name();
            steps.step("removes", Step::Unlock, |world| {
                world.disk.unlink(name);
                world.promises.was_removed = true;
            });
        }
        Step::SyncLog => steps.step("syncs the log of", Step::SyncLogName, |world| {
            if scenario.keeps(Rule::SyncLog) {
                world.disk.sync_log(model);
            }
        }),
        Step::SyncLogName => steps.step("syncs the directory of the log of", Step::Tell, |world| {
            if scenario.keeps(Rule::SyncLogName) {
                world.disk.sync_directory(Directory::Log, model);
            }
        }),
        Step::Tell => tell(steps),
        Step::Report | Step::RecordReport | Step::SyncReport => report(steps),
        Step::Finish => finish(steps),
        _ => {
            let is_reported = steps.name().directory == Directory::Failed && steps.me().history.reported;
            steps.step("unlocks", Step::Open, |world| {
                world.promises.report_is_finished |= is_reported;
                world.unlock(process);
                world.processes[process].restart();
            });
        }
    }
}

fn decide(steps: &mut Steps<'_>) {
    let process = steps.process;
    let history = steps.me().history;
    if history.is_settled(steps.scenario.recipients) {
        tell(steps);
    } else if history.cancelled {
        finish(steps);
    } else if history.attempts >= steps.scenario.max_attempts {
        steps.step("tries no more, and unlocks", Step::Done, |world| {
            world.unlock(process);
            world.processes[process].finish();
        });
    } else {
        begin_attempt(steps);
    }
}

fn begin_attempt(steps: &mut Steps<'_>) {
    let (scenario, process, name) = (steps.scenario, steps.process, steps.name());
    let history = steps.me().history;
    let attempt = history.attempts + 1;
    let records = scenario.keeps(Rule::AttemptBeforeHandOff);
    if steps.me().uses_marks {
        if !steps.world.disk.has(name) {
            return steps.give_back("cannot rename");
        }
        let begun = if records { Name { directory: Directory::Cur, attempt, ..name } } else { name };
        return steps.step("begins an attempt:", Step::StartProgram, |world| {
            world.disk.rename(name, begun);
            world.processes[process].name = Some(begun);
            world.processes[process].attempt = attempt;
        });
    }
    let mut lines = Vec::new();
    if scenario.keeps(Rule::RestateAttempt) && name.attempt > 0 && is_unrecorded_attempt(steps, name) {
        lines.push(Record::Attempt(name.attempt));
    }
    if records {
        lines.push(Record::Attempt(attempt));
    }
    steps.step("records an attempt in the log of", Step::StartProgram, |world| {
        world.disk.append(&lines);
        world.processes[process].attempt = attempt;
    });
}

fn is_unrecorded_attempt(steps: &Steps<'_>, name: Name) -> bool {
    !steps.world.disk.log().contains(&Record::Attempt(name.attempt))
}

fn owed(history: &History, recipients: usize) -> impl Iterator<Item = usize> + '_ {
    (0..recipients).filter(|index| history.recipients[*index] == Recipient::Owed)
}

fn start_program(steps: &mut Steps<'_>) {
    let history = steps.me().history;
    for recipient in owed(&history, steps.scenario.recipients) {
        if let Some(violation) = properties::hand_over_violation(steps.world, &history, recipient) {
            return steps.violation("hands over", violation);
        }
    }
    if steps.world.orphan.is_some() || steps.world.processes.iter().any(|other| other.has_program()) {
        return steps.violation("hands over", Violation::TwoProgramsAtOnce);
    }
    steps.step("hands over", Step::EndProgram, |_| {});
}

/// The program ends: each owed recipient is delivered, deferred, or failed.
fn end_program(steps: &mut Steps<'_>) {
    let (scenario, process) = (steps.scenario, steps.process);
    let history = steps.me().history;
    let owed: Vec<usize> = owed(&history, scenario.recipients).collect();
    let kinds = if scenario.may_fail { 3 } else { 2 };
    for combination in 0..usize::pow(kinds, owed.len() as u32) {
        let mut results = history.recipients;
        let mut rest = combination;
        for recipient in &owed {
            let all = [Recipient::Owed, Recipient::Delivered, Recipient::Failed];
            results[*recipient] = all[rest % kinds];
            rest /= kinds;
        }
        record_result(steps, &owed, results, process);
    }
}

fn record_result(steps: &mut Steps<'_>, owed: &[usize], results: Recipients, process: usize) {
    let (scenario, name) = (steps.scenario, steps.name());
    let (attempt, uses_marks) = (steps.me().attempt, steps.me().uses_marks);
    let has_log = steps.world.disk.has_log();
    let note_given = move |world: &mut World| {
        for recipient in owed.iter().filter(|recipient| results[**recipient] == Recipient::Delivered) {
            world.promises.given[*recipient] = true;
            world.promises.given_since_cut[*recipient] = true;
        }
    };
    let history = History { recipients: results, ..steps.me().history };
    if uses_marks && history.all_delivered(scenario.recipients) {
        let stays = scenario.after_success == AfterSuccess::Copy && scenario.keeps(Rule::ResultMarkBeforeCopy);
        let marked =
            if stays { Name { result: true, ..name } } else { Name { result: true, ..Name::plain(Directory::Sent) } };
        return steps.step("program succeeded; marks the result:", Step::SyncResultMark, |world| {
            note_given(world);
            world.disk.rename(name, marked);
            world.record(results);
            world.processes[process].name = Some(marked);
            world.processes[process].history = history;
        });
    }
    if uses_marks && !has_log && !scenario.keeps(Rule::SpareLog) {
        steps.step("program ended; disk full: no log for the result of", Step::Done, |world| {
            note_given(world);
            world.unlock(process);
            world.processes[process].restart();
        });
    }
    let mut lines = Vec::new();
    if uses_marks {
        lines.push(Record::Attempt(attempt));
    }
    lines.push(Record::Result(attempt, results));
    steps.step("program ended; records the result in the log of", Step::SyncLog, |world| {
        note_given(world);
        world.disk.append(&lines);
        world.record(results);
        let me = &mut world.processes[process];
        me.history = History { open_attempt: 0, attempts: attempt, ..history };
    });
}

/// The common path after a success: sync, tell, do what is due, finish.
fn finish_marked(steps: &mut Steps<'_>) {
    let (scenario, process, name) = (steps.scenario, steps.process, steps.name());
    let results = steps.me().history.recipients;
    match steps.me().step {
        Step::SyncResultMark => steps.step("syncs the directory of", Step::TellMarked, |world| {
            if scenario.keeps(Rule::SyncResultMark) {
                world.disk.sync_directory(name.directory, scenario.disk);
            }
        }),
        Step::TellMarked => {
            let next = match scenario.after_success {
                AfterSuccess::Nothing => Step::Unlock,
                AfterSuccess::Copy => Step::FileCopy,
                AfterSuccess::Removal => Step::SyncBeforeRemoval,
            };
            steps.step("tells the success of", next, |world| world.tell(results));
        }
        Step::FileCopy => {
            let next = if name.directory == Directory::Cur { Step::FinishMarked } else { Step::Unlock };
            steps.step("files a copy of", next, |world| world.promises.copy_is_durable = true);
        }
        _ => {
            let sent = Name { result: true, ..Name::plain(Directory::Sent) };
            steps.step("finishes:", Step::Unlock, |world| {
                world.disk.rename(name, sent);
                world.processes[process].name = Some(sent);
            });
        }
    }
}

fn tell(steps: &mut Steps<'_>) {
    let (scenario, history) = (steps.scenario, steps.me().history);
    let is_due = history.is_settled(scenario.recipients) && history.has_failure() && !history.reported;
    let files_copy = scenario.after_success == AfterSuccess::Copy
        && history.is_settled(scenario.recipients)
        && history.recipients.contains(&Recipient::Delivered);
    let next = if is_due { Step::Report } else { Step::Finish };
    steps.step("tells the results of", next, |world| {
        world.tell(history.recipients);
        world.promises.copy_is_durable |= files_copy;
    });
}

fn report(steps: &mut Steps<'_>) {
    let (scenario, process) = (steps.scenario, steps.process);
    match steps.me().step {
        Step::Report if steps.world.promises.report_is_finished => {
            steps.violation("reports again on", Violation::SecondReport);
        }
        Step::Report if !scenario.keeps(Rule::ReportBeforeFinish) && !steps.me().history.cancelled => {
            steps.step("puts off the report on", Step::Finish, |_| {});
        }
        Step::Report => steps.step("writes a durable report on", Step::RecordReport, |world| {
            world.promises.report_is_durable = true;
        }),
        Step::RecordReport => steps.step("records the report in the log of", Step::SyncReport, |world| {
            world.disk.append(&[Record::Reported]);
            world.processes[process].history.reported = true;
        }),
        _ => steps.step("syncs the log of", Step::Finish, |world| {
            if scenario.keeps(Rule::SyncReported) {
                world.disk.sync_log(scenario.disk);
                world.disk.sync_directory(Directory::Log, scenario.disk);
            }
        }),
    }
}

/// Moves the message to the directory of its state.
fn finish(steps: &mut Steps<'_>) {
    let (scenario, process, name) = (steps.scenario, steps.process, steps.name());
    let history = steps.me().history;
    let directory = match (history.cancelled, history.is_settled(scenario.recipients)) {
        (true, _) => Directory::Failed,
        (false, true) if history.all_delivered(scenario.recipients) => Directory::Sent,
        (false, true) => Directory::Failed,
        (false, false) => Directory::Cur,
    };
    let drops_mark = !scenario.keeps(Rule::KeepResultMark) && steps.world.disk.has_log();
    let deferrals = if directory == Directory::Cur { history.attempts } else { 0 };
    let finished = Name { directory, attempt: 0, result: name.result && !drops_mark, deferrals };
    let is_removed = scenario.after_success == AfterSuccess::Removal && directory == Directory::Sent;
    let next = if is_removed { Step::SyncBeforeRemoval } else { Step::Unlock };
    steps.step("moves to", next, |world| {
        world.disk.rename(name, finished);
        world.processes[process].name = Some(finished);
    });
}
