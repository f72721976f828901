//! Tables `[transport.NAME]` of the configuration, and the key `order`.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use crate::config::checker::ValueChecker;
use crate::config::client;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::mail::address::AddressType;
use crate::mail::address::pattern::AddressPattern;
use crate::mail::address::route::{AcceptedAddresses, AcceptedTypes};
use crate::transports::argv::{CommandTemplate, RecipientBatch};
use crate::transports::exits::{ExitMeaning, ExitMeanings};
use crate::transports::placeholder::TemplatePurpose;
use crate::transports::program::ResultChannel;
use crate::transports::smtp::transaction::Protocol;
use crate::transports::transport::{DeliveryMethod, SuccessMeaning, Transport};
use crate::values::quoting::quoted;
use crate::values::spelling::distance;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
const DEFAULT_ASYNC_TIMEOUT: Duration = Duration::from_secs(86_400);

/// Maximum number of parallel delivery attempts per transport.
const MOST_PARALLEL: i64 = 256;

/// Checks one transport and fills in its defaults.
pub(super) fn transport(
    checker: &ValueChecker<'_>,
    name: &str,
    written: &Spanned<raw::RawTransport>,
    hostname: &str,
) -> Result<Transport, ConfigError> {
    let raw = written.get_ref();
    checker.check_name(name, "transport", written)?;
    if let Some(resource) = &raw.resource {
        checker.check_name(resource.get_ref(), "resource", resource)?;
    }
    let command = raw.command.as_ref().map(|written| command(checker, name, written, raw));
    let maildir = raw.maildir.as_ref().map(|written| maildir(checker, name, written, raw));
    let client = client::client(checker, name, written, hostname)?;
    // One key a kind of transport, in the order of the manual.
    let kinds = [
        ("command", command),
        ("maildir", maildir),
        ("smtp", raw.smtp.as_ref().and(client.clone()).map(Ok)),
        ("lmtp", raw.lmtp.as_ref().and(client.clone()).map(Ok)),
        ("session", raw.session.as_ref().and(client).map(Ok)),
    ];
    let names = kinds.each_ref().map(|(key, _)| *key);
    let keys: Vec<&str> = kinds.iter().filter(|(_, method)| method.is_some()).map(|(key, _)| *key).collect();
    let mut given = kinds.into_iter().filter_map(|(_, method)| method);
    let method = match (given.next(), given.next()) {
        (Some(method), None) => method?,
        (Some(_), Some(_)) => {
            let text = format!("transport {name} has more than one of {}; remove one of them", keys.join(" and "));
            return Err(match &raw.command {
                Some(command) => checker.invalid(command, text),
                None => checker.invalid(written, text),
            });
        }
        (None, _) => {
            let text = format!("transport {name} has none of {}; set one of them", names.join(", "));
            return Err(checker.invalid(written, text));
        }
    };
    let filter = |filter: &Spanned<Vec<String>>| {
        let template = CommandTemplate::parse(filter.get_ref(), TemplatePurpose::Delivery);
        let template =
            template.map_err(|error| checker.invalid(filter, format!("preprocess of transport {name} {error}")))?;
        let takes_all = filter.get_ref().iter().any(|arg| arg == "{recipients}");
        if takes_all
            && matches!(&method, DeliveryMethod::Command { template, .. } if template.batch() == RecipientBatch::One)
        {
            return Err(checker.invalid(
                filter,
                format!("preprocess of transport {name} has {{recipients}}, but its command takes one at a time; use {{recipient}}"),
            ));
        }
        Ok(template)
    };
    let preprocess = raw.preprocess.iter().map(filter).collect::<Result<Vec<_>, _>>()?;
    let parallel = match &raw.parallel {
        None => 1,
        Some(value) if (1..=MOST_PARALLEL).contains(value.get_ref()) => *value.get_ref() as usize,
        Some(value) => return Err(checker.invalid(value, format!("parallel must be from 1 to {MOST_PARALLEL}"))),
    };
    let relays =
        raw.relays.unwrap_or(matches!(&method, DeliveryMethod::Client(client) if client.protocol == Protocol::Smtp));
    let success_meaning = if relays { SuccessMeaning::Relayed } else { SuccessMeaning::Delivered };
    let mut transport = Transport {
        name: name.to_owned(),
        accepts: accepted_addresses(checker, raw)?,
        method,
        timeout: checker.duration("timeout", raw.timeout.as_ref(), DEFAULT_TIMEOUT)?.max(Duration::from_secs(1)),
        parallel,
        success_meaning,
        probe: checker.argv("probe", raw.probe.as_ref())?,
        resource: raw.resource.as_ref().map(|resource| resource.get_ref().clone()),
        connect: checker.argv("connect", raw.connect.as_ref())?,
        disconnect: checker.argv("disconnect", raw.disconnect.as_ref())?,
        env: checker.environment(written, &raw.env)?,
        async_timeout: checker.duration("async_timeout", raw.async_timeout.as_ref(), DEFAULT_ASYNC_TIMEOUT)?,
        preprocess,
        undo: checker.template("undo", raw.undo.as_ref(), TemplatePurpose::Undo)?,
        fingerprint: String::new(),
    };
    transport.fingerprint = fingerprint(&transport);
    Ok(transport)
}

