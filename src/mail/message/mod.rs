//! The message itself: its header, the encodings of MIME, mbox files, and where received mail is filed.

pub mod class;
pub mod completion;
pub mod folder;
pub mod header;
pub mod mbox;
pub mod mime;
