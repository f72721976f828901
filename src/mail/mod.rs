//! Mail as plain values, without files, processes or a clock.

pub mod address;
pub mod envelope;
pub mod history;
pub mod message;
pub mod report;
pub mod status;
