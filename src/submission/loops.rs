//! Mail that comes round again, and when it is stopped.

use anyhow::Result;

use crate::mail::envelope::id::QueueId;
use crate::mail::message::header::Header;
use crate::spool::{QueueState, Spool};

use crate::exit::{RefusalKind, refuse};

/// `Received` fields at which a message is taken to be going round in circles (RFC 5321 section 6.3).
const MOST_RECEIVED: usize = 100;

/// Times that our own commands may hand the same message to us again.
const MOST_HOPS: u32 = 30;

/// Refuses a message that too many systems have handled.
pub fn check_received(header: Option<&Header<'_>>) -> Result<()> {
    let received = header.map_or(0, |header| header.all("Received").count());
    if received >= MOST_RECEIVED {
        return refuse(
            RefusalKind::MailLoop,
            format!("mail loop: the message has {received} Received fields; it was not taken"),
        );
    }
    Ok(())
}

/// How often a message has been here that a command of ours, a transport or a hook, hands to us.
pub fn inherited(spool: &Spool) -> Result<u32> {
    let same = std::env::var_os("MSPOOL_SPOOL").is_some_and(|path| path == spool.path());
    let id = std::env::var("MSPOOL_ID").ok().filter(|_| same).and_then(|text| QueueId::parse(&text).ok());
    let Some(id) = id else { return Ok(0) };
    let received = || Ok::<_, anyhow::Error>(spool.find_received(&id)?.map(|name| (QueueState::Received, name)));
    let found = match spool.find(&id)? {
        None => received()?,
        found => found,
    };
    let Some((state, name)) = found else { return Ok(1) };
    let hops = spool.read(state, &name).map_or(0, |message| message.envelope.hops) + 1;
    if hops > MOST_HOPS {
        return refuse(
            RefusalKind::MailLoop,
            format!("mail loop: the message was handed back {hops} times; it was not taken"),
        );
    }
    Ok(hops)
}
