//! State files: small JSON files that persist between runs. One run at a time changes a file, by replacing it as a
//! whole, so that a crash leaves the old or the new content.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys::error::AtPath;
use crate::sys::file_stat::stat_of;
use crate::sys::lock;
use crate::sys::trust::ownership;

use crate::spool::error::SpoolError;
use crate::spool::{Spool, SpoolDirectory};

impl Spool {
    /// Reads a state file; the default if it does not exist.
    pub(super) fn state_file<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, SpoolError> {
        use std::io::Read;
        let dir = self.dir(SpoolDirectory::Transports)?;
        let mut file = match dir.open_own(name) {
            Err(error) if error.is_not_found() => return Ok(T::default()),
            file => file?,
        };
        let path = dir.path_of(name);
        ownership::ours(&path, &stat_of(&file, &path)?)?;
        let mut text = String::new();
        file.read_to_string(&mut text).at("read", &path)?;
        serde_json::from_str(&text).map_err(|error| {
            SpoolError::Content(path, format!("not a valid state file ({error}); remove it to reset this state"))
        })
    }

    /// Changes a state file under a lock. An unchanged value is not written.
    pub(super) fn change_state_file<T>(&self, name: &str, change: impl FnOnce(&mut T)) -> Result<(), SpoolError>
    where
        T: Serialize + DeserializeOwned + Default + Clone + PartialEq,
    {
        let dir = self.dir(SpoolDirectory::Transports)?;
        let guard = dir.open_or_create_own("lock")?;
        lock::exclusive(&guard).at("lock", dir.path_of("lock"))?;
        let before: T = self.state_file(name)?;
        let mut state = before.clone();
        change(&mut state);
        if state == before {
            return Ok(());
        }
        debug_assert!(!name.starts_with('.') && !name.contains('/'), "{name} is the name of a state file");
        let text = serde_json::to_vec(&state).map_err(std::io::Error::from).at("write", dir.path_of(name))?;
        Ok(dir.replace(name, &text)?)
    }
}
