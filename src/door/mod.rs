//! Floor 5: the door. The command line, the configuration file, the exit status.

pub mod cli;
pub mod config;
pub mod exit;
pub mod sendmail;
