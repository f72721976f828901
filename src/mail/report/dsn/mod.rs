//! Outgoing delivery status notifications on this spool's deliveries (RFC 3464).

pub mod content;
mod human;
mod render;
pub mod returned;
