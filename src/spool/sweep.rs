//! The sweep removes drafts whose writers died, finished messages whose retention ended, logs without a message, and
//! abandoned directories of filters.

use std::collections::HashSet;

use crate::mail::envelope::id::QueueId;
use crate::sys::error::{AtPath, PathError};
use crate::sys::lock;
use crate::values::time::Timestamp;

use crate::spool::listing::DirectoryEntry;
use crate::spool::names::names;
use crate::spool::running_time::SpoolTime;
use crate::spool::{QueueState, Spool, SpoolDirectory};

/// Minimum age of an abandoned draft in seconds: 36 hours, as in Maildir. Its writer's lock must be gone as well.
const ABANDONED_DRAFT_SECS: u64 = 36 * 3600;

/// Minimum age in seconds of a message id before a log without its message is removed.
const ORPHAN_LOG_SECS: u64 = 24 * 3600;

/// Minimum time between sweeps in seconds.
const INTERVAL_SECS: u64 = 3600;

/// Counts of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepResult {
    /// Number of removed drafts.
    pub drafts: usize,
    /// Number of removed finished messages.
    pub finished: usize,
    /// Number of removed logs without a message.
    pub logs: usize,
}

impl Spool {
    /// Sweeps unless any run did so within the last hour; then `None`.
    pub fn sweep_if_due(&self, time: SpoolTime) -> Result<Option<SweepResult>, PathError> {
        let now = time.now;
        let dir = self.dir(SpoolDirectory::Transports)?;
        let last = match dir.open_own("swept") {
            Ok(file) => std::io::read_to_string(file).ok().and_then(|text| text.trim().parse::<u64>().ok()),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        // A time in the future comes from a clock that was wrong, and must not prevent sweeps until then.
        if last.is_some_and(|last| (last..last.saturating_add(INTERVAL_SECS)).contains(&now.seconds())) {
            return Ok(None);
        }
        let swept = self.sweep_now(time)?;
        // Written after the sweep: on a full disk, the sweep first makes room for it.
        dir.replace("swept", format!("{}\n", now.seconds()).as_bytes())?;
        Ok(Some(swept))
    }

    /// Sweeps now.
    pub fn sweep_now(&self, time: SpoolTime) -> Result<SweepResult, PathError> {
        let now = time.now;
        let finished = self.sweep_finished(time)?;
        self.sweep_work(now)?;
        Ok(SweepResult { drafts: self.sweep_drafts(now)?, finished, logs: self.sweep_logs(now)? })
    }

    fn sweep_drafts(&self, now: Timestamp) -> Result<usize, PathError> {
        Ok(self.sweep_drafts_in(SpoolDirectory::Tmp, now)? + self.sweep_drafts_in(SpoolDirectory::ReceivedTmp, now)?)
    }

    fn sweep_drafts_in(&self, place: SpoolDirectory, now: Timestamp) -> Result<usize, PathError> {
        let tmp = self.dir(place)?;
        let mut swept = 0;
        for name in names(tmp.path())? {
            let Some(id) = name.to_str().and_then(|name| QueueId::parse(name).ok()) else { continue };
            let Some(facts) = tmp.stat_name(id.as_str())?.filter(|facts| facts.regular) else { continue };
            let youngest = id.seconds().max(facts.modified.max(0) as u64);
            if now.seconds().saturating_sub(youngest) < ABANDONED_DRAFT_SECS {
                continue;
            }
            let file = match tmp.open_file(id.as_str()) {
                // Another run removed it.
                Err(error) if error.is_not_found() => continue,
                file => file?,
            };
            if lock::try_exclusive(&file).at("lock", tmp.path_of(id.as_str()))? {
                tmp.remove_if_there(id.as_str())?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn sweep_finished(&self, time: SpoolTime) -> Result<usize, PathError> {
        let mut swept = 0;
        let mut gone = Vec::new();
        for state in [QueueState::Sent, QueueState::Failed] {
            for entry in self.entries(state)? {
                let DirectoryEntry::Message(name) = entry? else { continue };
                if name.is_retention_over(time.now, time.running, time.clock) {
                    self.messages(state)?.remove_if_there(&name.to_string())?;
                    swept += 1;
                    gone.push(name.id);
                }
            }
        }
        if !gone.is_empty() {
            // The removal of the messages must be durable before their logs go: if a power failure restored a message
            // without its log, it would be delivered again.
            self.messages(QueueState::Sent)?.sync()?;
            self.messages(QueueState::Failed)?.sync()?;
        }
        gone.iter().try_for_each(|id| self.remove_log(id))?;
        Ok(swept)
    }

    fn sweep_logs(&self, now: Timestamp) -> Result<usize, PathError> {
        let old = |id: &QueueId| now.seconds().saturating_sub(id.seconds()) >= ORPHAN_LOG_SECS;
        let mut orphans: HashSet<QueueId> = self.logs()?.into_iter().filter(old).collect();
        for state in QueueState::ALL.into_iter().chain([QueueState::Received]) {
            if orphans.is_empty() {
                return Ok(0);
            }
            for entry in self.entries(state)? {
                if let DirectoryEntry::Message(name) = entry? {
                    orphans.remove(&name.id);
                }
            }
        }
        // A message can have moved from one state to another between the two listings: search for each by id before its
        // log is removed.
        let mut swept = 0;
        for id in orphans {
            if !matches!((self.find(&id), self.find_received(&id)), (Ok(None), Ok(None))) {
                continue;
            }
            self.remove_log(&id)?;
            swept += 1;
        }
        Ok(swept)
    }
}
