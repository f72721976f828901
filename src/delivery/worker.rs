//! What the threads of a run share, and the jobs that see to transports.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::delivery::context::Engine;
use crate::delivery::message::OpenMessage;
use crate::delivery::scheduler::Board;
use crate::delivery::selection::Orders;
use crate::delivery::transport_control::Prepared;
use crate::delivery::transport_queue::Ready;
use crate::mail::envelope::id::QueueId;
use crate::spool::listing::Due;
use crate::transports::transport::Transport;

/// One run.
pub(super) struct Run<'e> {
    pub(super) engine: Engine<'e>,
    pub(super) orders: &'e Orders,
    pub(super) due: &'e Due,
    pub(super) passed_over: &'e HashSet<QueueId>,
    pub(super) board: Mutex<Board<'e>>,
    pub(super) changed: Condvar,
}

impl<'e> Run<'e> {
    pub(super) fn board(&self) -> MutexGuard<'_, Board<'e>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn trouble(&self, error: &anyhow::Error) {
        self.engine.observer.problem(&format!("{error:#}"));
        self.board().tally.errors += 1;
    }

    pub(super) fn prepare(&self, index: usize) -> Option<Arc<OpenMessage<'e>>> {
        let transport = self.transport(index);
        let prepared = self.engine.keeper().prepare(transport).unwrap_or_else(|error| {
            self.trouble(&error);
            Prepared { ready: Ready::No(format!("{error:#}")), resource: None, connected: false, trouble: None }
        });
        if let Some(trouble) = &prepared.trouble {
            self.engine.observer.problem(&format!("transport {}: {trouble}; its mail is kept", transport.name));
        }
        let mut board = self.board();
        let lane = &mut board.lanes[index];
        (lane.resource, lane.connected) = (prepared.resource, prepared.connected);
        match prepared.ready {
            Ready::No(reason) => self.shut(&mut board, index, reason),
            _ if lane.broke_before && transport.probe.is_none() => lane.ready = Ready::OneTrial,
            ready => lane.ready = ready,
        }
        None
    }

    pub(super) fn leave(&self, index: usize) -> Option<Arc<OpenMessage<'e>>> {
        let connected = self.board().lanes[index].connected;
        self.disconnect(self.transport(index), connected);
        self.board().lanes[index].left();
        None
    }

    pub(super) fn shut(&self, board: &mut Board<'e>, lane: usize, reason: String) {
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
