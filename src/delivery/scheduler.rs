//! The scheduler of a run: the one place where its threads agree on the next job.
//!
//! Messages are admitted in the order of submission, and only when some transport could take one: so memory stays flat
//! however long the queue is. A message that waits for a busy transport is not kept open; the backlog of the transport
//! has its index, and it is claimed again when its turn comes. Nothing waits for anything but its own transport.
//!
//! The scheduler decides from values alone: it knows no clock, no file and no thread, and the messages that it hands out
//! are of any type. Its tests drive it with simulated transports.

use std::collections::{HashMap, HashSet};

use crate::delivery::transport_queue::{Readiness, TransportQueue};
use crate::mail::envelope::recipient::RecipientIndex;
use crate::output::observer::RunTally;
use crate::spool::listing::MessageIndex;
use crate::transports::transport::TransportIndex;
use crate::values::table::{Table, TableIndex};

/// Work for one thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job<M> {
    /// Prepare a transport: resource, connect, probe.
    Prepare(TransportIndex),
    /// Release a transport: disconnect, give the resource back.
    Release(TransportIndex),
    /// Claim a message for the first time in this run, and plan its recipients.
    Admit(MessageIndex),
    /// Claim a message again, for the transport whose turn it is.
    Reopen(MessageIndex, TransportIndex),
    /// Hand a claimed message to a transport, for those of its recipients that are still for that transport.
    HandOff(MessageIndex, M, TransportIndex),
}

/// Messages on their way to the disk at most: each holds files open.
const MAX_COMMITTING: usize = 256;

/// Claimed message with the number of threads that work on it.
#[derive(Debug)]
struct ActiveMessage<M> {
    message: M,
    users: usize,
}

/// State that the threads of a run share.
#[derive(Debug)]
pub struct Scheduler<M> {
    /// Transports, in the order in which they are asked.
    pub queues: Table<TransportIndex, TransportQueue>,
    /// Messages claimed now.
    active: HashMap<MessageIndex, ActiveMessage<M>>,
    /// Messages whose results are being made durable.
    committing: HashSet<MessageIndex>,
    /// Recipients that came back without a charge, and are not tried twice in one run.
    pub tried: HashSet<(MessageIndex, RecipientIndex, TransportIndex)>,
    /// Messages that waited for a transport until its queue was closed.
    pub unserved: Vec<MessageIndex>,
    /// Counts of what was done.
    pub tally: RunTally,
    /// Jobs under way.
    jobs: usize,
    /// True while a message is being admitted: one at a time, or the order of submission would be lost.
    admitting: bool,
    given_up: bool,
    next: usize,
    end: usize,
    /// Messages that may still be taken up.
    allowance: usize,
}

impl<M: Clone> Scheduler<M> {
    /// Makes a scheduler for this number of messages, of which at most `limit` are taken up.
    pub fn new(queues: Table<TransportIndex, TransportQueue>, messages: usize, limit: Option<usize>) -> Scheduler<M> {
        Scheduler {
            queues,
            active: HashMap::new(),
            committing: HashSet::new(),
            tried: HashSet::new(),
            unserved: Vec::new(),
            tally: RunTally::default(),
            jobs: 0,
            admitting: false,
            given_up: false,
            next: 0,
            end: messages,
            allowance: limit.unwrap_or(usize::MAX),
        }
    }

    /// Returns the next job that can be done now. The caller does it, and then calls [`Scheduler::job_done`].
    pub fn next_job(&mut self) -> Option<Job<M>> {
        let job = self.prepare().or_else(|| self.backlog()).or_else(|| self.admit()).or_else(|| self.release());
        self.jobs += usize::from(job.is_some());
        self.check();
        job
    }

    /// Counts a job that is done.
    pub fn job_done(&mut self) {
        debug_assert!(self.jobs > 0, "a job is done once");
        self.jobs -= 1;
    }

    /// Returns true when no job is under way and none will come.
    pub fn is_finished(&self) -> bool {
        self.given_up || (self.jobs == 0 && self.committing.is_empty())
    }

    /// Returns true when so much is on its way to the disk that no more messages are opened.
    fn commits_are_behind(&self) -> bool {
        self.committing.len() >= MAX_COMMITTING
    }

    /// Returns true when nothing, or not the next message of some transport, can go on before what is on its way to the
    /// disk is durable.
    pub fn waits_for_commits(&self) -> bool {
        let held_up = |queue: &TransportQueue| {
            queue.has_room() && queue.backlog.front().is_some_and(|message| self.committing.contains(message))
        };
        !self.committing.is_empty() && (self.jobs == 0 || self.commits_are_behind() || self.queues.iter().any(held_up))
    }

    /// Ends the run after a thread panicked: the others stop, and the next run finds what was under way.
    pub fn give_up(&mut self) {
        self.stop();
        self.given_up = true;
    }

    /// Takes up no more messages.
    pub fn stop(&mut self) {
        self.next = self.end;
        for queue in self.queues.iter_mut() {
            queue.backlog.clear();
        }
    }

    /// Ends the admission of a message. A message that was taken up counts against the limit.
    pub fn admitted(&mut self, admission: Admission) {
        debug_assert!(self.admitting, "an admission ends once");
        self.admitting = false;
        self.allowance = self.allowance.saturating_sub(usize::from(admission == Admission::TakenUp));
    }

    /// Records that a thread works on a message that it claimed.
    pub fn check_out(&mut self, index: MessageIndex, message: M) {
        debug_assert!(!self.committing.contains(&index), "a message is claimed only when its results are durable");
        let before = self.active.insert(index, ActiveMessage { message, users: 1 });
        debug_assert!(before.is_none(), "a message is claimed once at a time");
    }

