//! Conversion of the parsed configuration into [`Settings`]: checks every value and fills in defaults.

use std::path::PathBuf;
use std::sync::Arc;

use toml::Spanned;

use crate::config::addresses;
use crate::config::checker::ValueChecker;
use crate::config::error::ConfigError;
use crate::config::locations::{ConfigChoice, ConfigLocations, absolute};
use crate::config::queue;
use crate::config::raw;
use crate::config::received;
use crate::config::reports;
use crate::config::transport;
use crate::mail::address::Sender;
use crate::settings::{Settings, SettingsSource};
use crate::spool::SpoolSharing;
use crate::sys::trust::Trust;

/// Checks a parsed configuration and returns the settings. Errors name the file and the line.
pub(super) fn assemble(
    raw: raw::RawConfig,
    choice: &ConfigChoice,
    locations: &ConfigLocations,
    source: SettingsSource,
    trust: Trust,
) -> Result<Settings, ConfigError> {
    let path = match &source {
        SettingsSource::File(path) | SettingsSource::BuiltIn(path) => path.clone(),
    };
    let checker = ValueChecker { path: &path, text: &raw.text, locations };
    let from_env = std::env::var_os("MSPOOL_SPOOL").filter(|value| !value.is_empty()).map(PathBuf::from);
    let written = raw.spool.as_ref().map(|spool| PathBuf::from(spool.get_ref()));
    let spool = match choice.spool.clone().or(from_env).or(written) {
        Some(spool) => absolute(&spool, locations)?,
        None => locations.spool()?,
    };
    let hostname = checker.hostname(raw.hostname.as_ref())?;
    let sender = raw
        .sender
        .as_ref()
        .map(|text| Sender::parse(text.get_ref()).map_err(|error| checker.invalid(text, format!("sender {error}"))));
    let trusted = raw.trust.iter().map(|dir| checker.absolute_path("trust", dir)).collect::<Result<Vec<_>, _>>()?;
    let queue = queue::queue(&checker, &raw.queue)?;
    let mut transports = Vec::new();
    // The map sorts transports by name; the configuration means the order of the file.
    let mut written: Vec<(&String, &Spanned<raw::RawTransport>)> = raw.transport.iter().collect();
    written.sort_by_key(|(_, transport)| transport.span().start);
    for (name, transport) in written {
        transports.push(transport::transport(&checker, name, transport, &hostname)?);
    }
    let has_no_transports = transports.is_empty();
    if has_no_transports {
        transports.push(transport::built_in(&spool, &hostname));
    }
    if let Some(order) = &raw.order {
        transports = transport::ordered(&checker, order, transports)?;
    }
    let sender = sender.transpose()?;
    let tables = received::ReceivedTables { checker: &checker, raw: &raw, spool: &spool };
    let received = tables.check()?;
    Ok(Settings {
        store: received.store,
        identities: received.identities,
        sources: received.inbound,
        inbound_hooks: received.inbound_hooks,
        outbound_hooks: received.outbound_hooks,
        folders: received.folders,
        notify: received.notice,
        reports: reports::reports(&checker, &raw.reports)?,
        addresses: addresses::addresses(&checker, &raw)?,
        sendmail: addresses::after_submission(&checker, &raw.sendmail)?,
        spool,
        hostname,
        sender,
        queue,
        transports: transports.into(),
        sharing: if raw.shared == Some(true) { SpoolSharing::Allowed } else { SpoolSharing::No },
        trust: Arc::new(match source {
            SettingsSource::File(_) => trust.excusing(&trusted),
            SettingsSource::BuiltIn(_) => trust,
        }),
        source,
        has_no_transports,
    })
}
