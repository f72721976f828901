//! Running other programs and filing in Maildirs. Knows nothing of the spool.

pub mod answer;
pub mod argv;
pub mod beside;
pub mod command;
pub mod configured;
pub mod deliver;
mod environment;
pub mod filters;
pub mod hand_off;
pub mod hook;
pub mod maildir;
pub mod notify;
pub mod placeholder;
pub mod program;
pub mod source;
pub mod transport;
