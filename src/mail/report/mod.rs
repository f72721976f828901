//! Reports about mail: the DSNs that go out, and the bounces, DSNs and MDNs that come in.

pub mod bounce;
pub mod dsn;
