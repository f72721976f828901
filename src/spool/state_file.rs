//! Small files of what is known between runs: JSON, changed by one run at a time, replaced as a whole.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys::error::AtPath;
use crate::sys::file_stat::stat_of;
use crate::sys::lock;
use crate::sys::trust::ownership;

use crate::spool::error::SpoolError;
use crate::spool::{Spool, SpoolDirectory};

impl Spool {
    /// What such a file holds; the default where there is none.
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
            SpoolError::Content(
                path,
                format!("does not hold what it should ({error}); removing it forgets what was known"),
            )
        })
    }

    /// Changes such a file. What stays the same is not written.
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
        let text = serde_json::to_vec(&state).map_err(std::io::Error::from).at("write", dir.path_of(name))?;
        Ok(dir.replace(name, &text)?)
    }
}
