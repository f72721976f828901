//! Making results durable, beside the deliveries rather than between them.
//!
//! A thread writes a result into the log the moment it has it, so that nothing but a power cut can lose it, and goes
//! on to its next hand-off. Here the logs of all messages that have collected meanwhile are synced together, which
//! costs the filesystem little more than one of them, and only then is a message moved on and its result told.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::message::OpenMessage;
use super::observer::Handled;

/// A message on its way to the disk.
#[derive(Debug)]
pub enum Commit<'e> {
    /// Nobody works on it any more: sync its log, and move it to where it belongs.
    Settle(Arc<OpenMessage<'e>>),
    /// Others work on it still: sync its log.
    Sync(Arc<OpenMessage<'e>>),
    /// Somebody waits for what is on its way: begin now.
    Hurry,
}

/// What has arrived there.
#[derive(Debug, Default)]
pub struct Done {
    /// Results that may be told.
    pub handled: Vec<Handled>,
    /// Places of the messages that were let go.
    pub settled: Vec<usize>,
    /// Syncs and moves that failed.
    pub errors: usize,
}

/// Messages synced together at most.
const GROUP: usize = 128;

/// How long a group may collect while nobody waits for it. Each sync stalls whoever creates a file meanwhile, so that a
/// sync a message would halve the rate; after a power cut, results of so long may be lost, and their deliveries
/// repeated.
const COLLECT: Duration = Duration::from_millis(40);

/// Works until nobody can send any more.
pub fn work<'e>(engine: Engine<'e>, queue: &Receiver<Commit<'e>>, told: &dyn Fn(Done)) {
    while let Ok(first) = queue.recv() {
        let mut hurry = matches!(first, Commit::Hurry);
        let mut group = vec![first];
        let end = Instant::now() + COLLECT;
        while group.iter().filter(|commit| !matches!(commit, Commit::Hurry)).count() < GROUP {
            let left = if hurry { Duration::ZERO } else { end.saturating_duration_since(Instant::now()) };
            let Ok(next) = queue.recv_timeout(left) else { break };
            hurry |= matches!(next, Commit::Hurry);
            group.push(next);
        }
        let done = commit(engine, group);
        for handled in &done.handled {
            engine.observer.handled(handled);
        }
        told(done);
    }
}

fn commit<'e>(engine: Engine<'e>, group: Vec<Commit<'e>>) -> Done {
    let message = |commit: &Commit<'e>| match commit {
        Commit::Settle(message) | Commit::Sync(message) => Some(Arc::clone(message)),
        Commit::Hurry => None,
    };
    let messages: Vec<Arc<OpenMessage<'e>>> = group.iter().filter_map(message).collect();
    let mut done = Done::default();
    let mut failed = |error: anyhow::Error| {
        engine.observer.problem(&format!("{error:#}; a delivery may be repeated after a power cut"));
        done.errors += 1;
    };
    if messages.len() > 1 {
        messages.iter().for_each(|message| message.begin_sync());
    }
    let mut new_names = false;
    for message in &messages {
        let (synced, handled) = message.sync();
        done.handled.extend(handled);
        match synced {
            Ok(is_new) => new_names |= is_new,
            Err(error) => failed(error),
        }
    }
    if new_names && let Err(error) = engine.spool.sync_log_names() {
        failed(error.into());
    }
    drop(messages);
    let settling = |commit| if let Commit::Settle(message) = commit { Some(message) } else { None };
    let settling: Vec<Arc<OpenMessage<'e>>> = group.into_iter().filter_map(settling).collect();
    for message in settling {
        done.settled.push(message.place);
        engine.observer.message_done();
        // The board gave its last reference away with the message.
        let Some(message) = Arc::into_inner(message) else { continue };
        if let Err(error) = message.settle(&engine.settings.queue, engine.now()) {
            engine.observer.problem(&format!("{error:#}"));
            done.errors += 1;
        }
    }
    done
}
