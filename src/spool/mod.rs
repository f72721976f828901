//! The spool on disk. The only module that knows its paths.
//!
//! The directory of a message file is the durable state of the message. A lock (flock) on the file means that a run is
//! working on the message. Every change of state is a method that consumes a [`claim::Claim`].

pub mod claim;
pub mod draft;
pub mod error;
pub mod file_name;
mod find;
pub mod in_place;
mod leftovers;
pub mod listing;
pub mod log;
mod names;
mod open;
pub mod program_register;
pub mod queue_file;
mod report_key;
pub mod resent;
pub mod runner;
pub mod running_time;
pub mod source_state;
pub mod spare_log;
mod state_file;
pub mod sweep;
pub mod transport_state;
mod twins;
pub mod unsynced_names;
pub mod work;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::mail::report::proof::ReportKey;
use crate::sys::dir::Dir;
use crate::sys::error::PathError;
use crate::sys::filesystem::{self, Filesystem};
use crate::sys::space::{self, FilesystemAccess, FreeSpace};
use crate::sys::trust::ownership;

use crate::spool::error::SpoolError;
use crate::spool::program_register::ProgramRegister;
use crate::spool::spare_log::SpareLogs;

/// Durable state of a message: its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueState {
    /// Queued, never attempted.
    New,
    /// Attempted; some recipient is still owed.
    Cur,
    /// Held by the operator.
    Hold,
    /// Finished: every recipient has it.
    Sent,
    /// Finished: some recipient does not have it.
    Failed,
    /// Damaged; kept for inspection.
    Corrupt,
    /// Received; not yet filed in the store.
    Received,
}

impl QueueState {
    /// States of outgoing messages, in the order in which messages move through them.
    pub const ALL: [QueueState; 6] =
        [QueueState::New, QueueState::Cur, QueueState::Hold, QueueState::Sent, QueueState::Failed, QueueState::Corrupt];

    /// States of messages that wait for delivery.
    pub const WAITING: [QueueState; 2] = [QueueState::New, QueueState::Cur];

    /// Returns the word for the state in output and JSON; for outgoing messages also the directory's name.
    pub fn word(self) -> &'static str {
        match self {
            QueueState::New => "new",
            QueueState::Cur => "cur",
            QueueState::Hold => "hold",
            QueueState::Sent => "sent",
            QueueState::Failed => "failed",
            QueueState::Corrupt => "corrupt",
            QueueState::Received => "received",
        }
    }
}

/// Directory of a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpoolDirectory {
    Tmp,
    ReceivedTmp,
    Message(QueueState),
    Log,
    Transports,
    Work,
}

const PLACES: [SpoolDirectory; 12] = [
    SpoolDirectory::Tmp,
    SpoolDirectory::ReceivedTmp,
    SpoolDirectory::Message(QueueState::Received),
    SpoolDirectory::Message(QueueState::New),
    SpoolDirectory::Message(QueueState::Cur),
    SpoolDirectory::Message(QueueState::Hold),
    SpoolDirectory::Message(QueueState::Sent),
    SpoolDirectory::Message(QueueState::Failed),
    SpoolDirectory::Message(QueueState::Corrupt),
    SpoolDirectory::Log,
    SpoolDirectory::Transports,
    SpoolDirectory::Work,
];

impl SpoolDirectory {
    fn names(self) -> (Option<&'static str>, &'static str) {
        match self {
            SpoolDirectory::Tmp => (Some("out"), "tmp"),
            SpoolDirectory::ReceivedTmp => (Some("in"), "tmp"),
            SpoolDirectory::Message(QueueState::Received) => (Some("in"), "new"),
            SpoolDirectory::Message(state) => (Some("out"), state.word()),
            SpoolDirectory::Log => (None, "log"),
            SpoolDirectory::Transports => (None, "state"),
            SpoolDirectory::Work => (None, "work"),
        }
    }
}

impl SpoolDirectory {
    /// True if the directory must exist: to replace a missing one could hide a loss of mail.
    fn is_vital(self) -> bool {
        !matches!(
            self,
            SpoolDirectory::ReceivedTmp | SpoolDirectory::Message(QueueState::Received) | SpoolDirectory::Work
        )
    }
}

