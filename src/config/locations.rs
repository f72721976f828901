//! Where the configuration and the spool are looked for.

use std::path::{Path, PathBuf};

use crate::config::error::ConfigError;
use crate::settings::SettingsSource;
use crate::sys;
use crate::sys::error::{AtPath, PathError};
use crate::sys::identity;

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct ConfigChoice {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--spool`.
    pub spool: Option<PathBuf>,
}

/// Where files are looked for.
#[derive(Clone, Debug)]
pub struct ConfigLocations {
    pub(super) root: bool,
    pub(super) home: Option<PathBuf>,
    config_home: Option<PathBuf>,
    state_home: Option<PathBuf>,
}

impl ConfigLocations {
    /// From the environment; the home directory from the password file where `HOME` is not set, as under cron.
    pub fn from_env() -> ConfigLocations {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        ConfigLocations {
            root: identity::user() == 0,
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

    pub(super) fn spool(&self) -> Result<PathBuf, ConfigError> {
        if self.root {
            return Ok(PathBuf::from("/var/spool/mspool"));
        }
        let base = self.state_home.clone().or_else(|| Some(self.home.as_ref()?.join(".local/state")));
        base.map(|base| base.join("mspool")).ok_or(ConfigError::NoHome)
    }
}

const SYSTEM_CONFIG: &str = "/etc/mspool/config.toml";

/// Where `init` writes: the file that was asked for, or the first one that is customary.
pub fn init_target(choice: &ConfigChoice) -> PathBuf {
    asked(choice).unwrap_or_else(|| ConfigLocations::from_env().first_config())
}

fn asked(choice: &ConfigChoice) -> Option<PathBuf> {
    let from_env = || std::env::var_os("MSPOOL_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = choice.config.clone().or_else(from_env)?;
    Some(std::path::absolute(&path).unwrap_or(path))
}

/// Which file is read: what was asked for must be there, what is only customary need not.
pub(super) fn find(choice: &ConfigChoice, locations: &ConfigLocations) -> Result<SettingsSource, ConfigError> {
    if let Some(path) = asked(choice) {
        return Ok(SettingsSource::File(path));
    }
    let customary = locations.own_config().into_iter().chain([PathBuf::from(SYSTEM_CONFIG)]);
    for path in customary {
        match path.symlink_metadata() {
            Ok(_) => return Ok(SettingsSource::File(path)),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(PathError::new("look at", path, error).into()),
        }
    }
    Ok(SettingsSource::BuiltIn(locations.first_config()))
}

/// The absolute path of a spool that was given somewhere, `~` filled in.
pub(super) fn absolute(path: &Path, locations: &ConfigLocations) -> Result<PathBuf, ConfigError> {
    let path = match (path.strip_prefix("~"), &locations.home) {
        (Ok(rest), Some(home)) => home.join(rest),
        (Ok(_), None) => return Err(ConfigError::NoHome),
        (Err(_), _) => path.to_owned(),
    };
    Ok(std::path::absolute(&path).at("find", &path)?)
}
