//! Transports, sources, hooks and filters: runs of other programs, and delivery to Maildirs. Independent of the spool.

pub mod answer;
pub mod argv;
pub mod beside;
pub mod command;
pub mod configured;
pub mod deliver;
mod environment;
pub mod exits;
pub mod filters;
pub mod finished;
pub mod hand_off;
pub mod hook;
pub mod maildir;
pub mod notify;
pub mod placeholder;
pub mod program;
mod remote_id;
pub mod smtp;
pub mod source;
pub mod transport;
