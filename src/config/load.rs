//! Loading the configuration: found, trusted, read, checked.

use std::path::Path;

use crate::config::assemble::assemble;
use crate::config::error::ConfigError;
use crate::config::locations::{ConfigChoice, ConfigLocations, find};
use crate::config::raw;
use crate::settings::{Settings, SettingsSource};
use crate::sys::error::AtPath;
use crate::sys::trust::Trust;

/// Finds, reads and checks the configuration.
///
/// # Errors
/// The file that was asked for is missing or not to be trusted, or something in it is wrong.
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

/// Reads a file that only we or root can have written. No key of the file can excuse the file itself.
fn read(trust: &Trust, path: &Path) -> Result<String, ConfigError> {
    let mut file = trust.open_file(path)?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut file, &mut text).at("read", path)?;
    Ok(text)
}
