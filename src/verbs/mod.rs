//! Floor 4: the verbs. They introduce the spool to the transports.

pub mod enqueue;
pub mod exit;
pub mod flush;
pub mod hops;
pub mod init;
pub mod operate;
pub mod receive;
pub mod report;
pub mod resend;
pub mod resolve;
pub mod say;
pub mod sendmail;
pub mod session;
pub mod settings;
pub mod smtp;
pub mod watch;
