//! Trust in files: whether only the user we act as, or root, can have written them.
//!
//! One way to open what is read and to find what is executed. The owner is the user we act as or root, no other user
//! may write, and the same holds for every directory up to `/`. So no other user can replace a file between the check
//! and its use: each name leads through directories that are closed to others. Only its owner and root can.

mod accounts;
mod file;
pub mod ownership;
mod path;
mod rules;

pub use rules::Trust;
