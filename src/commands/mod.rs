//! Commands, one module each: read the options, call the lower modules, print the results. No command imports another.

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
