//! Programs that read without a lock: reports that tell, and the search for an id.

use crate::protocol::names::{Directory, Name, QUEUE_DIRECTORIES, Recipient};
use crate::protocol::processes::{Step, Steps};
use crate::protocol::properties::Violation;
use crate::protocol::rules::Rule;

/// Takes the next step of a report: read, sync, tell.
pub fn read(steps: &mut Steps<'_>) {
    let (scenario, process, world) = (steps.scenario, steps.process, steps.world);
    match steps.me().step {
        Step::Open => {
            for name in world.disk.message_names() {
                let history = world.history(name, scenario);
                if history.recipients.iter().any(|state| *state != Recipient::Owed) {
                    steps.step("reads a result through", Step::SyncTold, |world| {
                        world.processes[process].name = Some(name);
                        world.processes[process].history = history;
                    });
                }
            }
        }
        Step::SyncTold => {
            let name = steps.name();
            steps.step("syncs what it tells of", Step::TellReader, |world| {
                if scenario.keeps(Rule::ReaderSyncs) {
                    world.disk.sync_directory(name.directory, scenario.disk);
                    if world.disk.has_log() {
                        world.disk.sync_log(scenario.disk);
                        world.disk.sync_directory(Directory::Log, scenario.disk);
                    }
                }
            });
        }
        _ => {
            let name = steps.name();
            // The sync was of a directory in which the name may have been no longer.
            if scenario.keeps(Rule::ReaderSyncs) && name.result && !world.disk.has(name) && !world.disk.has_log() {
                return steps.give_back("misses, and reads again");
            }
            let results = steps.me().history.recipients;
            steps.step("tells the results of", Step::Done, |world| {
                world.tell(results);
                world.processes[process].finish();
            });
        }
    }
}

/// Takes the next step of a search: each directory is opened, then read. A name that changes meanwhile may be missed.
pub fn find(steps: &mut Steps<'_>) {
    let (scenario, process, world) = (steps.scenario, steps.process, steps.world);
    let position = steps.me().position;
    let Some(directory) = QUEUE_DIRECTORIES.get(position) else {
        let was_changed = steps.me().saw_change;
        if was_changed && scenario.keeps(Rule::FindUntilUnchanged) {
            return steps.give_back("searches again");
        }
        if world.promises.was_removed {
            return steps.step("finds nothing, rightly", Step::Done, |_| {});
        }
        return steps.violation("finds nothing", Violation::NotFound);
    };
    let names: Vec<Name> = world.disk.message_names().filter(|name| name.directory == *directory).collect();
    if steps.me().step == Step::Open {
        return steps.step("opens the next directory", Step::ReadNames, |world| {
            world.processes[process].seen = names;
        });
    }
    let is_found = names.iter().any(|name| steps.me().seen.contains(name));
    steps.step("reads the directory", Step::Open, |world| {
        let me = &mut world.processes[process];
        me.seen.clear();
        me.position += 1;
        if is_found {
            me.finish();
        }
    });
}
