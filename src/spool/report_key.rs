//! Key of the spool for the tags that prove reports. It is made when it is first needed, and never changes.

use serde::{Deserialize, Serialize};

use crate::mail::report::proof::ReportKey;
use crate::sys;
use crate::sys::error::AtPath;
use crate::values::digest::SecretKey;

use crate::spool::Spool;
use crate::spool::error::SpoolError;

const FILE: &str = "report-key";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct KeyFile {
    key: Option<SecretKey>,
}

impl Spool {
    /// Returns why the key cannot be used, without making one.
    pub fn report_key_problem(&self) -> Option<SpoolError> {
        self.state_file::<KeyFile>(FILE).err()
    }

    /// Returns the key for tags, and makes it if there is none. It is durable before the first tag is made: a tag of a lost
    /// key would prove nothing later.
    pub fn report_key(&self) -> Result<&ReportKey, SpoolError> {
        if let Some(key) = self.report_key.get() {
            return Ok(key);
        }
        let mut known = self.state_file::<KeyFile>(FILE)?.key;
        if known.is_none() {
            let made = sys::random_bytes().at("get random bytes for", self.path().join("state").join(FILE))?;
            // Another process may make one at the same time. The lock of the file makes the first one the key of both.
            self.change_state_file::<KeyFile>(FILE, |file| {
                known = Some(file.key.get_or_insert_with(|| SecretKey::from_bytes(made)).clone());
            })?;
        }
        match known {
            Some(key) => Ok(self.report_key.get_or_init(|| ReportKey::new(key))),
            None => Err(SpoolError::Content(self.path().join("state").join(FILE), "has no key".to_owned())),
        }
    }
}
