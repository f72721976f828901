//! Keys of transports that mspool's own client of SMTP and LMTP serves.

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use crate::config::checker::ValueChecker;
use crate::config::error::ConfigError;
use crate::config::raw::RawTransport;
use crate::config::servers;
use crate::transports::smtp::login::Mechanism;
use crate::transports::smtp::settings::{
    ClientSettings, LoginSettings, SecretSource, Server, TlsBegin, TlsPolicy, TlsSettings,
};
use crate::transports::smtp::transaction::Protocol;
use crate::transports::transport::DeliveryMethod;
use crate::values::quoting::quoted;

/// Longest wait for a server, unless configured.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// Messages of one session, unless configured.
const DEFAULT_MAX_MESSAGES: u32 = 100;

/// Time that an unused session is kept, unless configured.
const DEFAULT_IDLE: Duration = Duration::from_secs(5);

/// Longest time that an unused session may be kept: servers close theirs after five minutes.
const LONGEST_IDLE: Duration = Duration::from_secs(300);

/// Checks the keys of the client; `None` if the transport is of another kind.
///
/// # Errors
/// The first value that is wrong, or a key without effect.
pub(super) fn client(
    checker: &ValueChecker<'_>,
    name: &str,
    written: &Spanned<RawTransport>,
    hostname: &str,
) -> Result<Option<DeliveryMethod>, ConfigError> {
    let raw = written.get_ref();
    let (protocol, servers) = match (&raw.smtp, &raw.lmtp, &raw.session) {
        (Some(smtp), ..) => (Protocol::Smtp, servers::servers(checker, "smtp", smtp)?),
        (None, Some(lmtp), _) => (Protocol::Lmtp, servers::servers(checker, "lmtp", lmtp)?),
        (None, None, Some(_)) => {
            let command = checker.argv("session", raw.session.as_ref())?;
            (protocol(checker, raw)?, command.into_iter().map(Server::Command).collect())
        }
        (None, None, None) => {
            refuse_client_keys(checker, name, raw)?;
            return Ok(None);
        }
    };
    let keys = ClientKeys { checker, name, raw };
    keys.refuse_command_keys()?;
    let login = keys.login()?;
    let settings = ClientSettings {
        protocol,
        servers,
        tls: keys.tls()?,
        login,
        helo: checker.hostname_of("helo", raw.helo.as_ref(), hostname)?,
        max_messages: keys.max_messages()?,
        idle: keys.idle()?,
        timeout: checker.duration("timeout", raw.timeout.as_ref(), DEFAULT_TIMEOUT)?.max(Duration::from_secs(1)),
        env: checker.environment(written, &raw.env)?,
    };
    keys.check_tls(&settings)?;
    Ok(Some(DeliveryMethod::Client(Box::new(settings))))
}

fn protocol(checker: &ValueChecker<'_>, raw: &RawTransport) -> Result<Protocol, ConfigError> {
    match raw.protocol.as_ref().map(|written| (written, written.get_ref().as_str())) {
        None | Some((_, "smtp")) => Ok(Protocol::Smtp),
        Some((_, "lmtp")) => Ok(Protocol::Lmtp),
        Some((at, _)) => Err(checker.invalid(at, "protocol must be \"smtp\" or \"lmtp\"")),
    }
}

/// Refuses the keys of the client for other transports: ignored silently, they would seem to work.
fn refuse_client_keys(checker: &ValueChecker<'_>, name: &str, raw: &RawTransport) -> Result<(), ConfigError> {
    let text = |key: &str| {
        format!("{key} has no effect on transport {name}, which has none of smtp, lmtp and session; remove it")
    };
    let strings = [
        ("protocol", &raw.protocol),
        ("tls", &raw.tls),
        ("tls_ca", &raw.tls_ca),
        ("tls_cert", &raw.tls_cert),
        ("tls_key", &raw.tls_key),
        ("user", &raw.user),
        ("password_file", &raw.password_file),
        ("password_credential", &raw.password_credential),
        ("helo", &raw.helo),
        ("idle", &raw.idle),
    ];
    let lists = [
        ("tls_pin", &raw.tls_pin),
        ("password_command", &raw.password_command),
        ("token_command", &raw.token_command),
        ("auth", &raw.auth),
    ];
    for (key, value) in strings {
        refuse(checker, value.as_ref(), &text(key))?;
    }
    for (key, value) in lists {
        refuse(checker, value.as_ref(), &text(key))?;
    }
    refuse(checker, raw.max_messages.as_ref(), &text("max_messages"))
}

