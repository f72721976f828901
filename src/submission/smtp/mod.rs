//! SMTP and LMTP on standard input and output: the server's side.

pub mod command;
pub mod reply;
pub mod server;
pub mod wire;
