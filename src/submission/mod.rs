//! Submission: from a message and the options of its sender to a queued message.

pub mod background;
pub mod batch;
pub mod compose;
pub mod input;
pub mod limits;
pub mod loops;
pub mod options;
pub mod resolve;
pub mod smtp;
pub mod until_dot;
