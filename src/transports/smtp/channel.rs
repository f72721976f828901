//! Channel of a connection: plain, or encrypted where mspool is built with TLS. A value: it knows no sockets.

#[cfg(feature = "tls")]
use std::sync::OnceLock;

use crate::sys::trust::Trust;
use crate::transports::smtp::settings::{TlsPolicy, TlsSettings};
#[cfg(feature = "tls")]
use crate::transports::smtp::tls::{TlsChannel, TlsContext};

/// Channel of one connection.
#[derive(Debug)]
pub enum Channel {
    /// Bytes cross the wire as they are.
    Plain,
    /// TLS.
    #[cfg(feature = "tls")]
    Tls(Box<TlsChannel>),
}

/// State of a channel after bytes of the wire were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// The handshake is not over.
    Handshaking,
    /// Data can be exchanged.
    Open,
}

/// Keys and trusted issuers of a transport, loaded when they are first needed.
#[derive(Debug, Default)]
pub struct TlsKeys {
    #[cfg(feature = "tls")]
    loaded: OnceLock<Result<TlsContext, String>>,
}

impl TlsKeys {
    /// Begins TLS with a host.
    ///
    /// # Errors
    /// A text that says which file cannot be used, or that mspool was built without TLS.
    #[cfg(feature = "tls")]
    pub fn begin(
        &self,
        settings: &TlsSettings,
        policy: TlsPolicy,
        host: &str,
        trust: &Trust,
    ) -> Result<Channel, String> {
        let context = self.loaded.get_or_init(|| TlsContext::load(settings, policy, trust));
        let context = context.as_ref().map_err(Clone::clone)?;
        Ok(Channel::Tls(Box::new(context.begin(host)?)))
    }

    /// Loads keys and issuers only to check them.
    ///
    /// # Errors
    /// A text that says which file cannot be used, and why.
    #[cfg(feature = "tls")]
    pub fn check(settings: &TlsSettings, policy: TlsPolicy, trust: &Trust) -> Result<(), String> {
        TlsContext::load(settings, policy, trust).map(|_| ())
    }

    /// Checks nothing: mspool was built without TLS, and the configuration refuses what needs it.
    ///
    /// # Errors
    /// None.
    #[cfg(not(feature = "tls"))]
    pub fn check(_: &TlsSettings, _: TlsPolicy, _: &Trust) -> Result<(), String> {
        Ok(())
    }

    /// Begins TLS with a host.
    ///
    /// # Errors
    /// Always: mspool was built without TLS.
    #[cfg(not(feature = "tls"))]
    pub fn begin(&self, _: &TlsSettings, _: TlsPolicy, _: &str, _: &Trust) -> Result<Channel, String> {
        Err("this mspool was built without TLS".to_owned())
    }
}

impl Channel {
    /// Returns the state.
    pub fn state(&self) -> ChannelState {
        match self {
            Channel::Plain => ChannelState::Open,
            #[cfg(feature = "tls")]
            Channel::Tls(channel) if channel.is_handshaking() => ChannelState::Handshaking,
            #[cfg(feature = "tls")]
            Channel::Tls(_) => ChannelState::Open,
        }
    }

    /// Moves data into the bytes for the wire.
    ///
    /// # Errors
    /// The reason why the channel cannot be used any more.
    pub fn encode(&mut self, data: &mut Vec<u8>, wire: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Channel::Plain => {
                wire.append(data);
                Ok(())
            }
            #[cfg(feature = "tls")]
            Channel::Tls(channel) => channel.encode(data, wire),
        }
    }

    /// Takes bytes of the wire, and appends the data in them.
    ///
    /// # Errors
    /// The reason why the channel cannot be used any more.
    pub fn decode(&mut self, wire: &[u8], data: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Channel::Plain => {
                data.extend_from_slice(wire);
                Ok(())
            }
            #[cfg(feature = "tls")]
            Channel::Tls(channel) => channel.decode(wire, data),
        }
    }

    /// Returns the name of the encryption, as `report check --probe` shows it.
    pub fn encryption(&self) -> Option<String> {
        match self {
            Channel::Plain => None,
            #[cfg(feature = "tls")]
            Channel::Tls(channel) => channel.version(),
        }
    }
}
