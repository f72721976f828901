//! Configuration file: lookup, permission check, parsing, value checks. The only module that uses `toml`.

mod addresses;
mod assemble;
mod checker;
mod client;
pub mod error;
mod explain;
pub mod keys;
pub mod load;
pub mod locations;
mod queue;
mod raw;
mod received;
mod reports;
mod servers;
mod transport;
