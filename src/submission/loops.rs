//! Detection of mail loops.

use anyhow::Result;

use crate::mail::envelope::id::QueueId;
use crate::mail::message::header::Header;
use crate::spool::{QueueState, Spool};

use crate::exit::{RefusalKind, refuse};

/// Number of `Received` fields that indicates a mail loop (RFC 5321, section 6.3).
const MAX_RECEIVED_FIELDS: usize = 100;

/// Maximum number of times that commands of this spool may submit the same message to it again.
const MAX_HOPS: u32 = 30;

/// Refuses a message that too many systems have handled.
///
/// # Errors
///
/// A refusal with [`RefusalKind::MailLoop`].
pub fn check_received(header: Option<&Header<'_>>) -> Result<()> {
    let received = header.map_or(0, |header| header.all("Received").count());
    if received >= MAX_RECEIVED_FIELDS {
        return refuse(
            RefusalKind::MailLoop,
            format!("mail loop: the message has {received} Received fields; nothing was queued"),
        );
    }
    Ok(())
}

/// Returns the number of times that the message was already in this spool, if a transport or a hook of this spool submits
/// it; otherwise 0.
///
/// # Errors
///
/// A refusal with [`RefusalKind::MailLoop`] after 30 times; an error of the spool.
pub fn inherited(spool: &Spool) -> Result<u32> {
    let is_same_spool = std::env::var_os("MSPOOL_SPOOL").is_some_and(|path| path == spool.path());
    let id = std::env::var("MSPOOL_ID").ok().filter(|_| is_same_spool).and_then(|text| QueueId::parse(&text).ok());
    let Some(id) = id else { return Ok(0) };
    let received = || Ok::<_, anyhow::Error>(spool.find_received(&id)?.map(|name| (QueueState::Received, name)));
    let found = match spool.find(&id)? {
        None => received()?,
        found => found,
    };
    let Some((state, name)) = found else { return Ok(1) };
    let hops = spool.read(state, &name).map_or(0, |message| message.envelope.hops) + 1;
    if hops > MAX_HOPS {
        return refuse(
            RefusalKind::MailLoop,
            format!("mail loop: the message was submitted to this spool {hops} times; nothing was queued"),
        );
    }
    Ok(hops)
}
