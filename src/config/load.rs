//! Loading the configuration: found, trusted, read, checked.

use std::path::Path;

use crate::config::assemble::assemble;
use crate::config::error::ConfigError;
use crate::config::locations::{ConfigChoice, ConfigLocations, find};
use crate::config::raw;
use crate::settings::{Settings, SettingsSource};
use crate::sys::dir::stat_of;
use crate::sys::error::AtPath;
use crate::sys::trust;

/// Finds, reads and checks the configuration.
///
/// # Errors
/// The file that was asked for is missing or not to be trusted, or something in it is wrong.
pub fn load(choice: &ConfigChoice) -> Result<Settings, ConfigError> {
    let locations = ConfigLocations::from_env();
    let source = find(choice, &locations)?;
    let raw = match &source {
        SettingsSource::File(path) => raw::parse(path, &read(path)?)?,
        SettingsSource::BuiltIn(_) => raw::RawConfig::default(),
    };
    assemble(raw, choice, &locations, source)
}

/// Reads a file that only we or root can have written. What a link points to is judged, and so is the link's place.
fn read(path: &Path) -> Result<String, ConfigError> {
    // A pipe would be waited for: what is no file is not even opened.
    if !std::fs::metadata(path).at("open", path)?.is_file() {
        return Err(ConfigError::NotAFile(path.to_owned()));
    }
    let mut file = std::fs::File::open(path).at("open", path)?;
    let facts = stat_of(&file, path)?;
    trust::ours_or_roots(path, &facts)?;
    trust::parent_is_closed(path)??;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut file, &mut text).at("read", path)?;
    Ok(text)
}
