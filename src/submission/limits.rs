//! Limits for accepted mail: the size of a message, and the free space on the filesystem of the spool.

use anyhow::Result;

use crate::exit::{RefusalKind, refuse};
use crate::session::Session;
use crate::spool::Spool;
use crate::spool::draft::Draft;
use crate::submission::input::MessageInput;
use crate::values::plural::counted;

/// Number of free inodes below which no mail is accepted.
const INODE_RESERVE: u64 = 1000;

/// Refuses mail if the filesystem of the spool has too little space or too few inodes.
///
/// # Errors
///
/// A refusal with [`RefusalKind::NoRoom`]; an error if the free space is unknown.
pub fn check_room(session: &Session, spool: &Spool) -> Result<()> {
    let room = spool.room()?;
    let reserve = session.settings.queue.reserve;
    if room.bytes < reserve {
        return refuse(
            RefusalKind::NoRoom,
            format!(
                "too little space on the filesystem of the spool: {} free, {reserve} reserved; nothing was queued",
                counted(room.bytes, "byte")
            ),
        );
    }
    match room.inodes {
        Some(inodes) if inodes < INODE_RESERVE => refuse(
            RefusalKind::NoRoom,
            format!(
                "too few inodes on the filesystem of the spool: {inodes} free, {INODE_RESERVE} reserved; nothing was queued"
            ),
        ),
        _ => Ok(()),
    }
}

/// Copies the rest of an input into a draft of at most `limit` bytes.
///
/// # Errors
///
/// A refusal with [`RefusalKind::TooLarge`]; an error of the input or of the spool.
pub fn copy_rest(input: &mut dyn MessageInput, draft: &mut Draft<'_>, limit: u64) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        check_size(draft.size(), limit)?;
        let count = input.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        draft.write(&buffer[..count])?;
    }
}

/// Refuses a message of more than `limit` bytes.
///
/// # Errors
///
/// A refusal with [`RefusalKind::TooLarge`].
pub fn check_size(size: u64, limit: u64) -> Result<()> {
    if size > limit {
        return refuse(
            RefusalKind::TooLarge,
            format!("the message is larger than message_limit, {limit} bytes; nothing was queued"),
        );
    }
    Ok(())
}
