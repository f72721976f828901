//! Accepting received mail: from its first byte to a durable file in `in/new`.

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

/// This user's mailbox at this host.
pub fn own_mailbox(session: &Session) -> Result<Address> {
    let text = session.settings.own_address();
    Address::parse(&text).map_err(|error| {
        Refusal::new(RefusalKind::Config, format!("the mailbox {} {error}; give one with --to", quoted(&text))).into()
    })
}

/// Whether the caller said which mailbox a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxChoice {
    /// It did.
    Named,
    /// It did not, and this user's own is meant.
    Assumed,
}

/// Refuses a message that was delivered to this mailbox before.
///
/// Other programs write `Delivered-To` too before they call us. A caller that names the mailbox knows that; with one
/// that does not, only our own trace tells that it was us.
pub fn check_delivered_before(
    session: &Session,
    header: &Header<'_>,
    mailbox: &Address,
    named: MailboxChoice,
) -> Result<()> {
    let trace = format!("by {} (mspool)", session.settings.hostname);
    let here = |field: &HeaderField<'_>| Address::parse(&field.value()).is_ok_and(|to| to.key() == mailbox.key());
    let ours = || header.all("Received").any(|field| field.value().starts_with(&trace));
    if header.all("Delivered-To").any(here) && (named == MailboxChoice::Named || ours()) {
        return refuse(
            RefusalKind::MailLoop,
            format!(
                "mail loop: the message was delivered to {mailbox} before; if it was fetched from there, give a name \
                 of this mailbox's own with --to; nothing was received"
            ),
        );
    }
    Ok(())
}

/// The envelope of a message that is received now.
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

/// Reads a message to its end into a draft.
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

/// Whom a message is from, by what delivering programs write before or into it. A report without such a line is from
/// nobody, as all reports are; any other message is taken to be from whom it says.
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
