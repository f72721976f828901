//! Default paths of the configuration file and the spool.

use std::path::{Path, PathBuf};

use crate::config::error::ConfigError;
use crate::settings::SettingsSource;
use crate::sys;
use crate::sys::error::{AtPath, PathError};
use crate::sys::identity;

/// Paths given on the command line.
#[derive(Clone, Debug, Default)]
pub struct ConfigChoice {
    /// Value of `--config`, the configuration file.
    pub config: Option<PathBuf>,
    /// Value of `--spool`, the spool directory.
    pub spool: Option<PathBuf>,
}

/// Directories that the default paths are built from.
#[derive(Clone, Debug)]
pub struct ConfigLocations {
    pub(super) root: bool,
    pub(super) home: Option<PathBuf>,
    config_home: Option<PathBuf>,
    state_home: Option<PathBuf>,
}

impl ConfigLocations {
    /// Reads the environment. The home directory comes from the password database if `HOME` is not set, as under cron.
    pub fn from_env() -> ConfigLocations {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        ConfigLocations {
            root: identity::user() == 0,
            home: absolute("HOME").or_else(sys::home_of_user).filter(|home| home.is_absolute()),
            config_home: absolute("XDG_CONFIG_HOME"),
            state_home: absolute("XDG_STATE_HOME"),
        }
    }

    /// Returns the personal configuration file; `None` for root, who has only the system-wide one.
    fn own_config(&self) -> Option<PathBuf> {
        let base = self.config_home.clone().or_else(|| Some(self.home.as_ref()?.join(".config")))?;
        (!self.root).then(|| base.join("mspool/config.toml"))
    }

    /// Returns the default path for a new configuration file.
    fn first_config(&self) -> PathBuf {
        self.own_config().unwrap_or_else(|| PathBuf::from(SYSTEM_CONFIG))
    }

    /// Returns the default spool directory. Fails if there is no home directory.
    pub(super) fn spool(&self) -> Result<PathBuf, ConfigError> {
        if self.root {
            return Ok(PathBuf::from("/var/spool/mspool"));
        }
        let base = self.state_home.clone().or_else(|| Some(self.home.as_ref()?.join(".local/state")));
        base.map(|base| base.join("mspool")).ok_or(ConfigError::NoHome)
    }
}

const SYSTEM_CONFIG: &str = "/etc/mspool/config.toml";

/// Returns the file that `init` writes: the one named by the user, or the default path.
pub fn init_target(choice: &ConfigChoice) -> PathBuf {
    chosen(choice).unwrap_or_else(|| ConfigLocations::from_env().first_config())
}

fn chosen(choice: &ConfigChoice) -> Option<PathBuf> {
    let from_env = || std::env::var_os("MSPOOL_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = choice.config.clone().or_else(from_env)?;
    Some(std::path::absolute(&path).unwrap_or(path))
}

/// Returns the configuration file to read. A named file must exist; the default ones need not.
pub(super) fn find(choice: &ConfigChoice, locations: &ConfigLocations) -> Result<SettingsSource, ConfigError> {
    if let Some(path) = chosen(choice) {
        return Ok(SettingsSource::File(path));
    }
    let defaults = locations.own_config().into_iter().chain([PathBuf::from(SYSTEM_CONFIG)]);
    for path in defaults {
        match path.symlink_metadata() {
            Ok(_) => return Ok(SettingsSource::File(path)),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(PathError::new("access", path, error).into()),
        }
    }
    Ok(SettingsSource::BuiltIn(locations.first_config()))
}

/// Returns the absolute path, with a leading `~` replaced by the home directory.
pub(super) fn absolute(path: &Path, locations: &ConfigLocations) -> Result<PathBuf, ConfigError> {
    let path = match (path.strip_prefix("~"), &locations.home) {
        (Ok(rest), Some(home)) => home.join(rest),
        (Ok(_), None) => return Err(ConfigError::NoHome),
        (Err(_), _) => path.to_owned(),
    };
    Ok(std::path::absolute(&path).at("resolve", &path)?)
}
