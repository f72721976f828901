//! What is to be done next: the one place where the threads of a run agree.
//!
//! Messages are looked at in the order of submission, and only when some transport could take one: so memory stays
//! flat however long the queue is. A message that waits for a busy transport is not kept open; the transport's
//! backlog remembers its place in the list and it is claimed again when its turn comes. Nothing waits for anything
//! but its own transport.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::delivery::message::ClaimedMessage;
use crate::delivery::transport_queue::{Readiness, TransportQueue};
use crate::output::observer::RunTally;

/// A piece of work for one thread.
#[derive(Debug)]
pub enum Job<'e> {
    /// Get a transport ready.
    Prepare(usize),
    /// Give back what a transport needed.
    Release(usize),
    /// Look at a message that nobody has looked at.
    Admit(usize),
    /// Claim a message again, for the transport whose turn it is.
    Reopen(usize, usize),
    /// Hand a message to a transport, if anybody in it is still for that transport.
    HandOff(Arc<ClaimedMessage<'e>>, usize),
}

/// Messages on their way to the disk at most.
const MOST_CLOSING: usize = 256;

/// A message that is claimed, and the number of threads at work on it.
#[derive(Debug)]
struct ActiveMessage<'e> {
    message: Arc<ClaimedMessage<'e>>,
    users: usize,
}

/// The state that all threads share.
#[derive(Debug)]
pub struct Scheduler<'e> {
    /// The transports, in order.
    pub queues: Vec<TransportQueue<'e>>,
    /// Messages claimed now, by place.
    active: HashMap<usize, ActiveMessage<'e>>,
    /// Messages whose results are being made durable.
    committing: HashSet<usize>,
    /// Recipients that came back without a charge, and are not tried twice in one run.
    pub tried: HashSet<(usize, usize)>,
    /// Messages that waited for a transport which was shut.
    pub unserved: Vec<usize>,
    /// What was done.
    pub tally: RunTally,
    /// Jobs under way.
    jobs: usize,
    /// True while a message is being looked at: one at a time, or the order of submission would be lost.
    admitting: bool,
    given_up: bool,
    next: usize,
    end: usize,
    /// Messages that may still be taken up.
    allowance: usize,
}

impl<'e> Scheduler<'e> {
    /// A board for so many messages, of which at most `limit` are taken up.
    pub fn new(queues: Vec<TransportQueue<'e>>, messages: usize, limit: Option<usize>) -> Scheduler<'e> {
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

    /// The next job, if there is one that can be done now. The caller does it, and then says [`Board::done`].
    pub fn next_job(&mut self) -> Option<Job<'e>> {
        let job = self.prepare().or_else(|| self.backlog()).or_else(|| self.admit()).or_else(|| self.leave());
        self.jobs += usize::from(job.is_some());
        job
    }

    /// A job is done.
    pub fn job_done(&mut self) {
        self.jobs -= 1;
    }

    /// True when no job is under way and none will come.
    pub fn is_finished(&self) -> bool {
        self.given_up || (self.jobs == 0 && self.committing.is_empty())
    }

    /// True when so much is on its way to the disk that no more messages are opened: each holds files open.
    fn commits_are_behind(&self) -> bool {
        self.committing.len() >= MOST_CLOSING
    }

    /// True when nothing, or not the next message of some transport, can go on before what is on its way to the disk
    /// has arrived there.
    pub fn waits_for_commits(&self) -> bool {
        let held_up = |lane: &TransportQueue<'_>| {
            lane.has_room() && lane.backlog.front().is_some_and(|place| self.committing.contains(place))
        };
        !self.committing.is_empty() && (self.jobs == 0 || self.commits_are_behind() || self.queues.iter().any(held_up))
    }

    /// A thread has died: everybody goes home, and what was under way is found by the next run.
    pub fn give_up(&mut self) {
        self.stop();
        self.given_up = true;
    }

    /// Nothing new is taken up any more.
    pub fn stop(&mut self) {
        self.next = self.end;
        for lane in &mut self.queues {
            lane.backlog.clear();
        }
    }

    /// The message that was being looked at is where it belongs; if it was taken up, it counts against the limit.
    pub fn admitted(&mut self, taken_up: usize) {
        self.admitting = false;
        self.allowance = self.allowance.saturating_sub(taken_up);
    }

    /// A message was claimed and a thread is at work on it.
    pub fn check_out(&mut self, message: &Arc<ClaimedMessage<'e>>) {
        self.active.insert(message.place, ActiveMessage { message: Arc::clone(message), users: 1 });
    }

