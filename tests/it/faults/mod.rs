//! Faults at every system call: the program is killed, or a call fails, at one point after the other, and after each
//! of them nothing may be lost, delivered twice or told wrongly.
//!
//! A test goes through a sample of the points of one command. `MSPOOL_FAULTS=N` goes through every N-th point of a far
//! larger set instead: more kinds of calls, more errors, once and for ever. `.ci/faults` runs all of them.

mod campaign;
mod cases;
mod oracle;
mod stage;
mod tracer;
