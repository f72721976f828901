//! Delivery status notifications: reports on our own deliveries (RFC 3464).

pub mod content;
mod human;
mod render;
pub mod returned;
