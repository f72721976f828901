//! SMTP and LMTP as spoken to a submitter (RFC 5321, RFC 2033): commands, replies, lines and text. Knows nothing of what
//! becomes of the mail.

pub mod command;
pub mod reply;
pub mod wire;
