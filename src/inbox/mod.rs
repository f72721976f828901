//! Inbox: accepting, classifying and filing received mail, and polling of sources.

pub mod accept;
pub mod attempt;
pub mod classify;
pub mod correlate;
pub mod fetch;
pub mod file;
pub mod hooks;
pub mod in_place;
pub mod pending;
