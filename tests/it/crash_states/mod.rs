//! Power cuts at every step of a command, with every state of the disk that they may leave.
//!
//! strace(1) records what one run does to the spool. A cut may come after each step; what was synced before is on the
//! disk, and of the rest any part: a name, the length of a file, a block of it. Each state is made, recovered by `flush`,
//! and judged by what the command had told before the cut.
//!
//! `MSPOOL_STATES=N` goes through up to N states of each case instead of a sample.

mod cases;
mod disk;
mod image;
mod oracle;
mod stage;
mod trace;
