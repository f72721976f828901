//! SMTP and LMTP server on standard input and output.

pub mod command;
pub mod reply;
pub mod server;
pub mod wire;
