//! Client of SMTP and LMTP: relays and delivery agents that mspool talks to itself.

pub mod capabilities;
pub mod conversation;
#[cfg(test)]
mod conversation_tests;
pub mod envelope;
pub mod login;
pub mod reply;
mod scram;
pub mod text;
pub mod transaction;
