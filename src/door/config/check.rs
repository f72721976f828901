//! From what was written to what holds: every value checked, every default filled in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use toml::Spanned;

use crate::agents::child::Results;
use crate::agents::transport::{Action, Success, Transport};
use crate::mail::address::{AddressType, Sender};
use crate::mail::argv::{Batch, Template};
use crate::mail::pattern::Pattern;
use crate::mail::placeholder::Purpose;
use crate::mail::route::{Claims, Types};
use crate::mail::schedule::Schedule;
use crate::mail::spelling::distance;
use crate::mail::time::parse_span;
use crate::sys;
use crate::verbs::settings::{DelayWarning, Queue, Reports, Settings, Source, Via, Whom};

use super::trouble::ConfigError;
use super::{Choice, Places, absolute, addresses, inbound, raw};

/// Checks a configuration.
pub fn settings(raw: raw::Config, choice: &Choice, places: &Places, source: Source) -> Result<Settings, ConfigError> {
    let path = match &source {
        Source::File(path) | Source::BuiltIn(path) => path.clone(),
    };
    let checker = Checker { path: &path, text: &raw.text, places };
    let from_env = std::env::var_os("MSPOOL_SPOOL").filter(|value| !value.is_empty()).map(PathBuf::from);
    let written = raw.spool.as_ref().map(|spool| PathBuf::from(spool.get_ref()));
    let spool = match choice.spool.clone().or(from_env).or(written) {
        Some(spool) => absolute(&spool, places)?,
        None => places.spool()?,
    };
    let hostname = checker.hostname(raw.hostname.as_ref())?;
    let sender = raw
        .sender
        .as_ref()
        .map(|text| Sender::parse(text.get_ref()).map_err(|error| checker.bad(text, format!("sender {error}"))));
    let queue = checker.queue(&raw.queue)?;
    let mut transports = Vec::new();
    // In the order of the file: the map has them by name.
    let mut written: Vec<(&String, &Spanned<raw::Transport>)> = raw.transport.iter().collect();
    written.sort_by_key(|(_, transport)| transport.span().start);
    for (name, transport) in written {
        transports.push(checker.transport(name, transport)?);
    }
    let bare = transports.is_empty();
    if bare {
        transports.push(built_in(&spool, &hostname));
    }
    if let Some(order) = &raw.order {
        transports = checker.ordered(order, transports)?;
    }
    let sender = sender.transpose()?;
    let side = inbound::Side { checker: &checker, raw: &raw, spool: &spool };
    let received = side.check()?;
    Ok(Settings {
        store: received.store,
        identities: received.identities,
        inbound: received.inbound,
        inbound_hooks: received.inbound_hooks,
        outbound_hooks: received.outbound_hooks,
        folders: received.folders,
        notice: received.notice,
        reports: checker.reports(&raw.reports)?,
        addresses: addresses::addresses(&checker, &raw)?,
        sendmail: addresses::after_submission(&checker, &raw.sendmail)?,
        spool,
        hostname,
        sender,
        queue,
        transports,
        source,
        bare,
    })
}

