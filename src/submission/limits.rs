//! Limits on what is taken: the size of a message, the room on the spool's filesystem.

use anyhow::Result;

use crate::exit::{RefusalKind, refuse};
use crate::session::Session;
use crate::spool::Spool;
use crate::spool::draft::Draft;
use crate::submission::input::MessageInput;

/// Free inodes below which no mail is taken.
const INODE_RESERVE: u64 = 1000;

/// Refuses mail while too little room is left.
pub fn check_room(session: &Session, spool: &Spool) -> Result<()> {
    let room = spool.room()?;
    let reserve = session.settings.queue.reserve;
    if room.bytes < reserve {
        return refuse(
            RefusalKind::NoRoom,
            format!(
                "too little space: {} bytes are free on the spool's filesystem, and {reserve} must stay free; nothing was queued",
                room.bytes
            ),
        );
    }
    match room.inodes {
        Some(inodes) if inodes < INODE_RESERVE => refuse(
            RefusalKind::NoRoom,
            format!("too few inodes: {inodes} are free on the spool's filesystem; nothing was queued"),
        ),
        _ => Ok(()),
    }
}

/// Copies what is left of an input into a draft, within the limit.
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

/// Refuses a message that is too large.
pub fn check_size(size: u64, limit: u64) -> Result<()> {
    if size > limit {
        return refuse(
            RefusalKind::TooLarge,
            format!("the message is larger than message_limit, {limit} bytes; nothing was queued"),
        );
    }
    Ok(())
}
