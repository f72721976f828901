//! The sweep removes finished messages whose retention ended, logs without a message, and what killed runs left.

use std::collections::HashSet;
use std::time::Duration;

use crate::mail::envelope::id::QueueId;
use crate::sys::error::PathError;
use crate::values::time::Timestamp;

use crate::spool::error::SpoolError;
use crate::spool::listing::DirectoryEntry;
use crate::spool::running_time::SpoolTime;
use crate::spool::{QueueState, Spool, SpoolDirectory};

/// Minimum age in seconds of a message id before a log without its message is removed.
const ORPHAN_LOG_SECS: u64 = 24 * 3600;

/// Minimum time between sweeps in seconds.
const INTERVAL_SECS: u64 = 3600;

impl Spool {
    /// Sweeps unless any run did so within the last hour. Messages that a power failure cut short are kept as failed ones
    /// are.
    pub fn sweep_if_due(&self, time: SpoolTime, keep_failed: Duration) -> Result<(), SpoolError> {
        let now = time.now;
        let dir = self.dir(SpoolDirectory::Transports)?;
        let last = match dir.open_own("swept") {
            Ok(file) => std::io::read_to_string(file).ok().and_then(|text| text.trim().parse::<u64>().ok()),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        // A time in the future comes from a clock that was wrong, and must not prevent sweeps until then.
        if last.is_some_and(|last| (last..last.saturating_add(INTERVAL_SECS)).contains(&now.seconds())) {
            return Ok(());
        }
        self.sweep_now(time, keep_failed)?;
        // Written after the sweep: on a full disk, the sweep first makes room for it.
        Ok(dir.replace("swept", format!("{}\n", now.seconds()).as_bytes())?)
    }

    /// Sweeps now. What frees most comes first, since a full disk can end it early.
    fn sweep_now(&self, time: SpoolTime, keep_failed: Duration) -> Result<(), SpoolError> {
        self.sweep_finished(time)?;
        self.sweep_logs(time.now)?;
        self.sweep_leftovers(time.running, keep_failed)
    }

    fn sweep_finished(&self, time: SpoolTime) -> Result<(), PathError> {
        let mut over = Vec::new();
        for state in [QueueState::Sent, QueueState::Failed] {
            for entry in self.entries(state)? {
                let DirectoryEntry::Message(name) = entry? else { continue };
                if name.is_retention_over(time.now, time.running, time.clock) {
                    over.push((state, name));
                }
            }
        }
        if !over.is_empty() {
            // A power failure must not restore a message under a name that it had before.
            QueueState::WAITING.iter().try_for_each(|waiting| self.sync_state(*waiting))?;
        }
        let mut gone = Vec::new();
        for (state, name) in over {
            let (dir, text) = (self.messages(state)?, name.to_string());
            match dir.stat_name(&text)?.map(|facts| facts.links) {
                Some(1) => {
                    dir.remove_if_there(&text)?;
                    gone.push(name.id);
                }
                // A message with another name, left by a power failure, would live on under that one. The next sweep finds
                // a single name.
                Some(_) => drop(self.settle_twins(state, &name)?),
                None => {}
            }
        }
        if !gone.is_empty() {
            // The removal of the messages must be durable before their logs go: if a power failure restored a message
            // without its log, it would be delivered again.
            self.messages(QueueState::Sent)?.sync()?;
            self.messages(QueueState::Failed)?.sync()?;
        }
        gone.iter().try_for_each(|id| self.remove_log(id))
    }

    fn sweep_logs(&self, now: Timestamp) -> Result<(), PathError> {
        let old = |id: &QueueId| now.seconds().saturating_sub(id.seconds()) >= ORPHAN_LOG_SECS;
        let mut orphans: HashSet<QueueId> = self.logs()?.into_iter().filter(old).collect();
        for state in QueueState::ALL.into_iter().chain([QueueState::Received]) {
            if orphans.is_empty() {
                return Ok(());
            }
            for entry in self.entries(state)? {
                if let DirectoryEntry::Message(name) = entry? {
                    orphans.remove(&name.id);
                }
            }
        }
        if !orphans.is_empty() {
            // The removal of a message by the run that sent it must be durable before its log goes.
            [QueueState::New, QueueState::Cur, QueueState::Hold]
                .iter()
                .try_for_each(|state| self.sync_state(*state))?;
        }
        // A message can have moved from one state to another between the two listings: search for each by id before its
        // log is removed.
        for id in orphans {
            match (self.find(&id), self.find_received(&id)) {
                (Ok(None), Ok(None)) => self.remove_log(&id)?,
                // The spool is too busy to be certain, and each search takes a while: the next sweep tries again.
                (Err(SpoolError::Changing(_)), _) | (_, Err(SpoolError::Changing(_))) => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }
}
