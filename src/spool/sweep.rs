//! Removing what nobody needs any more: drafts whose writers died, finished mail whose time is up, logs of messages
//! that are gone.

use std::collections::HashSet;

use crate::mail::envelope::id::QueueId;
use crate::sys::error::{AtPath, PathError};
use crate::sys::lock;
use crate::values::time::Timestamp;

use crate::spool::listing::DirectoryEntry;
use crate::spool::names::names;
use crate::spool::{QueueState, Spool, SpoolDirectory};

/// How old a draft must be before it is taken for dead: a day and a half, as in Maildir. Its writer's lock must be
/// gone as well.
const DEAD_DRAFT: u64 = 36 * 3600;

/// How old a message must be before a log without it is removed.
const ORPHAN_LOG: u64 = 24 * 3600;

/// How often is enough.
const INTERVAL: u64 = 3600;

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepResult {
    /// Drafts.
    pub drafts: usize,
    /// Finished messages.
    pub finished: usize,
    /// Logs.
    pub logs: usize,
}

impl Spool {
    /// Sweeps if the last sweep was an hour ago or more, whoever did it.
    pub fn sweep_if_due(&self, now: Timestamp) -> Result<Option<SweepResult>, PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        let last = match dir.open_own("swept") {
            Ok(file) => std::io::read_to_string(file).ok().and_then(|text| text.trim().parse::<u64>().ok()),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
        };
        // A mark from the future comes from a clock that was wrong: it must not stop sweeping for years.
        if last.is_some_and(|last| (last..last.saturating_add(INTERVAL)).contains(&now.seconds())) {
            return Ok(None);
        }
        let swept = self.sweep_now(now)?;
        // Afterwards: a full disk has room for the mark again by then.
        dir.replace("swept", format!("{}\n", now.seconds()).as_bytes())?;
        Ok(Some(swept))
    }

    /// Removes what nobody needs any more.
    pub fn sweep_now(&self, now: Timestamp) -> Result<SweepResult, PathError> {
        let finished = self.sweep_finished(now)?;
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
            if now.seconds().saturating_sub(youngest) < DEAD_DRAFT {
                continue;
            }
            let file = match tmp.open_file(id.as_str()) {
                // Another run was quicker.
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

    fn sweep_finished(&self, now: Timestamp) -> Result<usize, PathError> {
        let mut swept = 0;
        let mut gone = Vec::new();
        for state in [QueueState::Sent, QueueState::Failed] {
            for entry in self.entries(state)? {
                let DirectoryEntry::Message(name) = entry? else { continue };
                if name.due.is_some_and(|due| due <= now) {
                    self.messages(state)?.remove_if_there(&name.to_string())?;
                    swept += 1;
                    gone.push(name.id);
                }
            }
        }
        if !gone.is_empty() {
            // A log must never go before its message: without it, the message would be as new.
            self.messages(QueueState::Sent)?.sync()?;
            self.messages(QueueState::Failed)?.sync()?;
        }
        gone.iter().try_for_each(|id| self.remove_log(id))?;
        Ok(swept)
    }

    fn sweep_logs(&self, now: Timestamp) -> Result<usize, PathError> {
        let old = |id: &QueueId| now.seconds().saturating_sub(id.seconds()) >= ORPHAN_LOG;
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
        // A message may have moved on between two of those lists: look for each by name before its log goes.
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
