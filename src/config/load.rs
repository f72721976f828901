//! Loading of the configuration: find the file, check its permissions, parse it, check its values.

use std::path::Path;

use crate::config::assemble::assemble;
use crate::config::error::ConfigError;
use crate::config::locations::{ConfigChoice, ConfigLocations, find};
use crate::config::raw;
use crate::settings::{Settings, SettingsSource};
use crate::sys::error::AtPath;
use crate::sys::trust::Trust;

/// Finds, parses and checks the configuration file, or returns the defaults if there is none.
///
/// # Errors
///
/// The named file is missing, another user could have written it, or a value in it is invalid.
pub fn load(choice: &ConfigChoice) -> Result<Settings, ConfigError> {
    let locations = ConfigLocations::from_env();
    let source = find(choice, &locations)?;
    let trust = Trust::default();
    let raw = match &source {
        SettingsSource::File(path) => raw::parse(path, &read(&trust, path)?)?,
        SettingsSource::BuiltIn(_) => raw::RawConfig::default(),
    };
    assemble(raw, choice, &locations, source, trust)
}

/// Reads a file that only this user or root can have written. No key of the file can excuse the file itself.
fn read(trust: &Trust, path: &Path) -> Result<String, ConfigError> {
    let mut file = trust.open_file(path)?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).at("read", path)?;
    String::from_utf8(bytes)
        .map_err(|_| ConfigError::Invalid(path.to_owned(), None, "the file is not UTF-8 text".to_owned()))
}
