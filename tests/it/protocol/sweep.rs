//! The sweep of finished messages.

use crate::protocol::names::{Directory, LOG, Name};
use crate::protocol::processes::{Step, Steps};
use crate::protocol::rules::Rule;
use crate::protocol::world::LockHolder;

/// Takes the next step of a sweep: claim, sync, unlink, sync, remove the log.
pub fn sweep(steps: &mut Steps<'_>) {
    let (scenario, process, world) = (steps.scenario, steps.process, steps.world);
    match steps.me().step {
        Step::Open => {
            let names: Vec<Name> = world.disk.message_names().collect();
            let is_fit = names.len() == 1 || !scenario.keeps(Rule::SweepNeedsOneName);
            if world.lock.is_some() || !is_fit {
                return;
            }
            for name in names.into_iter().filter(|name| name.directory == Directory::Sent) {
                steps.step("sweep claims", Step::SyncBeforeRemoval, |world| {
                    world.lock = Some(LockHolder::Process(process));
                    world.processes[process].name = Some(name);
                });
            }
        }
        Step::SyncBeforeRemoval => steps.step("sweep syncs new, cur and hold, to remove", Step::Remove, |world| {
            if scenario.keeps(Rule::SyncBeforeRemoval) {
                for directory in [Directory::New, Directory::Cur, Directory::Hold] {
                    world.disk.sync_directory(directory, scenario.disk);
                }
            }
        }),
        Step::Remove => {
            let name = steps.name();
            steps.step("sweep removes", Step::SyncSent, |world| {
                world.disk.unlink(name);
                world.promises.was_removed = true;
                world.unlock(process);
            });
        }
        Step::SyncSent => steps.step("sweep syncs sent after", Step::RemoveLog, |world| {
            world.disk.sync_directory(Directory::Sent, scenario.disk);
        }),
        _ => steps.step("sweep removes the log of", Step::Done, |world| {
            if world.disk.has_log() {
                world.disk.unlink(LOG);
            }
            world.processes[process].finish();
        }),
    }
}
