//! The configuration file: found, trusted, read, checked. The only home of `toml`.

mod addresses;
mod check;
mod inbound;
pub mod keys;
mod raw;
mod trouble;

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::sys;
use crate::sys::dir::facts_of;
use crate::sys::error::{At, PathError};
use crate::sys::trust;
use crate::verbs::settings::{Settings, Source};

pub use trouble::ConfigError;

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--spool`.
    pub spool: Option<PathBuf>,
}

/// Where files are looked for.
#[derive(Clone, Debug)]
pub struct Places {
    root: bool,
    home: Option<PathBuf>,
    config_home: Option<PathBuf>,
    state_home: Option<PathBuf>,
}

impl Places {
    /// From the environment; the home directory from the password file where `HOME` is not set, as under cron.
    pub fn from_env() -> Places {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Places {
            root: trust::user() == 0,
            home: absolute("HOME").or_else(sys::home_of_user).filter(|home| home.is_absolute()),
            config_home: absolute("XDG_CONFIG_HOME"),
            state_home: absolute("XDG_STATE_HOME"),
        }
    }

    /// The user's own configuration; nobody's for root.
    fn own_config(&self) -> Option<PathBuf> {
        let base = self.config_home.clone().or_else(|| Some(self.home.as_ref()?.join(".config")))?;
        (!self.root).then(|| base.join("mspool/config.toml"))
    }

    /// Where `init` writes.
    fn first_config(&self) -> PathBuf {
        self.own_config().unwrap_or_else(|| PathBuf::from(SYSTEM_CONFIG))
    }

    fn spool(&self) -> Result<PathBuf, ConfigError> {
        if self.root {
            return Ok(PathBuf::from("/var/spool/mspool"));
        }
        let base = self.state_home.clone().or_else(|| Some(self.home.as_ref()?.join(".local/state")));
        base.map(|base| base.join("mspool")).ok_or(ConfigError::NoHome)
    }
}

const SYSTEM_CONFIG: &str = "/etc/mspool/config.toml";

/// Where `init` writes: the file that was asked for, or the first one that is customary.
pub fn to_be_written(choice: &Choice) -> PathBuf {
    asked(choice).unwrap_or_else(|| Places::from_env().first_config())
}

fn asked(choice: &Choice) -> Option<PathBuf> {
    let from_env = || std::env::var_os("MSPOOL_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = choice.config.clone().or_else(from_env)?;
    Some(std::path::absolute(&path).unwrap_or(path))
}

/// Which file is read: what was asked for must be there, what is only customary need not.
fn find(choice: &Choice, places: &Places) -> Result<Source, ConfigError> {
    if let Some(path) = asked(choice) {
        return Ok(Source::File(path));
    }
    let customary = places.own_config().into_iter().chain([PathBuf::from(SYSTEM_CONFIG)]);
    for path in customary {
        match path.symlink_metadata() {
            Ok(_) => return Ok(Source::File(path)),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(PathError::new("look at", path, error).into()),
        }
    }
    Ok(Source::BuiltIn(places.first_config()))
}

/// Finds, reads and checks the configuration.
///
/// # Errors
/// The file that was asked for is missing or not to be trusted, or something in it is wrong.
pub fn load(choice: &Choice) -> Result<Settings, ConfigError> {
    let places = Places::from_env();
    let source = find(choice, &places)?;
    let raw = match &source {
        Source::File(path) => raw::parse(path, &read(path)?)?,
        Source::BuiltIn(_) => raw::Config::default(),
    };
    check::settings(raw, choice, &places, source)
}

/// Reads a file that only we or root can have written. What a link points to is judged, and so is the link's place.
fn read(path: &Path) -> Result<String, ConfigError> {
    // A pipe would be waited for: what is no file is not even opened.
    if !std::fs::metadata(path).at("open", path)?.is_file() {
        return Err(ConfigError::NotAFile(path.to_owned()));
    }
    let mut file = std::fs::File::open(path).at("open", path)?;
    let facts = facts_of(&file, path)?;
    trust::ours_or_roots(path, &facts)?;
    trust::parent_is_closed(path)??;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut file, &mut text).at("read", path)?;
    Ok(text)
}

/// The absolute path of a spool that was given somewhere, `~` filled in.
fn absolute(path: &Path, places: &Places) -> Result<PathBuf, ConfigError> {
    let path = match (path.strip_prefix("~"), &places.home) {
        (Ok(rest), Some(home)) => home.join(rest),
        (Ok(_), None) => return Err(ConfigError::NoHome),
        (Err(_), _) => path.to_owned(),
    };
    Ok(std::path::absolute(&path).at("find", &path)?)
}
