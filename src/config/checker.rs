//! Checking single values: the forms that several tables share, and errors that name the line.

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

pub(super) struct ValueChecker<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) locations: &'a ConfigLocations,
}

impl ValueChecker<'_> {
    pub(super) fn invalid<T>(&self, at: &Spanned<T>, what: impl Into<String>) -> ConfigError {
        let line = raw::line_of(self.text, at.span().start);
        ConfigError::Invalid(self.path.to_owned(), Some(line), what.into())
    }

    pub(super) fn hostname(&self, written: Option<&Spanned<String>>) -> Result<String, ConfigError> {
        let Some(written) = written else { return Ok(sys::host_name()) };
        let name = written.get_ref();
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !plain || name.is_empty() || name.len() > 255 {
            return Err(self.invalid(written, "hostname is not the name of a host"));
        }
        Ok(name.clone())
    }

    pub(super) fn duration(
        &self,
        key: &str,
        written: Option<&Spanned<String>>,
        default: Duration,
    ) -> Result<Duration, ConfigError> {
        let Some(text) = written else { return Ok(default) };
        parse_span(text.get_ref())
            .map_err(|_| self.invalid(text, format!("{key} is no span of time such as 90s, 15m, 2h, 3d or 1w")))
    }

    pub(super) fn size(&self, key: &str, written: Option<&Spanned<String>>, default: u64) -> Result<u64, ConfigError> {
        let Some(text) = written else { return Ok(default) };
        let size = text.get_ref().parse::<ByteSize>();
        size.map(|size| size.as_u64())
            .map_err(|_| self.invalid(text, format!("{key} is no size such as 64KiB or 50MiB")))
    }

    /// Names become parts of file names.
    pub(super) fn check_name<T>(&self, name: &str, what: &str, at: &Spanned<T>) -> Result<(), ConfigError> {
        let plain =
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
        if plain && (1..=32).contains(&name.len()) && !name.starts_with(['-', '_']) {
            return Ok(());
        }
        Err(self.invalid(
            at,
            format!(
                "{what} name {}: only a-z, 0-9, - and _ are allowed, at most 32, a letter or digit first",
                quoted(name)
            ),
        ))
    }

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

    pub(super) fn path(&self, key: &str, written: &Spanned<String>) -> Result<PathBuf, ConfigError> {
        if written.get_ref().is_empty() || written.get_ref().contains('\0') {
            return Err(self.invalid(written, format!("{key} is no path")));
        }
        absolute(Path::new(written.get_ref()), self.locations)
    }

    pub(super) fn absolute_path(&self, key: &str, written: &Spanned<String>) -> Result<PathBuf, ConfigError> {
        let text = written.get_ref();
        if !text.starts_with('/') && text != "~" && !text.starts_with("~/") {
            return Err(self.invalid(written, format!("{key}: {} is not an absolute path", quoted(text))));
        }
        self.path(key, written)
    }

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

    pub(super) fn environment<T>(
        &self,
        at: &Spanned<T>,
        env: &BTreeMap<String, String>,
    ) -> Result<Vec<(String, String)>, ConfigError> {
        for (name, value) in env {
            let named = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
            if !named || (name.starts_with("MSPOOL_") && name != "MSPOOL_CONFIG") {
                return Err(self.invalid(at, format!("env: {} cannot be set", quoted(name))));
            }
        }
        Ok(env.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}
