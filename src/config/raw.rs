//! Structures that the configuration file is parsed into: keys and types, with no value checked.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::config::error::ConfigError;
use crate::config::explain::explain;

/// Content of a whole configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    pub spool: Option<Spanned<String>>,
    pub hostname: Option<Spanned<String>>,
    pub sender: Option<Spanned<String>>,
    pub order: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub trust: Vec<Spanned<String>>,
    pub shared: Option<bool>,
    #[serde(default)]
    pub queue: RawQueue,
    #[serde(default)]
    pub transport: BTreeMap<String, Spanned<RawTransport>>,
    pub store: Option<Spanned<String>>,
    pub identities: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub inbound: BTreeMap<String, Spanned<RawSource>>,
    #[serde(default)]
    pub hook: RawHooks,
    #[serde(default)]
    pub folders: BTreeMap<String, Spanned<String>>,
    pub notify: Option<RawNotify>,
    #[serde(default)]
    pub reports: RawReports,
    pub qualify: Option<Spanned<String>>,
    #[serde(default)]
    pub aliases: RawAliases,
    #[serde(default)]
    pub rewrite: RawRewrite,
    #[serde(default)]
    pub sendmail: RawSendmail,
    /// Text of the file, for finding line numbers.
    #[serde(skip)]
    pub text: String,
}

/// Table `[queue]`: limits, retention and retries.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawQueue {
    pub lifetime: Option<Spanned<String>>,
    pub retry: Option<RawRetry>,
    pub max_retry_after: Option<Spanned<String>>,
    pub keep_sent: Option<Spanned<String>>,
    pub keep_failed: Option<Spanned<String>>,
    pub message_limit: Option<Spanned<String>>,
    pub reserve: Option<Spanned<String>>,
    pub delay_warning: Option<Spanned<String>>,
    pub sent: Option<Spanned<String>>,
}

/// Table `[inbound.NAME]`: a source of mail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSource {
    pub fetch: Spanned<Vec<String>>,
    pub ack: Option<Spanned<Vec<String>>>,
    pub keep: Option<Spanned<bool>>,
    pub every: Option<Spanned<String>>,
    pub timeout: Option<Spanned<String>>,
    pub mailbox: Option<Spanned<String>>,
    pub trusted: Option<bool>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Table `[hook]`: the lists of hooks.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHooks {
    #[serde(default)]
    pub inbound: Vec<RawHook>,
    #[serde(default)]
    pub outbound: Vec<RawHook>,
}

/// Table `[[hook.inbound]]` or `[[hook.outbound]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHook {
    pub command: Spanned<Vec<String>>,
    pub timeout: Option<Spanned<String>>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Table `[notify]`: the command for new mail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawNotify {
    pub command: Spanned<Vec<String>>,
    pub class: Option<String>,
    pub timeout: Option<Spanned<String>>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Table `[reports]`: reports to senders.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawReports {
    pub via: Option<Spanned<String>>,
    pub return_limit: Option<Spanned<String>>,
    pub double_bounce_to: Option<Spanned<String>>,
}

/// Table `[aliases]`: alias files and permitted targets.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAliases {
    #[serde(default)]
    pub files: Vec<Spanned<String>>,
    #[serde(default)]
    pub allow: Vec<Spanned<String>>,
}

/// Table `[rewrite]`: rules by address pattern.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRewrite {
    #[serde(default)]
    pub recipient: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    pub sender: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// Table `[sendmail]`: settings for sendmail(1).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSendmail {
    pub delivery: Option<Spanned<String>>,
}

/// Table `[queue.retry]`: the retry schedule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRetry {
    pub first: Option<Spanned<String>>,
    pub factor: Option<Spanned<f64>>,
    pub max: Option<Spanned<String>>,
    pub jitter: Option<Spanned<f64>>,
}

/// Table `[transport.NAME]`: one transport.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTransport {
    pub types: Option<Spanned<Vec<String>>>,
    pub r#match: Option<Spanned<Vec<String>>>,
    pub command: Option<Spanned<Vec<String>>>,
    pub maildir: Option<Spanned<String>>,
    pub results: Option<Spanned<String>>,
    pub exits: Option<Spanned<BTreeMap<String, String>>>,
    pub timeout: Option<Spanned<String>>,
    pub parallel: Option<Spanned<i64>>,
    pub relays: Option<bool>,
    pub probe: Option<Spanned<Vec<String>>>,
    pub resource: Option<Spanned<String>>,
    pub connect: Option<Spanned<Vec<String>>>,
    pub disconnect: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub async_timeout: Option<Spanned<String>>,
    #[serde(default)]
    pub preprocess: Vec<Spanned<Vec<String>>>,
    pub undo: Option<Spanned<Vec<String>>>,
    pub smtp: Option<Spanned<RawServers>>,
    pub lmtp: Option<Spanned<RawServers>>,
    pub session: Option<Spanned<Vec<String>>>,
    pub protocol: Option<Spanned<String>>,
    pub tls: Option<Spanned<String>>,
    pub tls_ca: Option<Spanned<String>>,
    pub tls_pin: Option<Spanned<Vec<String>>>,
    pub tls_cert: Option<Spanned<String>>,
    pub tls_key: Option<Spanned<String>>,
    pub user: Option<Spanned<String>>,
    pub password_command: Option<Spanned<Vec<String>>>,
    pub password_file: Option<Spanned<String>>,
    pub password_credential: Option<Spanned<String>>,
    pub token_command: Option<Spanned<Vec<String>>>,
    pub auth: Option<Spanned<Vec<String>>>,
    pub helo: Option<Spanned<String>>,
    pub max_messages: Option<Spanned<i64>>,
    pub idle: Option<Spanned<String>>,
}

/// One server, or a list of servers.
#[derive(Debug)]
pub struct RawServers(pub Vec<String>);

impl<'de> Deserialize<'de> for RawServers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawServers, D::Error> {
        deserializer.deserialize_any(ServersVisitor)
    }
}

/// Visitor of [`RawServers`]. An untagged enum would lose the reason of an error.
struct ServersVisitor;

impl<'de> Visitor<'de> for ServersVisitor {
    type Value = RawServers;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<RawServers, E> {
        Ok(RawServers(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawServers, A::Error> {
        let mut servers = Vec::new();
        while let Some(server) = list.next_element()? {
            servers.push(server);
        }
        Ok(RawServers(servers))
    }
}

/// Parses the text of a configuration file. `path` is used in error messages only.
pub fn parse(path: &Path, text: &str) -> Result<RawConfig, ConfigError> {
    match toml::from_str::<RawConfig>(text) {
        Ok(config) => Ok(RawConfig { text: text.to_owned(), ..config }),
        Err(error) => {
            let line = error.span().map(|span| line_of(text, &span));
            Err(ConfigError::Invalid(path.to_owned(), line, explain(text, &error)))
        }
    }
}

/// Returns the line number, from 1, of the byte offset `at`.
pub fn line_of(text: &str, span: &std::ops::Range<usize>) -> usize {
    text.as_bytes()[..span.start.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}
