//! What the threads of a run share, and the jobs that see to transports.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::delivery::context::DeliveryContext;
use crate::delivery::message::ClaimedMessage;
use crate::delivery::scheduler::Scheduler;
use crate::delivery::selection::Selection;
use crate::delivery::transport_control::PreparedTransport;
use crate::delivery::transport_queue::Readiness;
use crate::exit::is_distrust;
use crate::mail::envelope::id::QueueId;
use crate::spool::listing::DueMessages;
use crate::transports::configured::refuse_untrusted;
use crate::transports::transport::Transport;

/// One run.
pub(super) struct RunState<'e> {
    pub(super) context: DeliveryContext<'e>,
    pub(super) selection: &'e Selection,
    pub(super) due: &'e DueMessages,
    pub(super) passed_over: &'e HashSet<QueueId>,
    pub(super) shared_scheduler: Mutex<Scheduler<'e>>,
    pub(super) changed: Condvar,
}

impl<'e> RunState<'e> {
    pub(super) fn scheduler(&self) -> MutexGuard<'_, Scheduler<'e>> {
        self.shared_scheduler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn report_error(&self, error: &anyhow::Error) {
        self.context.observer.error(&format!("{error:#}"));
        let mut scheduler = self.scheduler();
        if is_distrust(error) {
            scheduler.tally.untrusted += 1;
        } else {
            scheduler.tally.errors += 1;
        }
    }

    /// Judges the programs of a transport before the first of them runs. One that another user could have written
    /// keeps the transport's mail in this run, as a broken transport does.
    pub(super) fn is_trusted(&self, lane: usize) -> bool {
        if self.scheduler().queues[lane].trusted {
            return true;
        }
        let (transport, trust) = (self.transport(lane), &self.context.settings.trust);
        let judged = refuse_untrusted(&transport.commands(), trust);
        let mut scheduler = self.scheduler();
        let Err(error) = judged else {
            scheduler.queues[lane].trusted = true;
            return true;
        };
        if !matches!(scheduler.queues[lane].ready, Readiness::No(_)) {
            self.close_queue(&mut scheduler, lane, format!("{error}"));
        }
        scheduler.tally.untrusted += 1;
        drop(scheduler);
        if error.distrust().is_some_and(|distrust| trust.is_news(distrust)) {
            let text = format!("transport {} cannot be used: {error}; its mail is kept", transport.name);
            self.context.observer.error(&text);
        }
        false
    }

    pub(super) fn prepare(&self, index: usize) -> Option<Arc<ClaimedMessage<'e>>> {
        if !self.is_trusted(index) {
            return None;
        }
        let transport = self.transport(index);
        let prepared = self.context.control().prepare(transport).unwrap_or_else(|error| {
            self.report_error(&error);
            PreparedTransport {
                ready: Readiness::No(format!("{error:#}")),
                resource: None,
                connected: false,
                trouble: None,
            }
        });
        if let Some(trouble) = &prepared.trouble {
            self.context.observer.error(&format!("transport {}: {trouble}; its mail is kept", transport.name));
        }
        let mut scheduler = self.scheduler();
        let lane = &mut scheduler.queues[index];
        (lane.resource, lane.connected) = (prepared.resource, prepared.connected);
        match prepared.ready {
            Readiness::No(reason) => self.close_queue(&mut scheduler, index, reason),
            _ if lane.was_broken && transport.probe.is_none() => lane.ready = Readiness::OneTrial,
            ready => lane.ready = ready,
        }
        None
    }

    pub(super) fn release(&self, index: usize) -> Option<Arc<ClaimedMessage<'e>>> {
        let connected = self.scheduler().queues[index].connected;
        self.disconnect(self.transport(index), connected);
        self.scheduler().queues[index].released();
        None
    }

    pub(super) fn close_queue(&self, scheduler: &mut Scheduler<'e>, lane: usize, reason: String) {
        for place in scheduler.close_queue(lane, reason) {
            scheduler.tally.skipped += 1;
            scheduler.unserved.push(place);
            if let Some((_, name)) = self.due.get(place) {
                scheduler.tally.left.push(name.id);
            }
        }
    }

    pub(super) fn transport(&self, lane: usize) -> &'e Transport {
        &self.context.settings.transports[lane]
    }

    /// Runs the disconnect command of a transport; what goes wrong is told.
    pub(super) fn disconnect(&self, transport: &Transport, connected: bool) {
        match self.context.control().release(transport, connected) {
            Ok(None) => {}
            Ok(Some(trouble)) => self.context.observer.error(&trouble),
            Err(error) => self.context.observer.error(&format!("{error:#}")),
        }
    }
}
