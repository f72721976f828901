//! Commands of operators, and incoming reports: claim, record, sync, rename, sync, tell.

use crate::protocol::names::{Directory, Name, Recipient, Record};
use crate::protocol::processes::{Step, Steps};
use crate::protocol::rules::Rule;
use crate::protocol::scenario::Role;
use crate::protocol::world::World;

/// Takes the next step of an operator's command or of an incoming report with a claim.
pub fn operate(steps: &mut Steps<'_>) {
    let (scenario, process, role) = (steps.scenario, steps.process, steps.me().role);
    let model = scenario.disk;
    match steps.me().step {
        Step::Claimed => record(steps),
        Step::SyncRecord => {
            let next = if role == Role::IncomingReport { Step::TellOperator } else { Step::Rename };
            steps.step("syncs the record and its name of", next, |world| {
                if scenario.keeps(Rule::SyncOperatorRecord) {
                    world.disk.sync_log(model);
                    world.disk.sync_directory(Directory::Log, model);
                }
            });
        }
        Step::Rename => rename(steps),
        Step::SyncRename => {
            let (name, renamed_from) = (steps.name(), steps.me().renamed_from);
            steps.step("syncs both directories of", Step::TellOperator, |world| {
                if scenario.keeps(Rule::SyncOperatorRename) {
                    world.disk.sync_directory(name.directory, model);
                    let source = renamed_from.map_or(name.directory, |from| from.directory);
                    world.disk.sync_directory(source, model);
                }
            });
        }
        _ => steps.step("ends with success for", Step::Done, |world| {
            match role {
                Role::Hold => world.promises.held = true,
                Role::Release => world.promises.released = true,
                Role::Cancel => world.promises.cancelled = true,
                _ => world.promises.heard = true,
            }
            world.unlock(process);
            world.processes[process].finish();
        }),
    }
}

/// Ends what the opposite command promised: from now on, both states are right.
fn withdraw(world: &mut World, role: Role) {
    match role {
        Role::Hold => world.promises.released = false,
        Role::Release => world.promises.held = false,
        _ => {}
    }
}

fn record(steps: &mut Steps<'_>) {
    let (scenario, role, name) = (steps.scenario, steps.me().role, steps.name());
    if role == Role::IncomingReport && steps.me().history.cancelled {
        return steps.give_back("leaves");
    }
    let log = steps.world.disk.log();
    let mut lines = Vec::new();
    if role != Role::IncomingReport && scenario.keeps(Rule::RestateAttempt) {
        let is_known = |record: &Record| match record {
            Record::Attempt(number) | Record::Result(number, _) => *number == name.attempt,
            _ => false,
        };
        if name.attempt > 0 && !log.iter().any(is_known) {
            lines.push(Record::Attempt(name.attempt));
        }
        if name.result && !log.iter().any(|record| matches!(record, Record::Result(..))) {
            let mut results = [Recipient::Owed; 2];
            results[..scenario.recipients].fill(Recipient::Delivered);
            lines.push(Record::Result(name.attempt.max(1), results));
        }
    }
    lines.push(match role {
        Role::Hold => Record::Held,
        Role::Release => Record::Released,
        Role::Cancel => Record::Cancelled,
        _ => Record::Heard,
    });
    let writes = role == Role::IncomingReport || scenario.keeps(Rule::OperatorRecords);
    steps.step("records in the log of", Step::SyncRecord, |world| {
        withdraw(world, role);
        if writes {
            world.disk.append(&lines);
        }
    });
}

fn rename(steps: &mut Steps<'_>) {
    let (scenario, process, role, name) = (steps.scenario, steps.process, steps.me().role, steps.name());
    let directory = match role {
        Role::Hold => Directory::Hold,
        Role::Release => Directory::Cur,
        _ => Directory::Failed,
    };
    // Without a record, the mark has to stay.
    let attempt = if scenario.keeps(Rule::OperatorRecords) { 0 } else { name.attempt };
    let renamed = Name { attempt, ..Name::plain(directory) };
    steps.step("moves to", Step::SyncRename, |world| {
        withdraw(world, role);
        world.disk.rename(name, renamed);
        world.processes[process].renamed_from = Some(name);
        world.processes[process].name = Some(renamed);
    });
}
