//! Directories for preprocessing: where filters put what they make of a message, for as long as it is handed over.

use std::path::{Path, PathBuf};

use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::sys::error::{AtPath, PathError};
use crate::values::table::TableIndex;
use crate::values::time::Timestamp;

use crate::spool::{Spool, SpoolDirectory};

/// How old a directory must be before it is taken for left over; no hand-off takes so long.
const DEAD: u64 = 36 * 3600;

/// An empty directory. Dropping it removes it with everything in it.
#[derive(Debug)]
pub struct WorkDir(PathBuf);

impl WorkDir {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What cannot be removed now is found by the sweep.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Spool {
    /// A directory for handing a message to a transport, for the recipient at this place and maybe others. Only for
    /// whoever has claimed the message: what a run that died left there is removed.
    pub fn work(&self, id: &QueueId, transport: &str, recipient: RecipientIndex) -> Result<WorkDir, PathError> {
        let dir = self.dir(SpoolDirectory::Work)?;
        let name = format!("{id}.{transport}.{}", recipient.position());
        let path = dir.path_of(&name);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(PathError::new("remove", path, error));
            }
            _ => {}
        }
        dir.make_in(&name)?;
        Ok(WorkDir(path))
    }

    /// Removes directories that no run can be using any more.
    pub(super) fn sweep_work(&self, now: Timestamp) -> Result<(), PathError> {
        let dir = self.dir(SpoolDirectory::Work)?;
        for name in crate::spool::names::names(dir.path())? {
            let Some(name) = name.to_str() else { continue };
            let id = name.rsplitn(3, '.').nth(2).and_then(|id| QueueId::parse(id).ok());
            let facts = dir.stat_name(name)?.filter(|facts| facts.directory);
            let (Some(_), Some(facts)) = (id, facts) else { continue };
            if now.seconds().saturating_sub(facts.modified.max(0) as u64) >= DEAD {
                std::fs::remove_dir_all(dir.path_of(name)).at("remove", dir.path_of(name))?;
            }
        }
        Ok(())
    }
}