fn command(
    checker: &ValueChecker<'_>,
    name: &str,
    command: &Spanned<Vec<String>>,
    raw: &raw::RawTransport,
) -> Result<DeliveryMethod, ConfigError> {
    let template = CommandTemplate::parse(command.get_ref(), TemplatePurpose::Delivery);
    let template =
        template.map_err(|error| checker.invalid(command, format!("command of transport {name} {error}")))?;
    let results = match raw.results.as_ref().map(|results| (results, results.get_ref().as_str())) {
        None | Some((_, "exit")) => ResultChannel::Exit,
        Some((_, "lines")) => ResultChannel::Lines,
        Some((at, _)) => return Err(checker.invalid(at, "results must be \"exit\" or \"lines\"")),
    };
    let exits = raw.exits.as_ref().map(|written| exits(checker, written)).transpose()?.unwrap_or_default();
    Ok(DeliveryMethod::Command { template, results, exits })
}

/// Checks the key `exits`: exit statuses from 1 to 255, each with a known meaning. 0 always means success.
fn exits(checker: &ValueChecker<'_>, written: &Spanned<BTreeMap<String, String>>) -> Result<ExitMeanings, ConfigError> {
    let words = ExitMeaning::ALL.map(ExitMeaning::word);
    let parse = |(code, word): (&String, &String)| {
        let code =
            code.parse::<u8>().ok().filter(|number| *number > 0 && number.to_string() == *code).ok_or_else(|| {
                checker.invalid(
                    written,
                    format!("exits has the exit status {}; give a number from 1 to 255", quoted(code)),
                )
            })?;
        let meaning = ExitMeaning::ALL.into_iter().find(|meaning| meaning.word() == word).ok_or_else(|| {
            let text = format!("exits has the meaning {}; give one of {}", quoted(word), words.join(", "));
            checker.invalid(written, text)
        })?;
        Ok((code, meaning))
    };
    written.get_ref().iter().map(parse).collect()
}

/// Checks a Maildir transport. Keys that only apply to a command are refused: ignored silently, they would seem to
/// work.
fn maildir(
    checker: &ValueChecker<'_>,
    name: &str,
    maildir: &Spanned<String>,
    raw: &raw::RawTransport,
) -> Result<DeliveryMethod, ConfigError> {
    if let Some(results) = &raw.results {
        return Err(
            checker.invalid(results, format!("results has no effect on the maildir of transport {name}; remove it"))
        );
    }
    if let Some(exits) = &raw.exits {
        return Err(
            checker.invalid(exits, format!("exits has no effect on the maildir of transport {name}; remove it"))
        );
    }
    let runs_commands = raw.probe.is_some()
        || raw.connect.is_some()
        || raw.disconnect.is_some()
        || raw.undo.is_some()
        || !raw.preprocess.is_empty();
    if let Some(timeout) = raw.timeout.as_ref().filter(|_| !runs_commands) {
        return Err(
            checker.invalid(timeout, format!("timeout has no effect on the maildir of transport {name}; remove it"))
        );
    }
    Ok(DeliveryMethod::Maildir(checker.path(&format!("maildir of transport {name}"), maildir)?))
}

