//! What the threads of a run share, and the jobs that see to transports.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::delivery::context::DeliveryContext;
use crate::delivery::message::ClaimedMessage;
use crate::delivery::scheduler::Scheduler;
use crate::delivery::selection::Selection;
use crate::delivery::transport_control::PreparedTransport;
use crate::delivery::transport_queue::Readiness;
use crate::mail::envelope::id::QueueId;
use crate::spool::listing::DueMessages;
use crate::transports::transport::Transport;

/// One run.
pub(super) struct RunState<'e> {
    pub(super) engine: DeliveryContext<'e>,
    pub(super) orders: &'e Selection,
    pub(super) due: &'e DueMessages,
    pub(super) passed_over: &'e HashSet<QueueId>,
    pub(super) board: Mutex<Scheduler<'e>>,
    pub(super) changed: Condvar,
}

impl<'e> RunState<'e> {
    pub(super) fn board(&self) -> MutexGuard<'_, Scheduler<'e>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn trouble(&self, error: &anyhow::Error) {
        self.engine.observer.problem(&format!("{error:#}"));
        self.board().tally.errors += 1;
    }

    pub(super) fn prepare(&self, index: usize) -> Option<Arc<ClaimedMessage<'e>>> {
        let transport = self.transport(index);
        let prepared = self.engine.keeper().prepare(transport).unwrap_or_else(|error| {
            self.trouble(&error);
            PreparedTransport {
                ready: Readiness::No(format!("{error:#}")),
                resource: None,
                connected: false,
                trouble: None,
            }
        });
        if let Some(trouble) = &prepared.trouble {
            self.engine.observer.problem(&format!("transport {}: {trouble}; its mail is kept", transport.name));
        }
        let mut board = self.board();
        let lane = &mut board.lanes[index];
        (lane.resource, lane.connected) = (prepared.resource, prepared.connected);
        match prepared.ready {
            Readiness::No(reason) => self.shut(&mut board, index, reason),
            _ if lane.broke_before && transport.probe.is_none() => lane.ready = Readiness::OneTrial,
            ready => lane.ready = ready,
        }
        None
    }

    pub(super) fn leave(&self, index: usize) -> Option<Arc<ClaimedMessage<'e>>> {
        let connected = self.board().lanes[index].connected;
        self.disconnect(self.transport(index), connected);
        self.board().lanes[index].left();
        None
    }

    pub(super) fn shut(&self, board: &mut Scheduler<'e>, lane: usize, reason: String) {
        for place in board.shut(lane, reason) {
            board.tally.skipped += 1;
            board.drained.push(place);
            if let Some((_, name)) = self.due.get(place) {
                board.tally.left.push(name.id);
            }
        }
    }

    pub(super) fn transport(&self, lane: usize) -> &'e Transport {
        &self.engine.settings.transports[lane]
    }

    /// Runs the disconnect command of a transport; what goes wrong is told.
    pub(super) fn disconnect(&self, transport: &Transport, connected: bool) {
        match self.engine.keeper().leave(transport, connected) {
            Ok(None) => {}
            Ok(Some(trouble)) => self.engine.observer.problem(&trouble),
            Err(error) => self.engine.observer.problem(&format!("{error:#}")),
        }
    }
}