    /// A thread has done its work on a message and gives its reference back; it comes back while others are at work
    /// on the message.
    pub fn check_in(&mut self, message: Arc<ClaimedMessage<'e>>) -> Option<Arc<ClaimedMessage<'e>>> {
        let seat = self.active.get_mut(&message.place)?;
        seat.users -= 1;
        (seat.users > 0).then_some(message)
    }

    /// Puts a message into a lane's backlog, where its age puts it.
    pub fn add_to_backlog(&mut self, lane: usize, place: usize) {
        let backlog = &mut self.queues[lane].backlog;
        let at = backlog.partition_point(|other| *other < place);
        if backlog.get(at) != Some(&place) {
            backlog.insert(at, place);
        }
    }

    fn prepare(&mut self) -> Option<Job<'e>> {
        let holds = |lane: &&TransportQueue<'_>| lane.resource.is_some() || lane.ready == Readiness::Preparing;
        let names = |lane: &'_ TransportQueue<'e>| lane.transport.resource.as_ref();
        let held: Vec<&String> = self.queues.iter().filter(holds).filter_map(names).collect();
        let free =
            |lane: &TransportQueue<'_>| lane.transport.resource.as_ref().is_none_or(|name| !held.contains(&name));
        let index = self
            .queues
            .iter()
            .position(|lane| lane.ready == Readiness::Unprepared && !lane.backlog.is_empty() && free(lane))?;
        self.queues[index].ready = Readiness::Preparing;
        Some(Job::Prepare(index))
    }

    fn backlog(&mut self) -> Option<Job<'e>> {
        for index in 0..self.queues.len() {
            // A message whose results are on their way to the disk is waited for, or the order would be lost.
            let behind = self.commits_are_behind();
            let ready =
                |place: &usize| !self.committing.contains(place) && (!behind || self.active.contains_key(place));
            if self.queues[index].has_room()
                && let Some(place) = self.queues[index].backlog.pop_front_if(|place| ready(place))
            {
                self.queues[index].running += 1;
                return Some(match self.active.get_mut(&place) {
                    Some(seat) => {
                        seat.users += 1;
                        Job::HandOff(Arc::clone(&seat.message), index)
                    }
                    None => Job::Reopen(place, index),
                });
            }
        }
        None
    }

    fn admit(&mut self) -> Option<Job<'e>> {
        // Without anything under way there is nobody to wait for: what is left may still have expired.
        let useful = self.jobs == 0 || self.queues.iter().any(TransportQueue::wants_mail);
        if self.commits_are_behind() || self.admitting || self.next >= self.end || self.allowance == 0 || !useful {
            return None;
        }
        self.admitting = true;
        self.next += 1;
        Some(Job::Admit(self.next - 1))
    }

    fn leave(&mut self) -> Option<Job<'e>> {
        let all_seen = self.next >= self.end || self.allowance == 0;
        let index = self.queues.iter().position(|lane| {
            let shut = matches!(lane.ready, Readiness::No(_));
            (all_seen || shut) && lane.is_idle() && lane.holds_something() && !lane.releasing
        })?;
        self.queues[index].releasing = true;
        Some(Job::Release(index))
    }

    /// Takes out the messages that nobody is at work on or about to take up again: they go to the disk now, and
    /// whoever wants one meanwhile waits. The flag says that this run takes the message up again.
    pub fn take_idle(&mut self) -> Vec<(Arc<ClaimedMessage<'e>>, bool)> {
        let wanted =
            |place: &usize| self.queues.iter().any(|lane| lane.has_room() && lane.backlog.front() == Some(place));
        let places: Vec<usize> = self
            .active
            .iter()
            .filter(|(place, seat)| seat.users == 0 && !wanted(place))
            .map(|(place, _)| *place)
            .collect();
        let mut messages = Vec::new();
        for place in places {
            if let Some(seat) = self.active.remove(&place) {
                self.committing.insert(place);
                let again = self.queues.iter().any(|lane| lane.backlog.binary_search(&place).is_ok());
                messages.push((seat.message, again));
            }
        }
        messages
    }

    /// It has arrived there.
    pub fn committed(&mut self, place: usize) {
        self.committing.remove(&place);
    }

    /// Shuts a lane for the rest of the run; what waited for it is left.
    pub fn close_queue(&mut self, lane: usize, reason: String) -> Vec<usize> {
        self.queues[lane].ready = Readiness::No(reason);
        self.queues[lane].backlog.drain(..).collect()
    }
}