/// Returns the addresses that a transport accepts. Without `types`, a transport with patterns accepts only those, and
/// one without patterns accepts internet mail.
fn accepted_addresses(checker: &ValueChecker<'_>, raw: &raw::RawTransport) -> Result<AcceptedAddresses, ConfigError> {
    let types = match &raw.types {
        None if raw.r#match.is_some() => AcceptedTypes::Only(Vec::new()),
        None => AcceptedTypes::Only(vec![AddressType::smtp()]),
        Some(types) if types.get_ref().iter().any(|kind| kind == "*") => AcceptedTypes::Any,
        Some(types) => {
            let parse = |kind: &String| {
                AddressType::parse(kind).map_err(|_| {
                    checker.invalid(
                        types,
                        format!(
                            "address type {} is not valid: only 1 to 8 of A-Z and 0-9 are allowed, a letter first",
                            quoted(kind)
                        ),
                    )
                })
            };
            AcceptedTypes::Only(types.get_ref().iter().map(parse).collect::<Result<_, _>>()?)
        }
    };
    let mut patterns = Vec::new();
    if let Some(written) = &raw.r#match {
        for text in written.get_ref() {
            let pattern = AddressPattern::parse(text);
            patterns
                .push(pattern.map_err(|error| checker.invalid(written, format!("pattern {} {error}", quoted(text))))?);
        }
    }
    Ok(AcceptedAddresses { types, patterns })
}

/// Returns the transport that is used if none is configured: a Maildir in the spool for addresses of this host.
pub(super) fn built_in(spool: &Path, hostname: &str) -> Transport {
    let own = ["*@localhost".to_owned(), format!("*@{hostname}")];
    let patterns =
        own.iter().filter_map(|pattern| AddressPattern::parse(pattern).ok()).chain([AddressPattern::without_domain()]);
    Transport {
        name: "local".to_owned(),
        accepts: AcceptedAddresses { types: AcceptedTypes::Only(Vec::new()), patterns: patterns.collect() },
        method: DeliveryMethod::Maildir(spool.join("inbox")),
        timeout: DEFAULT_TIMEOUT,
        parallel: 1,
        success_meaning: SuccessMeaning::Delivered,
        probe: None,
        resource: None,
        connect: None,
        disconnect: None,
        env: Vec::new(),
        async_timeout: DEFAULT_ASYNC_TIMEOUT,
        preprocess: Vec::new(),
        undo: None,
        fingerprint: String::new(),
    }
}

/// Sorts the transports as `order` lists them. An order must name every transport exactly once.
pub(super) fn ordered(
    checker: &ValueChecker<'_>,
    order: &Spanned<Vec<String>>,
    transports: Vec<Transport>,
) -> Result<Vec<Transport>, ConfigError> {
    let mut left = transports;
    let mut sorted = Vec::with_capacity(left.len());
    for name in order.get_ref() {
        match left.iter().position(|transport| transport.name == *name) {
            Some(index) => sorted.push(left.remove(index)),
            None if sorted.iter().any(|transport: &Transport| transport.name == *name) => {
                return Err(checker.invalid(order, format!("order names {} twice", quoted(name))));
            }
            None => {
                let near = left.iter().map(|transport| &transport.name).min_by_key(|known| distance(name, known));
                let hint = near.map_or(String::new(), |near| format!("; did you mean {}?", quoted(near)));
                return Err(
                    checker.invalid(order, format!("order names {}, which is not a transport{hint}", quoted(name)))
                );
            }
        }
    }
    match left.first() {
        Some(missing) => Err(checker.invalid(
            order,
            format!("order does not name transport {}; it must name every transport", quoted(&missing.name)),
        )),
        None => Ok(sorted),
    }
}

/// Returns a fingerprint of the transport's configuration. It is the same on every machine and in every build, because
/// it is stored in the transport state.
fn fingerprint(transport: &Transport) -> String {
    let mut hasher = Fnv1a(0xcbf2_9ce4_8422_2325);
    transport.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// FNV-1a hash with 64 bits.
struct Fnv1a(u64);

impl Hasher for Fnv1a {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
