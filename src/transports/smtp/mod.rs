//! Client of SMTP and LMTP: relays and delivery agents that mspool talks to itself.

pub mod capabilities;
#[cfg(feature = "tls")]
mod certificate;
pub mod channel;
pub mod client;
pub mod conversation;
#[cfg(test)]
mod conversation_tests;
pub mod deliver;
pub mod envelope;
pub mod link;
pub mod login;
pub mod open;
pub mod pool;
pub mod pools;
pub mod probe;
pub mod reply;
mod scram;
pub mod secret;
pub mod settings;
pub mod text;
#[cfg(feature = "tls")]
pub mod tls;
pub mod transaction;
pub mod turn;