    /// Records that a thread has done its work on a message. Returns the message while others work on it.
    pub fn check_in(&mut self, index: MessageIndex) -> Option<M> {
        let active = self.active.get_mut(&index)?;
        debug_assert!(active.users > 0, "a thread checks in once");
        active.users -= 1;
        (active.users > 0).then(|| active.message.clone())
    }

    /// Returns a transport that needs preparing, and marks it; two that share a resource come one after the other.
    fn prepare(&mut self) -> Option<Job<M>> {
        let holds = |queue: &&TransportQueue| queue.holds_resource || queue.readiness == Readiness::Preparing;
        let held: Vec<&String> =
            self.queues.iter().filter(holds).filter_map(|queue| queue.limits.resource.as_ref()).collect();
        let is_free = |queue: &TransportQueue| queue.limits.resource.as_ref().is_none_or(|name| !held.contains(&name));
        let index = self
            .queues
            .find(|queue| queue.readiness == Readiness::Unprepared && !queue.backlog.is_empty() && is_free(queue))?;
        self.queues[index].readiness = Readiness::Preparing;
        Some(Job::Prepare(index))
    }

    /// Returns the first message of a backlog whose transport has room. A message whose results are on their way to the
    /// disk is waited for, or the order of submission would be lost.
    fn backlog(&mut self) -> Option<Job<M>> {
        for index in self.queues.indices() {
            let behind = self.commits_are_behind();
            let is_ready = |message: &MessageIndex| {
                !self.committing.contains(message) && (!behind || self.active.contains_key(message))
            };
            let queue = &mut self.queues[index];
            if queue.has_room()
                && let Some(message) = queue.backlog.pop_front_if(|message| is_ready(message))
            {
                queue.begin_hand_off(message);
                return Some(match self.active.get_mut(&message) {
                    Some(active) => {
                        active.users += 1;
                        Job::HandOff(message, active.message.clone(), index)
                    }
                    None => Job::Reopen(message, index),
                });
            }
        }
        None
    }

    /// Returns the next message that no thread has looked at. With nothing under way there is nothing to wait for: what
    /// is left may still have expired.
    fn admit(&mut self) -> Option<Job<M>> {
        let useful = self.jobs == 0 || self.queues.iter().any(TransportQueue::wants_mail);
        if self.commits_are_behind() || self.admitting || self.next >= self.end || self.allowance == 0 || !useful {
            return None;
        }
        self.admitting = true;
        self.next += 1;
        Some(Job::Admit(MessageIndex::new(self.next - 1)))
    }

    /// Returns a transport that holds something no more needed, and marks it.
    fn release(&mut self) -> Option<Job<M>> {
        let all_seen = self.next >= self.end || self.allowance == 0;
        let index = self.queues.find(|queue| {
            (all_seen || queue.is_closed()) && queue.is_idle() && queue.holds_something() && !queue.releasing
        })?;
        self.queues[index].releasing = true;
        Some(Job::Release(index))
    }

    /// Takes out the messages that no thread works on or is about to take up again: they go to the disk now, and a
    /// transport that wants one meanwhile waits. The flag tells whether this run takes the message up again.
    pub fn take_idle(&mut self) -> Vec<(M, TakenUpAgain)> {
        let is_wanted = |message: &MessageIndex| {
            self.queues.iter().any(|queue| queue.has_room() && queue.backlog.front() == Some(message))
        };
        let idle: Vec<MessageIndex> = self
            .active
            .iter()
            .filter(|(message, active)| active.users == 0 && !is_wanted(message))
            .map(|(message, _)| *message)
            .collect();
        let mut messages = Vec::with_capacity(idle.len());
        for index in idle {
            if let Some(active) = self.active.remove(&index) {
                self.committing.insert(index);
                let again = self.queues.iter().any(|queue| queue.has_waiting(index));
                messages.push((active.message, if again { TakenUpAgain::Yes } else { TakenUpAgain::No }));
            }
        }
        self.check();
        messages
    }

    /// Records that the results of a message are durable, and that its claim is given back.
    pub fn committed(&mut self, message: MessageIndex) {
        let was_committing = self.committing.remove(&message);
        debug_assert!(was_committing, "a message is committed once");
    }

    /// Closes the queue of a transport for the rest of the run. Returns the messages that waited for it.
    pub fn close_queue(&mut self, transport: TransportIndex, reason: String) -> Vec<MessageIndex> {
        let queue = &mut self.queues[transport];
        queue.readiness = Readiness::No(reason);
        queue.backlog.drain(..).collect()
    }

    /// Checks the invariants of the counts, in debug builds.
    fn check(&self) {
        debug_assert!(self.next <= self.end, "no message beyond the last is admitted");
        debug_assert!(self.committing.iter().all(|message| !self.active.contains_key(message)));
        debug_assert!(self.queues.iter().map(|queue| queue.running).sum::<usize>() <= self.jobs.max(1));
        debug_assert!(self.queues.iter().all(|queue| queue.running <= queue.limits.parallel));
        debug_assert!(!self.queues.iter().any(|queue| queue.releasing && queue.running > 0));
    }
}

/// Answer to whether a message that was looked at is handled in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Something was decided about it, or a transport is to get it.
    TakenUp,
    /// It cannot be claimed, or nothing can be done with it now.
    PassedOver,
}

/// Answer to whether a message that goes to the disk is claimed again in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenUpAgain {
    /// A transport of this run waits for it.
    Yes,
    /// This run is done with it.
    No,
}
