//! Delivery by a transport: dispatch to its method, through its filters.

use crate::transports::answer::HandOffResult;
use crate::transports::command;
use crate::transports::filters;
use crate::transports::hand_off::HandOff;
use crate::transports::maildir;
use crate::transports::program::ProgramControl;
use crate::transports::smtp;
use crate::transports::smtp::pools::ServerAccess;
use crate::transports::transport::{DeliveryMethod, Transport};

/// Hands a message to a transport, through its filters if it has any. Returns one result per recipient, in order.
/// `servers` keeps the sessions with servers; `on_line` gets each result line when it is complete.
pub fn deliver(
    transport: &Transport,
    hand_off: &HandOff<'_>,
    control: ProgramControl<'_>,
    servers: ServerAccess<'_>,
    on_line: &mut dyn FnMut(&str),
) -> HandOffResult {
    let mut unfiltered = |hand_off: &HandOff<'_>| match &transport.method {
        DeliveryMethod::Command { template, results, exits } => {
            command::deliver(transport, template, *results, exits, hand_off, control, on_line)
        }
        DeliveryMethod::Maildir(path) => maildir::deliver(path, hand_off),
        DeliveryMethod::Client(client) => {
            let pool = servers.sessions.pool(&transport.name, &transport.fingerprint, client, transport.parallel);
            smtp::deliver::deliver(&pool, hand_off, control, servers.turn)
        }
    };
    match hand_off.work {
        Some(work) => filters::deliver(transport, hand_off, work, control, &mut unfiltered),
        None => unfiltered(hand_off),
    }
}
