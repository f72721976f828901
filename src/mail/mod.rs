//! Floor 1: mail as pure values. No files, no processes, no clock.

pub mod address;
pub mod address_list;
pub mod answer;
pub mod argv;
pub mod bounce;
pub mod class;
pub mod dsn;
pub mod envelope;
pub mod file_name;
pub mod folder;
pub mod header;
pub mod history;
pub mod id;
pub mod mbox;
pub mod mime;
pub mod pattern;
pub mod printable;
pub mod recipient;
pub mod request;
pub mod route;
pub mod schedule;
pub mod shell;
pub mod spelling;
pub mod status;
pub mod time;
