//! Opening of a session: every address of every server, TLS, login.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::sys;
use crate::sys::error::reason_text;
use crate::sys::name_service;
use crate::transports::answer::{BrokenTransport, TroubleKind};
use crate::transports::program::ProgramControl;
use crate::transports::smtp::channel::{ChannelState, TlsKeys};
use crate::transports::smtp::client::{ServerSession, SessionFailure};
use crate::transports::smtp::conversation::{Conversation, ConversationEvent, OpeningRules, StartTlsRule};
use crate::transports::smtp::link::{Link, TransferGoal};
use crate::transports::smtp::login::{Credentials, Mechanism};
use crate::transports::smtp::secret::{self, TokenCache};
use crate::transports::smtp::settings::{ClientSettings, LoginSettings, Server, TlsBegin, TlsPolicy};

/// Time to connect to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(120);

/// Means by which sessions of one transport are opened.
#[derive(Clone, Copy, Debug)]
pub struct SessionOpener<'a> {
    /// Settings of the transport.
    pub settings: &'a ClientSettings,
    /// Keys and trusted issuers.
    pub keys: &'a TlsKeys,
    /// Access tokens.
    pub tokens: &'a TokenCache,
    /// Conditions under which commands run.
    pub control: ProgramControl<'a>,
}

impl SessionOpener<'_> {
    /// Opens a session with the first server that works. A refused login ends the search: to try the same password
    /// elsewhere could lock the account.
    ///
    /// # Errors
    /// The reasons of all servers.
    pub fn open(&self) -> Result<ServerSession, SessionFailure> {
        let mut reasons: Vec<String> = Vec::new();
        for server in &self.settings.servers {
            let addresses = match self.addresses(server) {
                Ok(addresses) => addresses,
                Err(error) => {
                    reasons.push(format!("{}: {}", server.name(), reason_text(&error)));
                    continue;
                }
            };
            for address in addresses {
                match self.open_at(server, address.as_ref()) {
                    Ok(session) => return Ok(session),
                    Err(SessionFailure::Trouble(trouble)) if trouble.kind == TroubleKind::Broken => {
                        if !reasons.contains(&trouble.text) {
                            reasons.push(trouble.text);
                        }
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        Err(SessionFailure::Trouble(BrokenTransport { kind: TroubleKind::Broken, text: reasons.join("; ") }))
    }

    /// Returns the addresses of a server; a single `None` for one that has no address of the network.
    fn addresses(&self, server: &Server) -> io::Result<Vec<Option<SocketAddr>>> {
        let Server::Host { host, port, .. } = server else { return Ok(vec![None]) };
        let found = name_service::host_addresses(host)?;
        Ok(found.into_iter().map(|address| Some(SocketAddr::new(address, *port))).collect())
    }

    fn open_at(&self, server: &Server, address: Option<&SocketAddr>) -> Result<ServerSession, SessionFailure> {
        let name = match address {
            Some(address) if server.name() != address.to_string() => format!("{} ({})", server.name(), address.ip()),
            _ => server.name(),
        };
        let broken = |text: String| {
            SessionFailure::Trouble(BrokenTransport { kind: TroubleKind::Broken, text: format!("{name}: {text}") })
        };
        let timeout = self.settings.timeout;
        let linked = match (server, address) {
            (Server::Unix(path), _) => Link::unix(path),
            (Server::Command(argv), _) => Link::command(argv, &self.settings.env, self.control),
            (Server::Host { .. }, Some(address)) => Link::tcp(address, CONNECT_TIMEOUT.min(timeout)),
            (Server::Host { .. }, None) => Err(io::Error::other("the name has no address")),
        };
        let link = linked.map_err(|error| broken(reason_text(&error)))?;
        let conversation = Conversation::new(self.rules(server));
        let mut session = ServerSession { link, conversation, server: name.clone(), timeout, messages: 0 };
        if matches!(server, Server::Host { begin: TlsBegin::AtOnce, .. }) {
            self.start_tls(&mut session, server)?;
        }
        loop {
            match session.next_event(self.control)? {
                ConversationEvent::StartTls => {
                    self.start_tls(&mut session, server)?;
                    session.conversation.tls_established();
                }
                ConversationEvent::Login(mechanism) => {
                    let Some(login) = &self.settings.login else {
                        return Err(broken("the server asks for a login, and none is configured".to_owned()));
                    };
                    let credentials = self.credentials(login, server).map_err(broken)?;
                    session.conversation.log_in(mechanism, credentials);
                    if let Err(failure) = self.finish_login(&mut session) {
                        self.tokens.forget(&login.secret);
                        return Err(failure);
                    }
                    return Ok(session);
                }
                ConversationEvent::Ready => return Ok(session),
                ConversationEvent::Wait(_) | ConversationEvent::SendText | ConversationEvent::Finished(_) => {}
            }
        }
    }

    fn finish_login(&self, session: &mut ServerSession) -> Result<(), SessionFailure> {
        while !matches!(session.next_event(self.control)?, ConversationEvent::Ready) {}
        Ok(())
    }

    fn rules(&self, server: &Server) -> OpeningRules {
        let starttls = match (server, self.settings.tls_policy(server)) {
            (Server::Host { begin: TlsBegin::AtOnce, .. }, _) | (_, TlsPolicy::Off) => StartTlsRule::Unused,
            (_, TlsPolicy::Opportunistic) => StartTlsRule::WhenOffered,
            (_, TlsPolicy::Required) => StartTlsRule::Required,
        };
        let mechanisms: Vec<Mechanism> =
            self.settings.login.iter().flat_map(|login| login.mechanisms.clone()).collect();
        OpeningRules { protocol: self.settings.protocol, helo: self.settings.helo.clone(), starttls, mechanisms }
    }

    fn start_tls(&self, session: &mut ServerSession, server: &Server) -> Result<(), SessionFailure> {
        let Server::Host { host, .. } = server else { return Ok(()) };
        let policy = self.settings.tls_policy(server);
        let begun = self.keys.begin(&self.settings.tls, policy, host, self.control.trust);
        session.link.set_channel(begun.map_err(|text| {
            let text = format!("{}: {text}", session.server);
            SessionFailure::Trouble(BrokenTransport { kind: TroubleKind::Broken, text })
        })?);
        let limit = HANDSHAKE_TIMEOUT.min(self.settings.timeout);
        while session.link.channel().state() == ChannelState::Handshaking {
            let early = session.transfer(TransferGoal::Received, limit, self.control)?;
            session.conversation.receive(&early);
        }
        Ok(())
    }

    fn credentials(&self, login: &LoginSettings, server: &Server) -> Result<Credentials, String> {
        let secret = secret::read(&login.secret, &self.settings.env, self.control, self.tokens)?;
        let server = match server {
            Server::Host { host, port, .. } => (host.clone(), *port),
            Server::Unix(_) | Server::Command(_) => ("localhost".to_owned(), 25),
        };
        let bytes = sys::random_bytes().map_err(|error| format!("no random bytes: {}", reason_text(&error)))?;
        let nonce = bytes.iter().take(18).map(|byte| format!("{byte:02x}")).collect();
        Ok(Credentials { user: login.user.clone(), secret, server, nonce })
    }
}
