//! Pure values without a word about mail: times, schedules, digests, words of a shell, text that is safe to print.

pub mod digest;
pub mod printable;
pub mod quoting;
pub mod schedule;
pub mod shell;
pub mod spelling;
pub mod table;
pub mod time;
