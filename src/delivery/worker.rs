//! State that the threads of a run share, and the jobs that prepare and release transports.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::delivery::context::DeliveryContext;
use crate::delivery::message::ClaimedMessage;
use crate::delivery::plan::FailedTrials;
use crate::delivery::scheduler::Scheduler;
use crate::delivery::selection::Selection;
use crate::delivery::transport_control::PreparedTransport;
use crate::delivery::transport_queue::Readiness;
use crate::exit::is_distrust;
use crate::mail::envelope::id::QueueId;
use crate::spool::listing::DueMessages;
use crate::spool::transport_state::ResourceLock;
use crate::transports::configured::refuse_untrusted;
use crate::transports::transport::{Transport, TransportIndex};

/// Message that the threads of a run share.
pub(super) type SharedMessage<'e> = Arc<ClaimedMessage<'e>>;

/// State of one run.
pub(super) struct RunState<'e> {
    pub(super) context: DeliveryContext<'e>,
    pub(super) selection: &'e Selection,
    pub(super) due: &'e DueMessages,
    /// Messages that an earlier pass left, and that this one passes over.
    pub(super) passed_over: &'e HashSet<QueueId>,
    /// Failed trials that may end messages, as they were when the run began.
    pub(super) trials: FailedTrials,
    pub(super) shared_scheduler: Mutex<Scheduler<SharedMessage<'e>>>,
    /// Locks of the resources that transports hold.
    pub(super) resources: Mutex<HashMap<TransportIndex, ResourceLock>>,
    /// Rung when the scheduler may have a new job.
    pub(super) changed: Condvar,
}

impl<'e> RunState<'e> {
    pub(super) fn scheduler(&self) -> MutexGuard<'_, Scheduler<SharedMessage<'e>>> {
        self.shared_scheduler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resources(&self) -> MutexGuard<'_, HashMap<TransportIndex, ResourceLock>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn transport(&self, index: TransportIndex) -> &'e Transport {
        &self.context.settings.transports[index]
    }

    /// Tells of an error of the spool itself, and counts it.
    pub(super) fn report_error(&self, error: &anyhow::Error) {
        self.context.observer.error(&format!("{error:#}"));
        let mut scheduler = self.scheduler();
        if is_distrust(error) {
            scheduler.tally.untrusted += 1;
        } else {
            scheduler.tally.errors += 1;
        }
    }

    /// Judges the programs of a transport before the first of them runs. A program that another user could have written
    /// keeps the mail of the transport in this run, as a broken transport does.
    pub(super) fn is_trusted(&self, index: TransportIndex) -> bool {
        if self.scheduler().queues[index].trusted {
            return true;
        }
        let (transport, trust) = (self.transport(index), &self.context.settings.trust);
        let judged = refuse_untrusted(&transport.commands(), trust);
        let mut scheduler = self.scheduler();
        let Err(error) = judged else {
            scheduler.queues[index].trusted = true;
            return true;
        };
        if !scheduler.queues[index].is_closed() {
            self.close_queue(&mut scheduler, index, format!("{error}"));
        }
        scheduler.tally.untrusted += 1;
        drop(scheduler);
        if error.distrust().is_some_and(|distrust| trust.is_news(distrust)) {
            let text = format!("transport {} cannot be used: {error}; its mail is kept", transport.name);
            self.context.observer.error(&text);
        }
        false
    }

    /// Takes the resource of a transport, connects and probes it. One that cannot be used has its queue closed.
    pub(super) fn prepare(&self, index: TransportIndex) {
        if !self.is_trusted(index) {
            return;
        }
        let transport = self.transport(index);
        let prepared = self.context.control().prepare(transport).unwrap_or_else(|error| {
            self.report_error(&error);
            PreparedTransport {
                readiness: Readiness::No(format!("{error:#}")),
                resource: None,
                connected: false,
                trouble: None,
            }
        });
        if let Some(trouble) = &prepared.trouble {
            self.context.observer.error(&format!("transport {}: {trouble}; its mail is kept", transport.name));
        }
        let holds_resource = prepared.resource.is_some();
        if let Some(lock) = prepared.resource {
            let before = self.resources().insert(index, lock);
            debug_assert!(before.is_none(), "a transport takes its resource once");
        }
        let mut scheduler = self.scheduler();
        let queue = &mut scheduler.queues[index];
        debug_assert!(queue.readiness == Readiness::Preparing, "only a marked transport is prepared");
        (queue.holds_resource, queue.connected) = (holds_resource, prepared.connected);
        match prepared.readiness {
            Readiness::No(reason) => self.close_queue(&mut scheduler, index, reason),
            // A probe that succeeded has shown that it works; without one, one message shows it.
            _ if queue.was_broken && transport.probe.is_none() => queue.readiness = Readiness::OneTrial,
            readiness => queue.readiness = readiness,
        }
    }

    /// Disconnects a transport and gives its resource back.
    pub(super) fn release(&self, index: TransportIndex) {
        let connected = self.scheduler().queues[index].connected;
        self.disconnect(self.transport(index), connected);
        drop(self.resources().remove(&index));
        self.scheduler().queues[index].released();
    }

    /// Closes the queue of a transport for the rest of the run; what waited for it is counted as left.
    pub(super) fn close_queue(
        &self,
        scheduler: &mut Scheduler<SharedMessage<'e>>,
        transport: TransportIndex,
        reason: String,
    ) {
        for message in scheduler.close_queue(transport, reason) {
            scheduler.tally.skipped += 1;
            scheduler.unserved.push(message);
            if let Some((_, name)) = self.due.get(message) {
                scheduler.tally.left.push(name.id);
            }
        }
    }

    /// Runs the disconnect command of a transport, and tells of its failure.
    pub(super) fn disconnect(&self, transport: &Transport, connected: bool) {
        match self.context.control().release(transport, connected) {
            Ok(None) => {}
            Ok(Some(trouble)) => self.context.observer.error(&trouble),
            Err(error) => self.context.observer.error(&format!("{error:#}")),
        }
    }
}
