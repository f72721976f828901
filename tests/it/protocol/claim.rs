//! Claims, taken by runners and operators in the same way.

use crate::protocol::names::{Directory, Name};
use crate::protocol::processes::{Step, Steps};
use crate::protocol::rules::Rule;
use crate::protocol::scenario::Role;
use crate::protocol::world::LockHolder;

/// Returns the directories in which a command looks for messages.
fn directories(role: Role) -> &'static [Directory] {
    match role {
        Role::Runner | Role::Hold | Role::Cancel => &[Directory::New, Directory::Cur],
        Role::Release => &[Directory::Hold],
        Role::IncomingReport => &[Directory::Sent, Directory::Cur],
        Role::Reader | Role::Finder | Role::Sweep => &[],
    }
}

/// Takes a step towards a claim whose history may be believed.
pub fn claim(steps: &mut Steps<'_>) {
    let process = steps.process;
    match steps.me().step {
        Step::Open => {
            let directories = directories(steps.me().role);
            let names: Vec<Name> = steps.world.disk.message_names().collect();
            for name in names.into_iter().filter(|name| directories.contains(&name.directory)) {
                steps.step("lists and opens", Step::Lock, |world| world.processes[process].name = Some(name));
            }
        }
        Step::Lock if steps.world.lock.is_none() => {
            steps.step("locks", Step::Look, |world| world.lock = Some(LockHolder::Process(process)));
        }
        Step::Lock => steps.give_back("finds it locked:"),
        Step::Look => look(steps),
        Step::SyncReadLog => {
            let model = steps.scenario.disk;
            steps.step("syncs the log that it has read of", Step::Claimed, |world| {
                world.disk.sync_log(model);
                world.disk.sync_directory(Directory::Log, model);
            });
        }
        _ => {
            let model = steps.scenario.disk;
            steps.step("syncs the directory of", Step::Claimed, |world| {
                world.disk.sync_directory(Directory::Cur, model);
            });
        }
    }
}

fn look(steps: &mut Steps<'_>) {
    let (world, scenario, process) = (steps.world, steps.scenario, steps.process);
    let opened = steps.name();
    if scenario.keeps(Rule::SecondLook) && !world.disk.has(opened) {
        return steps.give_back("looks again, and misses");
    }
    let names: Vec<Name> = world.disk.message_names().collect();
    let mut name = opened;
    if scenario.keeps(Rule::OneOfSeveralNames) && world.disk.has(opened) {
        name = world.kept_name(scenario).unwrap_or(opened);
    }
    let mut removed = names;
    removed.retain(|other| scenario.keeps(Rule::OneOfSeveralNames) && world.disk.has(opened) && *other != name);
    if !directories(steps.me().role).contains(&name.directory) {
        return steps.step("keeps one of several names, and gives back", Step::Open, |world| {
            removed.iter().for_each(|other| world.disk.unlink(*other));
            world.unlock(process);
            world.processes[process].restart();
        });
    }
    let history = world.history(name, scenario);
    let has_records = world.disk.has_records();
    let is_marked = name.result && name.directory == Directory::Cur;
    let next = match scenario.keeps(Rule::SyncBeforeBelieving) {
        true if has_records => Step::SyncReadLog,
        true if is_marked => Step::SyncReadMark,
        _ => Step::Claimed,
    };
    let repeats = name.attempt > 0 && scenario.keeps(Rule::RepeatThroughLog);
    steps.step("claims", next, |world| {
        removed.iter().for_each(|other| world.disk.unlink(*other));
        let me = &mut world.processes[process];
        me.name = Some(name);
        me.history = history;
        me.uses_marks = !has_records && !repeats && !name.result;
    });
}
