//! The configuration as the verbs see it: checked, complete, every default filled in.

use std::path::PathBuf;
use std::time::Duration;

use crate::agents::transport::Transport;
use crate::mail::address::{Address, Sender};
use crate::mail::route;
use crate::mail::schedule::Schedule;

/// Everything that was configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The spool's absolute path.
    pub spool: PathBuf,
    /// This host's name in ids and Message-IDs.
    pub hostname: String,
    /// The envelope sender of mail that comes without one.
    pub sender: Option<Sender>,
    /// How the queue is kept.
    pub queue: Queue,
    /// The transports, in the order in which they are asked.
    pub transports: Vec<Transport>,
    /// Where this comes from.
    pub source: Source,
    /// True when no transport was written down, and only this host's own mail can be delivered.
    pub bare: bool,
    /// Keys that were written and have no effect yet.
    pub reserved: Vec<&'static str>,
}

/// How the queue is kept.
#[derive(Clone, Debug)]
pub struct Queue {
    /// How long a message is tried.
    pub lifetime: Duration,
    /// When it is tried again.
    pub retry: Schedule,
    /// How long finished mail is kept.
    pub keep_sent: Duration,
    /// How long mail that failed is kept.
    pub keep_failed: Duration,
    /// Largest message taken, in bytes.
    pub message_limit: u64,
    /// Free bytes below which no mail is taken.
    pub reserve: u64,
}

/// Where the settings come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// This file.
    File(PathBuf),
    /// There is none; this is where the first one looked for would be.
    BuiltIn(PathBuf),
}

impl Settings {
    /// The place of the transport with this name.
    pub fn transport(&self, name: &str) -> Option<usize> {
        self.transports.iter().position(|transport| transport.name == name)
    }

    /// Who is asked to take an address, first to last; the sender may have named the only one.
    pub fn candidates(&self, address: &Address, named: Option<&str>) -> Vec<usize> {
        match named {
            Some(name) => self.transport(name).into_iter().collect(),
            None => route::candidates(self.transports.iter().map(|transport| &transport.claims), address),
        }
    }
}
