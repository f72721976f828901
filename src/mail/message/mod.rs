//! Content of a message: header, MIME encodings, mbox files, and folders for received mail.

pub mod class;
pub mod completion;
pub mod folder;
pub mod header;
pub mod mbox;
pub mod mime;