fn refuse<T>(checker: &ValueChecker<'_>, value: Option<&Spanned<T>>, text: &str) -> Result<(), ConfigError> {
    value.map_or(Ok(()), |value| Err(checker.invalid(value, text)))
}

/// Keys of one transport of the client.
struct ClientKeys<'a> {
    checker: &'a ValueChecker<'a>,
    name: &'a str,
    raw: &'a RawTransport,
}

impl ClientKeys<'_> {
    fn refuse_command_keys(&self) -> Result<(), ConfigError> {
        let text =
            |key: &str| format!("{key} has no effect on transport {}, which has no command; remove it", self.name);
        refuse(self.checker, self.raw.results.as_ref(), &text("results"))?;
        refuse(self.checker, self.raw.exits.as_ref(), &text("exits"))?;
        let only_session = "protocol is only for session; smtp and lmtp are protocols themselves; remove it";
        if self.raw.session.is_none() {
            refuse(self.checker, self.raw.protocol.as_ref(), only_session)?;
        }
        Ok(())
    }

    fn login(&self) -> Result<Option<LoginSettings>, ConfigError> {
        let secrets: Vec<(&str, SecretSource)> = self.secrets()?;
        let Some(user) = &self.raw.user else {
            if let Some(auth) = &self.raw.auth {
                return Err(self.checker.invalid(auth, "auth needs user"));
            }
            return match secrets.first() {
                Some((key, _)) => Err(self.invalid(format!("{key} needs user"))),
                None => Ok(None),
            };
        };
        if user.get_ref().is_empty() || user.get_ref().chars().any(char::is_control) {
            return Err(self.checker.invalid(user, "user is empty or has control characters"));
        }
        let mut secrets = secrets.into_iter();
        let (secret, token) = match (secrets.next(), secrets.next()) {
            (Some((key, secret)), None) => (secret, key == "token_command"),
            (Some((first, _)), Some((second, _))) => {
                return Err(self.invalid(format!("{first} and {second} are both set; remove one of them")));
            }
            (None, _) => {
                let text = "user needs one of password_command, password_file, password_credential and token_command";
                return Err(self.checker.invalid(user, text));
            }
        };
        let mechanisms = self.mechanisms(token)?;
        Ok(Some(LoginSettings { user: user.get_ref().clone(), secret, mechanisms }))
    }

    fn invalid(&self, text: String) -> ConfigError {
        let raw = self.raw;
        let places = [&raw.password_file, &raw.password_credential].into_iter().flatten().map(Spanned::span);
        let lists = [&raw.password_command, &raw.token_command].into_iter().flatten().map(Spanned::span);
        match places.chain(lists).next() {
            Some(span) => self.checker.invalid(&Spanned::new(span, ()), text),
            None => ConfigError::Invalid(self.checker.path.to_owned(), None, text),
        }
    }

    fn secrets(&self) -> Result<Vec<(&'static str, SecretSource)>, ConfigError> {
        let mut found = Vec::new();
        if let Some(command) = self.checker.argv("password_command", self.raw.password_command.as_ref())? {
            found.push(("password_command", SecretSource::PasswordCommand(command)));
        }
        if let Some(path) = &self.raw.password_file {
            let path = self.checker.path_beside("password_file", path)?;
            found.push(("password_file", SecretSource::PasswordFile(path)));
        }
        if let Some(name) = &self.raw.password_credential {
            let text = name.get_ref();
            if text.is_empty() || text.contains(['/', '\0']) || text.starts_with('.') {
                return Err(self.checker.invalid(name, "password_credential is not the name of a credential"));
            }
            found.push(("password_credential", SecretSource::Credential(text.clone())));
        }
        if let Some(command) = self.checker.argv("token_command", self.raw.token_command.as_ref())? {
            found.push(("token_command", SecretSource::TokenCommand(command)));
        }
        Ok(found)
    }

    fn mechanisms(&self, token: bool) -> Result<Vec<Mechanism>, ConfigError> {
        let usable: Vec<Mechanism> =
            Mechanism::ALL.into_iter().filter(|mechanism| mechanism.takes_token() == token).collect();
        let Some(written) = &self.raw.auth else { return Ok(usable) };
        let words: Vec<&str> = usable.iter().map(|mechanism| mechanism.word()).collect();
        let parse = |word: &String| {
            Mechanism::parse(word).filter(|mechanism| usable.contains(mechanism)).ok_or_else(|| {
                let with = if token { "token_command" } else { "a password" };
                let text = format!("auth has {}; with {with} give {}", quoted(word), words.join(", "));
                self.checker.invalid(written, text)
            })
        };
        let chosen: Vec<Mechanism> = written.get_ref().iter().map(parse).collect::<Result<_, _>>()?;
        if chosen.is_empty() {
            return Err(self.checker.invalid(written, "auth is empty; name a mechanism, or remove user"));
        }
        Ok(chosen)
    }

    fn max_messages(&self) -> Result<u32, ConfigError> {
        let Some(written) = &self.raw.max_messages else { return Ok(DEFAULT_MAX_MESSAGES) };
        let number = u32::try_from(*written.get_ref()).ok().filter(|number| *number > 0);
        number.ok_or_else(|| self.checker.invalid(written, "max_messages must be at least 1"))
    }

    fn idle(&self) -> Result<Duration, ConfigError> {
        let idle = self.checker.duration("idle", self.raw.idle.as_ref(), DEFAULT_IDLE)?;
        match &self.raw.idle {
            Some(written) if idle > LONGEST_IDLE => Err(self.checker.invalid(written, "idle must be at most 5m")),
            _ => Ok(idle),
        }
    }

    fn tls(&self) -> Result<TlsSettings, ConfigError> {
        let raw = self.raw;
        let policy = raw.tls.as_ref().map(|written| {
            let found = TlsPolicy::ALL.into_iter().find(|policy| policy.word() == written.get_ref());
            let text = "tls must be \"required\", \"opportunistic\" or \"off\"";
            found.ok_or_else(|| self.checker.invalid(written, text))
        });
        let path = |key, written: &Option<Spanned<String>>| -> Result<Option<PathBuf>, ConfigError> {
            written.as_ref().map(|written| self.checker.path_beside(key, written)).transpose()
        };
        let client = match (path("tls_cert", &raw.tls_cert)?, path("tls_key", &raw.tls_key)?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                let text = "tls_cert and tls_key belong together; set both";
                let at = raw.tls_cert.as_ref().or(raw.tls_key.as_ref());
                return Err(at.map_or_else(|| self.invalid(text.to_owned()), |at| self.checker.invalid(at, text)));
            }
        };
        let pins = raw.tls_pin.as_ref().map_or(Ok(Vec::new()), |written| {
            written.get_ref().iter().map(|text| servers::pin(self.checker, written, text)).collect()
        })?;
        if let Some(ca) = raw.tls_ca.as_ref().filter(|_| !pins.is_empty()) {
            return Err(self.checker.invalid(ca, "tls_ca has no effect with tls_pin; remove one of them"));
        }
        Ok(TlsSettings { policy: policy.transpose()?, ca: path("tls_ca", &raw.tls_ca)?, pins, client })
    }

    /// Checks that policy, servers and keys fit together.
    fn check_tls(&self, settings: &ClientSettings) -> Result<(), ConfigError> {
        let raw = self.raw;
        let policies: Vec<TlsPolicy> = settings.servers.iter().map(|server| settings.tls_policy(server)).collect();
        if let (Some(written), Some(policy)) = (&raw.tls, settings.tls.policy) {
            let at_once = |server: &Server| matches!(server, Server::Host { begin: TlsBegin::AtOnce, .. });
            let no_host = |server: &Server| !matches!(server, Server::Host { .. });
            if policy != TlsPolicy::Required && settings.servers.iter().any(at_once) {
                return Err(self.checker.invalid(written, "smtps: always uses TLS; use smtp:, or remove tls"));
            }
            if policy != TlsPolicy::Off && settings.servers.iter().any(no_host) {
                return Err(self.checker.invalid(written, "TLS is not used with unix: and session; remove tls"));
            }
            if policy == TlsPolicy::Opportunistic && settings.login.is_some() {
                let text = "a password needs a server that is known; set tls to \"required\"";
                return Err(self.checker.invalid(written, text));
            }
        }
        if !policies.contains(&TlsPolicy::Required) {
            let text = |key: &str| format!("{key} has no effect without tls = \"required\"; remove it");
            refuse(self.checker, raw.tls_ca.as_ref(), &text("tls_ca"))?;
            refuse(self.checker, raw.tls_pin.as_ref(), &text("tls_pin"))?;
        }
        if policies.iter().all(|policy| *policy == TlsPolicy::Off) {
            refuse(self.checker, raw.tls_cert.as_ref(), "tls_cert has no effect without TLS; remove it")?;
        } else if !cfg!(feature = "tls") {
            let text = format!("transport {} needs TLS, and this mspool was built without it", self.name);
            let at = raw.smtp.as_ref().or(raw.lmtp.as_ref());
            return Err(at.map_or_else(|| self.invalid(text.clone()), |at| self.checker.invalid(at, text.clone())));
        }
        Ok(())
    }
}