/// The transport that is there when none is configured: a Maildir in the spool, for this host's own addresses.
fn built_in(spool: &Path, hostname: &str) -> Transport {
    let own = ["*@localhost".to_owned(), format!("*@{hostname}")];
    let patterns = own.iter().filter_map(|pattern| Pattern::parse(pattern).ok()).chain([Pattern::without_domain()]);
    Transport {
        name: "local".to_owned(),
        claims: Claims { types: Types::Only(Vec::new()), patterns: patterns.collect() },
        action: Action::Maildir(spool.join("inbox")),
        timeout: DEFAULT_TIMEOUT,
        parallel: 1,
        success: Success::Delivered,
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

const DAY: Duration = Duration::from_secs(86_400);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
const DEFAULT_ASYNC_TIMEOUT: Duration = DAY;
const DEFAULT_DELAY_WARNING: Duration = Duration::from_secs(4 * 3600);

/// Hand-offs at once that a transport can be configured for.
const MOST_PARALLEL: i64 = 256;

pub(super) struct Checker<'a> {
    path: &'a Path,
    text: &'a str,
    pub(super) places: &'a Places,
}

impl Checker<'_> {
    pub(super) fn bad<T>(&self, at: &Spanned<T>, what: impl Into<String>) -> ConfigError {
        let line = raw::line_of(self.text, at.span().start);
        ConfigError::Invalid(self.path.to_owned(), Some(line), what.into())
    }

    fn hostname(&self, written: Option<&Spanned<String>>) -> Result<String, ConfigError> {
        let Some(written) = written else { return Ok(sys::host_name()) };
        let name = written.get_ref();
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !plain || name.is_empty() || name.len() > 255 {
            return Err(self.bad(written, "hostname is not the name of a host"));
        }
        Ok(name.clone())
    }

    pub(super) fn span(
        &self,
        key: &str,
        written: Option<&Spanned<String>>,
        default: Duration,
    ) -> Result<Duration, ConfigError> {
        let Some(text) = written else { return Ok(default) };
        parse_span(text.get_ref())
            .map_err(|_| self.bad(text, format!("{key} is no span of time such as 90s, 15m, 2h, 3d or 1w")))
    }

    fn size(&self, key: &str, written: Option<&Spanned<String>>, default: u64) -> Result<u64, ConfigError> {
        let Some(text) = written else { return Ok(default) };
        let size = text.get_ref().parse::<ByteSize>();
        size.map(|size| size.as_u64()).map_err(|_| self.bad(text, format!("{key} is no size such as 64KiB or 50MiB")))
    }

    fn queue(&self, raw: &raw::Queue) -> Result<Queue, ConfigError> {
        Ok(Queue {
            lifetime: self.span("lifetime", raw.lifetime.as_ref(), DAY * 5)?,
            retry: self.retry(raw.retry.as_ref())?,
            keep_sent: self.span("keep_sent", raw.keep_sent.as_ref(), DAY * 7)?,
            keep_failed: self.span("keep_failed", raw.keep_failed.as_ref(), DAY * 30)?,
            message_limit: self.size("message_limit", raw.message_limit.as_ref(), 50 << 20)?,
            reserve: self.size("reserve", raw.reserve.as_ref(), 64 << 20)?,
            delay_warning: DelayWarning {
                after: self.span("delay_warning", raw.delay_warning.as_ref(), DEFAULT_DELAY_WARNING)?,
                whom: match raw.delay_warning {
                    Some(_) => Whom::WhoeverDoesNotDecline,
                    None => Whom::WhoeverAsks,
                },
            },
            sent: raw.sent.as_ref().map(|path| self.path("sent", path)).transpose()?,
        })
    }

    fn retry(&self, raw: Option<&raw::Retry>) -> Result<Schedule, ConfigError> {
        let default = Schedule::default();
        let Some(raw) = raw else { return Ok(default) };
        let number = |key: &str, written: Option<&Spanned<f64>>, default: f64, low: f64, high: f64| match written {
            None => Ok(default),
            Some(value) if (low..=high).contains(value.get_ref()) => Ok(*value.get_ref()),
            Some(value) => Err(self.bad(value, format!("{key} must be from {low} to {high}"))),
        };
        Ok(Schedule {
            first: self.span("first", raw.first.as_ref(), default.first)?,
            factor: number("factor", raw.factor.as_ref(), default.factor, 1.0, 1000.0)?,
            max: self.span("max", raw.max.as_ref(), default.max)?,
            jitter: number("jitter", raw.jitter.as_ref(), default.jitter, 0.0, 1.0)?,
        })
    }

    fn transport(&self, name: &str, written: &Spanned<raw::Transport>) -> Result<Transport, ConfigError> {
        let raw = written.get_ref();
        self.check_name(name, "transport", written)?;
        if let Some(resource) = &raw.resource {
            self.check_name(resource.get_ref(), "resource", resource)?;
        }
        let action = match (&raw.command, &raw.maildir) {
            (Some(command), None) => self.command(name, command, raw.results.as_ref())?,
            (None, Some(maildir)) => self.maildir(name, maildir, raw)?,
            (Some(command), Some(_)) => {
                return Err(
                    self.bad(command, format!("transport {name} has both a command and a maildir; one is wanted"))
                );
            }
            (None, None) => {
                return Err(self.bad(written, format!("transport {name} has neither a command nor a maildir")));
            }
        };
        let filter = |filter: &Spanned<Vec<String>>| {
            let template = Template::parse(filter.get_ref(), Purpose::Delivery);
            let template =
                template.map_err(|error| self.bad(filter, format!("preprocess of transport {name} {error}")))?;
            let all = filter.get_ref().iter().any(|arg| arg == "{recipients}");
            if all && matches!(&action, Action::Command { template, .. } if template.batch() == Batch::One) {
                return Err(self.bad(
                    filter,
                    format!("preprocess of transport {name} has {{recipients}} where its command takes one at a time"),
                ));
            }
            Ok(template)
        };
        let preprocess = raw.preprocess.iter().map(filter).collect::<Result<Vec<_>, _>>()?;
        let parallel = match &raw.parallel {
            None => 1,
            Some(value) if (1..=MOST_PARALLEL).contains(value.get_ref()) => *value.get_ref() as usize,
            Some(value) => return Err(self.bad(value, format!("parallel must be from 1 to {MOST_PARALLEL}"))),
        };
        let mut transport = Transport {
            name: name.to_owned(),
            claims: self.claims(raw)?,
            action,
            timeout: self.span("timeout", raw.timeout.as_ref(), DEFAULT_TIMEOUT)?.max(Duration::from_secs(1)),
            parallel,
            success: if raw.relays == Some(true) { Success::Relayed } else { Success::Delivered },
            probe: self.argv("probe", raw.probe.as_ref())?,
            resource: raw.resource.as_ref().map(|resource| resource.get_ref().clone()),
            connect: self.argv("connect", raw.connect.as_ref())?,
            disconnect: self.argv("disconnect", raw.disconnect.as_ref())?,
            env: self.environment(written, &raw.env)?,
            async_timeout: self.span("async_timeout", raw.async_timeout.as_ref(), DEFAULT_ASYNC_TIMEOUT)?,
            preprocess,
            undo: self.template("undo", raw.undo.as_ref(), Purpose::Undo)?,
            fingerprint: String::new(),
        };
        transport.fingerprint = fingerprint(&format!("{transport:?}"));
        Ok(transport)
    }

    /// Names become parts of file names.
    pub(super) fn check_name<T>(&self, name: &str, what: &str, at: &Spanned<T>) -> Result<(), ConfigError> {
        let plain =
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
        if plain && (1..=32).contains(&name.len()) && !name.starts_with(['-', '_']) {
            return Ok(());
        }
        Err(self.bad(
            at,
            format!("{what} name {name:?}: only a-z, 0-9, - and _ are allowed, at most 32, a letter or digit first"),
        ))
    }

    fn command(
        &self,
        name: &str,
        command: &Spanned<Vec<String>>,
        results: Option<&Spanned<String>>,
    ) -> Result<Action, ConfigError> {
        let template = Template::parse(command.get_ref(), Purpose::Delivery);
        let template = template.map_err(|error| self.bad(command, format!("command of transport {name} {error}")))?;
        let results = match results.map(|results| (results, results.get_ref().as_str())) {
            None | Some((_, "exit")) => Results::Exit,
            Some((_, "lines")) => Results::Lines,
            Some((at, _)) => return Err(self.bad(at, "results must be \"exit\" or \"lines\"")),
        };
        Ok(Action::Command { template, results })
    }

    /// Keys that only mean something for a command must not stand beside a Maildir as if they did.
    fn maildir(&self, name: &str, maildir: &Spanned<String>, raw: &raw::Transport) -> Result<Action, ConfigError> {
        if let Some(results) = &raw.results {
            return Err(self.bad(results, format!("results means nothing for the maildir of transport {name}")));
        }
        let runs_programs = raw.probe.is_some()
            || raw.connect.is_some()
            || raw.disconnect.is_some()
            || raw.undo.is_some()
            || !raw.preprocess.is_empty();
        if let Some(timeout) = raw.timeout.as_ref().filter(|_| !runs_programs) {
            return Err(self.bad(timeout, format!("timeout means nothing for the maildir of transport {name}")));
        }
        Ok(Action::Maildir(self.path(&format!("maildir of transport {name}"), maildir)?))
    }

    /// Without `types` a transport with patterns takes just those, one without takes internet mail.
    fn claims(&self, raw: &raw::Transport) -> Result<Claims, ConfigError> {
        let types = match &raw.types {
            None if raw.r#match.is_some() => Types::Only(Vec::new()),
            None => Types::Only(vec![AddressType::smtp()]),
            Some(types) if types.get_ref().iter().any(|kind| kind == "*") => Types::Any,
            Some(types) => {
                let parse = |kind: &String| {
                    AddressType::parse(kind).map_err(|error| self.bad(types, format!("type {kind:?} {error}")))
                };
                Types::Only(types.get_ref().iter().map(parse).collect::<Result<_, _>>()?)
            }
        };
        let mut patterns = Vec::new();
        if let Some(written) = &raw.r#match {
            for text in written.get_ref() {
                let pattern = Pattern::parse(text);
                patterns.push(pattern.map_err(|error| self.bad(written, format!("pattern {text:?} {error}")))?);
            }
        }
        Ok(Claims { types, patterns })
    }

    pub(super) fn template(
        &self,
        key: &str,
        written: Option<&Spanned<Vec<String>>>,
        purpose: Purpose,
    ) -> Result<Option<Template>, ConfigError> {
        let Some(written) = written else { return Ok(None) };
        let template = Template::parse(written.get_ref(), purpose);
        template.map(Some).map_err(|error| self.bad(written, format!("{key} {error}")))
    }

    pub(super) fn path(&self, key: &str, written: &Spanned<String>) -> Result<PathBuf, ConfigError> {
        if written.get_ref().is_empty() || written.get_ref().contains('\0') {
            return Err(self.bad(written, format!("{key} is no path")));
        }
        absolute(Path::new(written.get_ref()), self.places)
    }

    fn reports(&self, raw: &raw::Reports) -> Result<Reports, ConfigError> {
        let via = match raw.via.as_ref().map(|via| (via, via.get_ref().as_str())) {
            // Root's spool sends for everybody, a user's own sends for the one who reads its inbox.
            None if self.places.root => Via::Queue,
            None => Via::Inbox,
            Some((_, "inbox")) => Via::Inbox,
            Some((_, "queue")) => Via::Queue,
            Some((at, _)) => return Err(self.bad(at, "via must be \"inbox\" or \"queue\"")),
        };
        Ok(Reports { via, return_limit: self.size("return_limit", raw.return_limit.as_ref(), 64 << 10)? })
    }

    pub(super) fn argv(
        &self,
        key: &str,
        written: Option<&Spanned<Vec<String>>>,
    ) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(written) = written else { return Ok(None) };
        let argv = written.get_ref();
        if argv.first().is_none_or(String::is_empty) || argv.iter().any(|arg| arg.contains('\0')) {
            return Err(self.bad(written, format!("{key} names no program")));
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
                return Err(self.bad(at, format!("env: {name:?} cannot be set")));
            }
        }
        Ok(env.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// An order names every transport exactly once.
    fn ordered(&self, order: &Spanned<Vec<String>>, transports: Vec<Transport>) -> Result<Vec<Transport>, ConfigError> {
        let mut left = transports;
        let mut sorted = Vec::with_capacity(left.len());
        for name in order.get_ref() {
            match left.iter().position(|transport| transport.name == *name) {
                Some(index) => sorted.push(left.remove(index)),
                None if sorted.iter().any(|transport: &Transport| transport.name == *name) => {
                    return Err(self.bad(order, format!("order names {name:?} twice")));
                }
                None => {
                    let near = left.iter().map(|transport| &transport.name).min_by_key(|known| distance(name, known));
                    let hint = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
                    return Err(self.bad(order, format!("order names {name:?}, which is no transport{hint}")));
                }
            }
        }
        match left.first() {
            Some(missing) => Err(self.bad(order, format!("order does not name transport {:?}", missing.name))),
            None => Ok(sorted),
        }
    }
}

/// Changes when the text does (FNV-1a): enough to see that a configuration is another one.
fn fingerprint(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}
