//! The configuration file: found, trusted, read, checked. The only home of `toml`.

mod addresses;
mod assemble;
mod checker;
pub mod error;
pub mod keys;
pub mod load;
pub mod locations;
mod queue;
mod raw;
mod received;
mod reports;
mod transport;
