//! Console output: text, JSON and progress.

pub mod arrivals;
pub mod console;
pub mod mode;
pub mod observer;
pub mod per_id;
pub mod print;
