//! Floor 3: running other programs and filing in mailboxes. Knows nothing of the spool.

pub mod child;
pub mod command;
pub mod hook;
pub mod inbound;
pub mod maildir;
pub mod notice;
pub mod preprocess;
pub mod smtp;
pub mod transport;