/// Open spool. Directories are opened on first use.
#[derive(Debug)]
pub struct Spool {
    root: Dir,
    /// `out` and `in`, which hold most of the others.
    parents: [OnceLock<Dir>; 2],
    dirs: [OnceLock<Dir>; PLACES.len()],
    /// Key for tags, once it was read.
    report_key: OnceLock<ReportKey>,
    spare_logs: SpareLogs,
    programs: ProgramRegister,
}

impl Drop for Spool {
    /// Removes what this process keeps in the spool for itself.
    fn drop(&mut self) {
        // A directory that was never opened holds nothing of ours.
        if let Some(tmp) = self.slot(SpoolDirectory::Tmp).get() {
            self.spare_logs.remove_from(tmp);
        }
        if let Some(state) = self.slot(SpoolDirectory::Transports).get() {
            self.programs.remove_from(state);
        }
    }
}

/// Use of a filesystem that several machines can have mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpoolSharing {
    /// A spool there is refused.
    #[default]
    No,
    /// The operator says that its locks and renames can be relied on.
    Allowed,
}

impl Spool {
    fn make(&self, place: SpoolDirectory) -> Result<Dir, PathError> {
        match place.names() {
            (Some(parent), name) => self.root.make_in(parent)?.make_in(name),
            (None, name) => self.root.make_in(name),
        }
    }

    /// Returns the path of the spool.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Returns the path of the built-in Maildir.
    pub fn inbox(&self) -> PathBuf {
        self.root.path_of("inbox")
    }

    /// Returns the directory of a state, for file notifications.
    pub fn path_of_state(&self, state: QueueState) -> PathBuf {
        let (parent, name) = SpoolDirectory::Message(state).names();
        self.root.path().join(parent.unwrap_or_default()).join(name)
    }

    /// Returns the directory of the transport states, for file notifications.
    pub fn path_of_transport_states(&self) -> PathBuf {
        self.root.path_of("state")
    }

    /// Returns the kind of the filesystem that holds the spool.
    pub fn filesystem(&self) -> Result<Filesystem, PathError> {
        filesystem::of(&self.root)
    }

    /// Returns the free space of the spool's filesystem.
    pub fn room(&self) -> Result<FreeSpace, PathError> {
        space::room(&self.root)
    }

    /// Makes the names of a state's messages durable.
    pub fn sync_state(&self, state: QueueState) -> Result<(), PathError> {
        self.messages(state)?.sync()
    }

    fn messages(&self, state: QueueState) -> Result<&Dir, PathError> {
        self.dir(SpoolDirectory::Message(state))
    }

    fn dir(&self, place: SpoolDirectory) -> Result<&Dir, PathError> {
        let slot = self.slot(place);
        if let Some(dir) = slot.get() {
            return Ok(dir);
        }
        let opened = match place.names() {
            (Some(parent), name) => self.parent(parent).and_then(|parent| parent.open_in(name)),
            (None, name) => self.root.open_in(name),
        };
        let dir = match opened {
            // Spools of early versions lack the directories for received mail and filters.
            Err(error) if error.is_not_found() && !place.is_vital() => self.make(place)?,
            dir => dir?,
        };
        Ok(slot.get_or_init(|| dir))
    }

    fn slot(&self, place: SpoolDirectory) -> &OnceLock<Dir> {
        &self.dirs[PLACES.iter().position(|known| *known == place).unwrap_or_default()]
    }

    /// Opens `out` or `in`, of which neither may be a link: the kernel would follow it on the way to what is inside.
    fn parent(&self, name: &str) -> Result<&Dir, PathError> {
        let slot = &self.parents[usize::from(name == "in")];
        match slot.get() {
            Some(dir) => Ok(dir),
            None => {
                let dir = self.root.open_in(name)?;
                Ok(slot.get_or_init(|| dir))
            }
        }
    }

    /// Checks the directories: each exists, belongs to this user alone, and is on the spool's filesystem, without which
    /// a rename is not atomic. `open` does not do so, to keep `enqueue` fast.
    pub fn verify(&self) -> Result<(), SpoolError> {
        let root = self.root.stat()?;
        for place in PLACES {
            let dir = self.dir(place)?;
            let facts = dir.stat()?;
            ownership::ours(dir.path(), &facts)?;
            if facts.device != root.device {
                return Err(SpoolError::OtherFilesystem(dir.path().to_owned()));
            }
            if space::room(dir)?.access == FilesystemAccess::ReadOnly {
                return Err(SpoolError::ReadOnly(dir.path().to_owned()));
            }
        }
        Ok(())
    }
}
