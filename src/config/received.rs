//! Configuration of received mail: store, sources, hooks, folders and notifications.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use crate::config::checker::ValueChecker;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::mail::address::Address;
use crate::mail::address::pattern::AddressPattern;
use crate::mail::envelope::WayTrust;
use crate::mail::message::class::ClassFolders;
use crate::mail::message::folder::Folder;
use crate::transports::hook::Hook;
use crate::transports::notify::NotifyCommand;
use crate::transports::placeholder::TemplatePurpose;
use crate::transports::source::{MailSource, SourceKeeping};
use crate::values::quoting::quoted;

const HOOK_TIMEOUT: Duration = Duration::from_secs(30);
const FETCH_TIMEOUT: Duration = Duration::from_secs(600);
const EVERY: Duration = Duration::from_secs(300);

/// Input of the checks for received mail.
pub(super) struct ReceivedTables<'a> {
    pub(super) checker: &'a ValueChecker<'a>,
    pub(super) raw: &'a raw::RawConfig,
    pub(super) spool: &'a Path,
}

/// Checked settings for received mail.
pub(super) struct ReceivedSettings {
    pub(super) store: PathBuf,
    pub(super) identities: Option<Vec<AddressPattern>>,
    pub(super) inbound: Vec<MailSource>,
    pub(super) inbound_hooks: Vec<Hook>,
    pub(super) outbound_hooks: Vec<Hook>,
    pub(super) folders: ClassFolders,
    pub(super) notice: Option<NotifyCommand>,
}

impl ReceivedTables<'_> {
    /// Checks the tables and fills in their defaults.
    pub(super) fn check(&self) -> Result<ReceivedSettings, ConfigError> {
        let raw = self.raw;
        // The map sorts sources by name; the configuration means the order of the file.
        let mut sources: Vec<(&String, &Spanned<raw::RawSource>)> = raw.inbound.iter().collect();
        sources.sort_by_key(|(_, inbound)| inbound.span().start);
        let hooks = |hooks: &[raw::RawHook]| hooks.iter().map(|hook| self.hook(hook)).collect::<Result<Vec<_>, _>>();
        Ok(ReceivedSettings {
            store: match &raw.store {
                Some(path) => self.checker.path("store", path)?,
                None => self.spool.join("inbox"),
            },
            identities: self.identities()?,
            inbound: sources
                .into_iter()
                .map(|(name, inbound)| self.inbound(name, inbound))
                .collect::<Result<_, _>>()?,
            inbound_hooks: hooks(&raw.hook.inbound)?,
            outbound_hooks: hooks(&raw.hook.outbound)?,
            folders: self.folders()?,
            notice: raw.notify.as_ref().map(|notify| self.notice(notify)).transpose()?,
        })
    }

    fn identities(&self) -> Result<Option<Vec<AddressPattern>>, ConfigError> {
        let Some(written) = &self.raw.identities else { return Ok(None) };
        let parse = |text: &String| {
            AddressPattern::parse(text)
                .map_err(|error| self.checker.invalid(written, format!("identity {} {error}", quoted(text))))
        };
        Ok(Some(written.get_ref().iter().map(parse).collect::<Result<_, _>>()?))
    }

    fn inbound(&self, name: &str, written: &Spanned<raw::RawSource>) -> Result<MailSource, ConfigError> {
        let raw = written.get_ref();
        self.checker.check_name(name, "source", written)?;
        if let Some(mailbox) = &raw.mailbox
            && let Err(error) = Address::parse(mailbox.get_ref())
        {
            return Err(self.checker.invalid(mailbox, format!("mailbox {} {error}", quoted(mailbox.get_ref()))));
        }
        let keeping =
            if raw.keep.as_ref().is_some_and(|keep| *keep.get_ref()) { SourceKeeping::Yes } else { SourceKeeping::No };
        if let Some(ack) = raw.ack.as_ref().filter(|_| keeping == SourceKeeping::Yes) {
            return Err(self.checker.invalid(ack, format!("source {name} has both ack and keep; remove one of them")));
        }
        Ok(MailSource {
            keeping,
            name: name.to_owned(),
            fetch: self.checker.argv("fetch", Some(&raw.fetch))?.unwrap_or_default(),
            ack: self.checker.template("ack", raw.ack.as_ref(), TemplatePurpose::Acknowledgement)?,
            every: self.span("every", raw.every.as_ref(), EVERY)?,
            timeout: self.span("timeout", raw.timeout.as_ref(), FETCH_TIMEOUT)?,
            mailbox: raw.mailbox.as_ref().map(|mailbox| mailbox.get_ref().clone()),
            way: if raw.trusted == Some(true) { WayTrust::Trusted } else { WayTrust::Open },
            env: self.checker.environment(written, &raw.env)?,
        })
    }

    fn hook(&self, raw: &raw::RawHook) -> Result<Hook, ConfigError> {
        let command = self.checker.template("command of a hook", Some(&raw.command), TemplatePurpose::Hook)?;
        Ok(Hook {
            command: command.ok_or_else(|| self.checker.invalid(&raw.command, "the hook has no command"))?,
            timeout: self.span("timeout", raw.timeout.as_ref(), HOOK_TIMEOUT)?,
            env: self.checker.environment(&raw.command, &raw.env)?,
        })
    }

    fn notice(&self, raw: &raw::RawNotify) -> Result<NotifyCommand, ConfigError> {
        let command = self.checker.template("command of notify", Some(&raw.command), TemplatePurpose::Notice)?;
        Ok(NotifyCommand {
            command: command.ok_or_else(|| self.checker.invalid(&raw.command, "notify has no command"))?,
            class: raw.class.clone().unwrap_or_default().to_ascii_lowercase(),
            timeout: self.span("timeout", raw.timeout.as_ref(), HOOK_TIMEOUT)?,
            env: self.checker.environment(&raw.command, &raw.env)?,
        })
    }

    fn folders(&self) -> Result<ClassFolders, ConfigError> {
        let mut folders = Vec::new();
        for (prefix, written) in &self.raw.folders {
            let folder = Folder::parse(written.get_ref());
            let folder = folder.map_err(|error| {
                self.checker.invalid(written, format!("folder {} {error}", quoted(written.get_ref())))
            })?;
            folders.push((prefix.clone(), folder));
        }
        Ok(ClassFolders::new(folders))
    }

    fn span(&self, key: &str, written: Option<&Spanned<String>>, default: Duration) -> Result<Duration, ConfigError> {
        Ok(self.checker.duration(key, written, default)?.max(Duration::from_secs(1)))
    }
}
