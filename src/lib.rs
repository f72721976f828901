//! mspool, a store-and-forward mail spooler: when a messaging system is away it keeps the mail, and forwards it later.
//!
//! `ARCHITECTURE.md` describes the modules, the spool and the invariants, and has recipes for common changes.
//! In short:
//!
//! - The directory of a message file is the durable state of the message; a lock on the file means that a run is working
//!   on it. The content of a message file is never modified; its events are marks in its name, or records in a log ([`spool`]).
//! - Every change of state consumes a [`spool::claim::Claim`].
//! - A result that is not durable has no consequences: no report, no move (`delivery/commit.rs`).
//! - Only a clear answer settles a recipient. Without one the recipient is still owed ([`mail::history`]).
//!
//! Layers, from low to high. A module uses only lower layers; those on one line do not use each other. A test checks
//! this and the home of every third-party crate.
//!
//! ```text
//! cli                                clap: options, dispatch, usage errors
//! config                             the configuration file (toml)
//! commands                           one file a command, none uses another
//! inbox                              received mail: hooks, folders, incoming reports, notification
//! delivery                           runs: planning, scheduling, hand-offs, commits, reports to senders
//! submission                         new messages: header, envelope, aliases, SMTP server
//! session                            settings, clock and ids of one invocation
//! settings                           the configuration as values
//! spool · transports · output, exit  the spool on disk · other programs, Maildirs, servers · the terminal
//! mail                               addresses, envelopes, histories, headers, reports, as plain values
//! sys · values                       the operating system · values that are independent of mail
//! ```

pub mod cli;
pub mod commands;
pub mod config;
pub mod delivery;
pub mod exit;
pub mod inbox;
pub mod mail;
pub mod output;
pub mod session;
pub mod settings;
pub mod spool;
pub mod submission;
pub mod sys;
pub mod transports;
pub mod values;
