//! General-purpose values, independent of mail: times, retry schedules, digests, shell words, printable text.

pub mod checksum;
pub mod digest;
pub mod plural;
pub mod printable;
pub mod quoting;
pub mod schedule;
pub mod shell;
pub mod spelling;
pub mod table;
pub mod time;
