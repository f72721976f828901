//! Messages of a state, read from file names alone.
//!
//! File names contain the due time and the priority. A pass over 100,000 messages costs one `readdir` and opens no
//! file.

use std::ffi::OsString;
use std::time::Duration;

use crate::spool::file_name::FileName;
use crate::sys::error::PathError;
use crate::values::table::TableIndex;
use crate::values::time::Timestamp;

use crate::spool::names::walk;
use crate::spool::{QueueState, Spool};

/// Name in a directory of messages.
#[derive(Debug)]
pub enum DirectoryEntry {
    /// Name of a message.
    Message(FileName),
    /// Any other name; mspool did not create it.
    Stray(OsString),
}

impl Spool {
    /// Returns every name in a state's directory, unordered.
    pub fn entries(
        &self,
        state: QueueState,
    ) -> Result<impl Iterator<Item = Result<DirectoryEntry, PathError>>, PathError> {
        let path = self.messages(state)?.path();
        Ok(walk(path).map(|name| {
            let name = name?;
            let parsed = name.to_str().and_then(FileName::parse);
            Ok(parsed.map_or_else(|| DirectoryEntry::Stray(name), DirectoryEntry::Message))
        }))
    }

    /// Returns the messages of a state, oldest first.
    pub fn messages_in_order(&self, state: QueueState) -> Result<Vec<FileName>, PathError> {
        let mut found = Vec::new();
        for entry in self.entries(state)? {
            if let DirectoryEntry::Message(name) = entry? {
                found.push((name.id.micros(), name));
            }
        }
        found.sort_unstable_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
        Ok(found.into_iter().map(|(_, name)| name).collect())
    }

    /// Lists the queued messages that are due at `now`. `stray` gets every name that is not a message.
    ///
    /// A time further ahead than it can have been set comes from a clock that was wrong, and makes the message due: for an
    /// attempted message, more than `longest_wait`; for another one, whose sender may have delayed it for years, an
    /// arrival in the future.
    pub fn due_messages(
        &self,
        now: Timestamp,
        longest_wait: Duration,
        mut stray: impl FnMut(QueueState, OsString),
    ) -> Result<DueMessages, PathError> {
        let mut due = DueMessages::default();
        for state in [QueueState::New, QueueState::Cur] {
            for entry in self.entries(state)? {
                match entry? {
                    DirectoryEntry::Message(name) if is_due(state, &name, now, longest_wait) => due.push(state, &name),
                    DirectoryEntry::Message(name) => due.add_later(name.due),
                    DirectoryEntry::Stray(name) => stray(state, name),
                }
            }
        }
        due.sort();
        Ok(due)
    }
}

fn is_due(state: QueueState, name: &FileName, now: Timestamp, longest_wait: Duration) -> bool {
    let Some(due) = name.due else { return true };
    let is_from_wrong_clock = match state {
        QueueState::New => name.id.seconds() > now.after(TOLERATED_ARRIVAL).seconds(),
        _ => due > now.after(longest_wait),
    };
    due <= now || is_from_wrong_clock
}

/// Time that an arrival may be ahead of the clock: two hosts or two clocks of one machine may differ a little.
const TOLERATED_ARRIVAL: Duration = Duration::from_secs(86_400);

crate::index_type! {
    /// Position of a message among the due messages of a run, counted from 0.
    MessageIndex
}

/// Due messages, ordered by priority, then by arrival. All names share one buffer, so that a long queue needs little
/// more memory than its names.
#[derive(Debug, Default)]
pub struct DueMessages {
    text: String,
    order: Vec<(u32, u16, QueueState)>,
    later: usize,
    next: Option<Timestamp>,
}

impl DueMessages {
    fn push(&mut self, state: QueueState, name: &FileName) {
        let text = name.to_string();
        debug_assert!(text.len() <= 255, "{text} is a file name");
        debug_assert!(matches!(state, QueueState::New | QueueState::Cur), "only queued messages are due");
        // The buffer holds at most 4 GiB of names; later passes list the rest.
        let Ok(start) = u32::try_from(self.text.len()) else { return };
        self.order.push((start, text.len() as u16, state));
        self.text.push_str(&text);
    }

    fn add_later(&mut self, due: Option<Timestamp>) {
        self.later += 1;
        self.next = [self.next, due].into_iter().flatten().min();
    }

    fn sort(&mut self) {
        let text = &self.text;
        let key = |(start, len, _): &(u32, u16, QueueState)| {
            let name = &text[*start as usize..*start as usize + *len as usize];
            let (id, marks) = name.split_once(',').unwrap_or((name, ""));
            let turn = match marks.get(..3) {
                Some("P=u") => 0,
                Some("P=n") => 2,
                _ => 1,
            };
            (turn, id)
        };
        self.order.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        debug_assert!(self.order.is_sorted_by_key(key), "due messages are in the order of their turns");
    }

    /// Returns the number of due messages.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// True if no message is due.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the number of queued messages that are not due yet.
    pub fn later(&self) -> usize {
        self.later
    }

    /// Returns the earliest due time of those messages.
    pub fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Returns the message at this index of the order.
    pub fn get(&self, index: MessageIndex) -> Option<(QueueState, FileName)> {
        let (start, len, state) = *self.order.get(index.position())?;
        let name = FileName::parse(&self.text[start as usize..start as usize + len as usize])?;
        Some((state, name))
    }

    /// Creates a list of these messages, in the given order.
    pub fn of(messages: impl IntoIterator<Item = (QueueState, FileName)>) -> DueMessages {
        let mut due = DueMessages::default();
        for (state, name) in messages {
            due.push(state, &name);
        }
        due
    }
}
