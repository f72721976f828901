//! Loading of the configuration: find the file, check its permissions, parse it, check its values.

use std::path::Path;

use crate::config::assemble::assemble;
use crate::config::error::ConfigError;
use crate::config::locations::{ConfigChoice, ConfigLocations, find};
use crate::config::raw;
use crate::settings::{Settings, SettingsSource};
use crate::sys::dir::stat_of;
use crate::sys::error::AtPath;
use crate::sys::trust;

/// Finds, parses and checks the configuration file, or returns the defaults if there is none.
///
/// # Errors
///
/// The named file is missing, another user could have written it, or a value in it is invalid.
pub fn load(choice: &ConfigChoice) -> Result<Settings, ConfigError> {
    let locations = ConfigLocations::from_env();
    let source = find(choice, &locations)?;
    let raw = match &source {
        SettingsSource::File(path) => raw::parse(path, &read(path)?)?,
        SettingsSource::BuiltIn(_) => raw::RawConfig::default(),
    };
    assemble(raw, choice, &locations, source)
}

/// Reads a file that only this user or root can have written. Checks the target of a symbolic link and the directory
/// that contains the link: write access to either is enough to replace the configuration.
fn read(path: &Path) -> Result<String, ConfigError> {
    // Opening a FIFO would block, so the type is checked before the file is opened.
    if !std::fs::metadata(path).at("open", path)?.is_file() {
        return Err(ConfigError::NotAFile(path.to_owned()));
    }
    let mut file = std::fs::File::open(path).at("open", path)?;
    let stat = stat_of(&file, path)?;
    trust::ours_or_roots(path, &stat)?;
    trust::parent_is_closed(path)??;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).at("read", path)?;
    String::from_utf8(bytes)
        .map_err(|_| ConfigError::Invalid(path.to_owned(), None, "the file is not UTF-8 text".to_owned()))
}
