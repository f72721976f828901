//! The commands, one file each: read the options, call the modules below, print. No command imports another.

pub mod cancel;
pub mod enqueue;
pub mod flush;
pub mod hold;
pub mod init;
pub mod receive;
pub mod release;
pub mod report;
pub mod resend;
pub mod sendmail;
pub mod watch;
