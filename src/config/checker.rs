//! Checks of single values that several tables share, with errors that name the line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use toml::Spanned;

use crate::config::error::ConfigError;
use crate::config::locations::{ConfigLocations, absolute};
use crate::config::raw;
use crate::sys;
use crate::transports::argv::CommandTemplate;
use crate::transports::placeholder::TemplatePurpose;
use crate::values::quoting::quoted;
use crate::values::time::parse_span;

/// Checker of single values of one configuration file. Each check returns the value in its final type, or an error with
/// the value's line.
pub(super) struct ValueChecker<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) locations: &'a ConfigLocations,
}

impl ValueChecker<'_> {
    /// Builds an error for the line on which the value `at` begins.
    pub(super) fn invalid<T>(&self, at: &Spanned<T>, what: impl Into<String>) -> ConfigError {
        let line = raw::line_of(self.text, &at.span());
        ConfigError::Invalid(self.path.to_owned(), Some(line), what.into())
    }

    /// Checks a host name. The default is the name of this host.
    pub(super) fn hostname(&self, written: Option<&Spanned<String>>) -> Result<String, ConfigError> {
        self.hostname_of("hostname", written, &sys::host_name())
    }

    /// Checks the host name of a key.
    pub(super) fn hostname_of(
        &self,
        key: &str,
        written: Option<&Spanned<String>>,
        default: &str,
    ) -> Result<String, ConfigError> {
        let Some(written) = written else { return Ok(default.to_owned()) };
        let name = written.get_ref();
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !plain || name.is_empty() || name.len() > 255 {
            let shown = quoted(name);
            return Err(self.invalid(
                written,
                format!("{key} {shown} is not valid: only A-Z, a-z, 0-9, -, . and _ are allowed, at most 255"),
            ));
        }
        Ok(name.clone())
    }

    /// Parses a time span such as `15m`.
    pub(super) fn duration(
        &self,
        key: &str,
        written: Option<&Spanned<String>>,
        default: Duration,
    ) -> Result<Duration, ConfigError> {
        let Some(text) = written else { return Ok(default) };
        parse_span(text.get_ref()).map_err(|_| {
            self.invalid(
                text,
                format!("{key} {} is not a time span such as 90s, 15m, 2h, 3d or 1w", quoted(text.get_ref())),
            )
        })
    }

    /// Parses a size such as `50MiB`. Sizes are in bytes.
    pub(super) fn size(&self, key: &str, written: Option<&Spanned<String>>, default: u64) -> Result<u64, ConfigError> {
        let Some(text) = written else { return Ok(default) };
        let size = text.get_ref().parse::<ByteSize>();
        size.map(|size| size.as_u64()).map_err(|_| {
            self.invalid(text, format!("{key} {} is not a size such as 64KiB or 50MiB", quoted(text.get_ref())))
        })
    }

    /// Refuses a name that is not 1 to 32 of a-z, 0-9, - and _: names become parts of file names.
    pub(super) fn check_name<T>(&self, name: &str, what: &str, at: &Spanned<T>) -> Result<(), ConfigError> {
        let plain =
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
        if plain && (1..=32).contains(&name.len()) && !name.starts_with(['-', '_']) {
            return Ok(());
        }
        Err(self.invalid(
            at,
            format!(
                "{what} name {} is not valid: only a-z, 0-9, - and _ are allowed, at most 32, a letter or digit first",
                quoted(name)
            ),
        ))
    }

    /// Parses a command line with the placeholders that `purpose` allows.
    pub(super) fn template(
        &self,
        key: &str,
        written: Option<&Spanned<Vec<String>>>,
        purpose: TemplatePurpose,
    ) -> Result<Option<CommandTemplate>, ConfigError> {
        let Some(written) = written else { return Ok(None) };
        let template = CommandTemplate::parse(written.get_ref(), purpose);
        template.map(Some).map_err(|error| self.invalid(written, format!("{key} {error}")))
    }

    /// Returns an absolute path, with a leading `~` replaced by the home directory. Refuses an empty path and NUL.
    pub(super) fn path(&self, key: &str, written: &Spanned<String>) -> Result<PathBuf, ConfigError> {
        if written.get_ref().is_empty() || written.get_ref().contains('\0') {
            return Err(self.invalid(
                written,
                format!("{key} {} is not a path: it is empty or contains NUL", quoted(written.get_ref())),
            ));
        }
        absolute(Path::new(written.get_ref()), self.locations)
    }

    /// Returns the absolute path of a file that is named relative to the directory of the configuration file.
    pub(super) fn path_beside(&self, key: &str, written: &Spanned<String>) -> Result<PathBuf, ConfigError> {
        let path = Path::new(written.get_ref());
        match self.path.parent() {
            Some(dir) if !path.is_absolute() && !path.starts_with("~") && !written.get_ref().is_empty() => {
                absolute(&dir.join(path), self.locations)
            }
            _ => self.path(key, written),
        }
    }

    /// Checks an absolute path; `~` stands for the home directory.
    pub(super) fn absolute_path(&self, key: &str, written: &Spanned<String>) -> Result<PathBuf, ConfigError> {
        let text = written.get_ref();
        if !text.starts_with('/') && text != "~" && !text.starts_with("~/") {
            return Err(self.invalid(written, format!("{key}: {} is not an absolute path", quoted(text))));
        }
        self.path(key, written)
    }

    /// Checks a command line without placeholders: a program and its arguments.
    pub(super) fn argv(
        &self,
        key: &str,
        written: Option<&Spanned<Vec<String>>>,
    ) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(written) = written else { return Ok(None) };
        let argv = written.get_ref();
        if argv.first().is_none_or(String::is_empty) || argv.iter().any(|arg| arg.contains('\0')) {
            return Err(self.invalid(written, format!("{key} names no program")));
        }
        Ok(Some(argv.clone()))
    }

    /// Checks environment variables for a command. Names that begin with `MSPOOL_` are reserved, except
    /// `MSPOOL_CONFIG`.
    pub(super) fn environment<T>(
        &self,
        at: &Spanned<T>,
        env: &BTreeMap<String, String>,
    ) -> Result<Vec<(String, String)>, ConfigError> {
        for (name, value) in env {
            let named = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
            if !named || (name.starts_with("MSPOOL_") && name != "MSPOOL_CONFIG") {
                return Err(self.invalid(at, format!(
                        "env {} cannot be set: MSPOOL_ names are reserved; a name cannot be empty or contain =, and NUL is not allowed",
                        quoted(name)
                    )));
            }
        }
        Ok(env.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}
