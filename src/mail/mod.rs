//! Mail as pure values. No files, no processes, no clock.

pub mod address;
pub mod envelope;
pub mod history;
pub mod message;
pub mod report;
pub mod status;
