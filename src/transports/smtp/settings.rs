//! Configured servers of a transport, and how they are talked to.

use std::path::PathBuf;
use std::time::Duration;

use crate::transports::smtp::login::Mechanism;
use crate::transports::smtp::transaction::Protocol;

/// Settings of a transport that mspool's own client serves.
#[derive(Clone, Debug, Hash)]
pub struct ClientSettings {
    /// Protocol.
    pub protocol: Protocol,
    /// Servers, tried in this order.
    pub servers: Vec<Server>,
    /// Use of TLS.
    pub tls: TlsSettings,
    /// Login, if there is one.
    pub login: Option<LoginSettings>,
    /// Name of this host in EHLO.
    pub helo: String,
    /// Most messages of one session.
    pub max_messages: u32,
    /// Time after which an unused session is closed.
    pub idle: Duration,
    /// Longest wait for a server, in place of a longer one of RFC 5321.
    pub timeout: Duration,
    /// Environment of the commands that the client runs.
    pub env: Vec<(String, String)>,
}

/// Server, or a way to one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// Host and port.
    Host {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
        /// Beginning of TLS.
        begin: TlsBegin,
    },
    /// Unix socket.
    Unix(PathBuf),
    /// Standard input and output of a command.
    Command(Vec<String>),
}

/// Beginning of TLS on a connection to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsBegin {
    /// By STARTTLS (`smtp:`, `lmtp:`).
    Command,
    /// At once (`smtps:`).
    AtOnce,
}

/// Use of TLS with the servers of a transport.
#[derive(Clone, Debug, Hash)]
pub struct TlsSettings {
    /// Policy as configured; `None` is the default for the server.
    pub policy: Option<TlsPolicy>,
    /// File with the certificates of the trusted issuers, in place of those of the system.
    pub ca: Option<PathBuf>,
    /// SHA-256 of the accepted keys (DER, SubjectPublicKeyInfo), in place of a trusted issuer.
    pub pins: Vec<[u8; 32]>,
    /// Files with the certificate chain and the key of this client.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Policy for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsPolicy {
    /// No mail without TLS and a valid certificate.
    Required,
    /// TLS where the server offers it, with any certificate.
    Opportunistic,
    /// No TLS.
    Off,
}

impl TlsPolicy {
    /// Every policy, in the order of the manual.
    pub const ALL: [TlsPolicy; 3] = [TlsPolicy::Required, TlsPolicy::Opportunistic, TlsPolicy::Off];

    /// Returns the word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            TlsPolicy::Required => "required",
            TlsPolicy::Opportunistic => "opportunistic",
            TlsPolicy::Off => "off",
        }
    }
}

/// Login at the servers of a transport.
#[derive(Clone, Debug, Hash)]
pub struct LoginSettings {
    /// User name.
    pub user: String,
    /// Source of the password or token.
    pub secret: SecretSource,
    /// Mechanisms, in the order of preference.
    pub mechanisms: Vec<Mechanism>,
}

/// Source of a password or an access token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// First line that this command prints (`password_command`).
    PasswordCommand(Vec<String>),
    /// First line of this file, which only its owner may read (`password_file`).
    PasswordFile(PathBuf),
    /// First line of a systemd credential (`password_credential`).
    Credential(String),
    /// First line that this command prints; a second line has the seconds for which the token is valid (`token_command`).
    TokenCommand(Vec<String>),
}

impl Server {
    /// True if the server is on this host for sure: a Unix socket, or a loopback address.
    pub fn is_local(&self) -> bool {
        match self {
            Server::Unix(_) => true,
            Server::Host { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
            }
            Server::Command(_) => false,
        }
    }

    /// Returns the name of the server for messages: `HOST:PORT`, the path, or the program.
    pub fn name(&self) -> String {
        match self {
            Server::Host { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Server::Host { host, port, .. } => format!("{host}:{port}"),
            Server::Unix(path) => path.display().to_string(),
            Server::Command(argv) => argv.first().cloned().unwrap_or_default(),
        }
    }
}

impl ClientSettings {
    /// Returns the TLS policy for a server: as configured, else `required` except for servers on this host and commands.
    pub fn tls_policy(&self, server: &Server) -> TlsPolicy {
        match (self.tls.policy, server) {
            (Some(policy), _) => policy,
            (None, Server::Host { begin: TlsBegin::AtOnce, .. }) => TlsPolicy::Required,
            (None, Server::Command(_)) => TlsPolicy::Off,
            (None, server) if server.is_local() => TlsPolicy::Off,
            (None, _) => TlsPolicy::Required,
        }
    }

    /// True if every server is on this host for sure.
    pub fn is_local(&self) -> bool {
        self.servers.iter().all(Server::is_local)
    }

    /// True if a password crosses the network unencrypted.
    pub fn sends_password_unencrypted(&self) -> bool {
        let is_open = |server: &Server| {
            matches!(server, Server::Host { .. }) && !server.is_local() && self.tls_policy(server) == TlsPolicy::Off
        };
        self.login.is_some() && self.servers.iter().any(is_open)
    }

    /// Returns the word for the kind of transport.
    pub fn kind(&self) -> &'static str {
        match self.protocol {
            Protocol::Smtp => "smtp",
            Protocol::Lmtp => "lmtp",
        }
    }

    /// Returns every command that the client runs.
    pub fn commands(&self) -> Vec<&[String]> {
        let sessions = self.servers.iter().filter_map(|server| match server {
            Server::Command(argv) => Some(argv.as_slice()),
            Server::Host { .. } | Server::Unix(_) => None,
        });
        let secret = self.login.as_ref().and_then(|login| match &login.secret {
            SecretSource::PasswordCommand(argv) | SecretSource::TokenCommand(argv) => Some(argv.as_slice()),
            SecretSource::PasswordFile(_) | SecretSource::Credential(_) => None,
        });
        sessions.chain(secret).collect()
    }
}
