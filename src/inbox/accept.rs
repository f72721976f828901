//! Acceptance of received mail: from the first byte to a durable file in `in/new`.

use anyhow::Result;

use crate::exit::{Refusal, RefusalKind, refuse};
use crate::mail::address::{Address, Sender};
use crate::mail::envelope::{Envelope, MailOrigin};
use crate::mail::message::header::{Header, HeaderField, InputSupply};
use crate::mail::report::bounce;
use crate::session::Session;
use crate::spool::Spool;
use crate::spool::draft::Draft;
use crate::submission::compose;
use crate::submission::input::{MessageHead, MessageInput};
use crate::submission::limits::{check_size, copy_rest};
use crate::values::quoting::quoted;

/// Returns the mailbox of this user at this host.
///
/// # Errors
///
/// A refusal with [`RefusalKind::Config`] if the login name or the host name cannot be part of an address.
pub fn own_mailbox(session: &Session) -> Result<Address> {
    let text = session.settings.own_address();
    Address::parse(&text).map_err(|error| {
        Refusal::new(RefusalKind::Config, format!("the mailbox {} {error}; give one with --to", quoted(&text))).into()
    })
}

/// Returns how the value of a `Received` field of this host begins.
pub fn own_trace(session: &Session) -> String {
    format!("by {} (mspool)", session.settings.hostname)
}

/// Origin of the mailbox of a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxChoice {
    /// The caller gave it with `--to`.
    Named,
    /// Default: the mailbox of this user.
    Assumed,
}

/// Refuses a message that was delivered to this mailbox before.
///
/// Delivery programs can write `Delivered-To` before they call mspool. If the caller gave the mailbox, the field alone means
/// a loop. Otherwise only a `Received` field of mspool shows that it was mspool that delivered the message.
///
/// # Errors
///
/// A refusal with [`RefusalKind::MailLoop`].
pub fn check_delivered_before(
    session: &Session,
    header: &Header<'_>,
    mailbox: &Address,
    named: MailboxChoice,
) -> Result<()> {
    let trace = own_trace(session);
    let names_mailbox =
        |field: &HeaderField<'_>| Address::parse(&field.value()).is_ok_and(|to| to.key() == mailbox.key());
    let has_own_trace = || header.all("Received").any(|field| field.value().starts_with(&trace));
    if header.all("Delivered-To").any(names_mailbox) && (named == MailboxChoice::Named || has_own_trace()) {
        return refuse(
            RefusalKind::MailLoop,
            format!(
                "mail loop: the message was already delivered to {mailbox}; if it was fetched from that mailbox, give \
                 another address with --to; nothing was received"
            ),
        );
    }
    Ok(())
}

/// Returns the envelope of a message that is received now. `hops` counts earlier passes through this spool.
pub fn new_envelope(
    session: &Session,
    mailbox: Address,
    sender: Sender,
    hops: u32,
    source: Option<MailOrigin>,
) -> Envelope {
    let now = session.clock.now();
    let id = session.ids.next_id(now);
    Envelope { hops, source, ..Envelope::new(id, now.into(), sender, vec![mailbox.into()]) }
}

/// Reads a message, head and rest, into a draft of at most `limit` bytes.
///
/// # Errors
///
/// A refusal with [`RefusalKind::TooLarge`]; an error of the input or of the spool.
pub fn write_draft<'s>(
    spool: &'s Spool,
    envelope: &Envelope,
    head: &MessageHead,
    input: &mut dyn MessageInput,
    limit: u64,
) -> Result<Draft<'s>> {
    let mut draft = Draft::begin_received(spool, envelope)?;
    draft.write(&head.bytes)?;
    match head.supply {
        InputSupply::End => check_size(draft.size(), limit)?,
        InputSupply::More => copy_rest(input, &mut draft, limit)?,
    }
    Ok(draft)
}

/// Returns the envelope sender of a received message: from an mbox `From ` line, or `Return-Path`. Without both, a bounce or
/// a receipt has the null sender, as RFC 3464 and RFC 8098 require; another message has the sender in its header.
pub fn sender_of(head: &MessageHead, header: Option<&Header<'_>>) -> Sender {
    let marker = header.and_then(|header| {
        let line = String::from_utf8_lossy(header.marker);
        let word = line.strip_prefix("From ")?.split_whitespace().next()?.to_owned();
        if word.eq_ignore_ascii_case("MAILER-DAEMON") { Some(Sender::default()) } else { Sender::parse(&word).ok() }
    });
    let path = || Sender::parse(&header?.all("Return-Path").next()?.value()).ok();
    let known = marker.or_else(path);
    known.unwrap_or_else(|| {
        if bounce::read_report(&head.bytes).kind != bounce::IncomingReportKind::None {
            return Sender::default();
        }
        header.and_then(compose::sender_of).unwrap_or_default()
    })
}
