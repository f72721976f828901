//! Reports about mail: outgoing DSNs, and incoming bounces, DSNs and MDNs.

pub mod bounce;
pub mod dsn;
pub mod proof;
