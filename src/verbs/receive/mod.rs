//! `receive`: take mail in, make it safe, file it in the store.
//!
//! A message is first made durable in `in/new`, and from then on it is ours. Filing it, with hooks and all, is done by
//! whoever comes by: the run that received it, the next flush, or a watch.

pub mod correlate;
pub mod filing;
pub mod hooks;
pub mod in_place;
pub mod look;
pub mod pending;
pub mod poll;
mod voice;

use anyhow::Result;

use crate::mail::address::{Address, Sender};
use crate::mail::bounce;
use crate::mail::envelope::{Envelope, Source};
use crate::mail::header::{Field, Header, Supply};
use crate::spool::draft::{Draft, Placed};
use crate::spool::runner::Runner;
use crate::spool::{Spool, State};
use crate::sys::locks_held::LocksHeld;
use crate::sys::signals::{Hangup, Signals};

use super::enqueue::intake::{self, Head, Input, Stdin};
use super::enqueue::{HeaderUse, check_room, check_size, copy_rest};
use super::exit::{Exit, Refusal, refuse};
use super::hops;
use super::session::{Form, Session};
use voice::Voice;

/// What `receive` is asked to do with a message on its standard input.
#[derive(Clone, Debug)]
pub struct Options {
    /// The mailbox that it is for, if the caller says so.
    pub mailbox: Option<Address>,
    /// The envelope sender, if the caller says so.
    pub sender: Option<Sender>,
    /// In what form results are printed.
    pub form: Form,
}

/// Takes one message from standard input.
pub fn run(session: &Session, options: &Options) -> Result<Exit> {
    let spool = session.spool()?;
    check_room(session, &spool)?;
    let signals = Signals::listen(Hangup::Stops)?;
    let mailbox = match &options.mailbox {
        Some(mailbox) => mailbox.clone(),
        None => own_mailbox(session)?,
    };
    let mut input = Stdin::new(&signals);
    let head = intake::head(&mut input, HeaderUse::None)?;
    if head.bytes.is_empty() {
        return refuse(Exit::Data, "the message is empty; nothing was received");
    }
    let header = Header::scan(&head.bytes, Supply::End);
    hops::check_received(header.as_ref())?;
    // Other programs write that field too before they call us. Where the caller says which mailbox is meant he knows
    // that; where he does not, only our own trace tells that it was us.
    let trace = format!("by {} (mspool)", session.settings.hostname);
    let was_here = |header: &Header<'_>| {
        let here = |field: &Field<'_>| Address::parse(&field.value()).is_ok_and(|to| to.key() == mailbox.key());
        let ours = || header.all("Received").any(|field| field.value().starts_with(&trace));
        header.all("Delivered-To").any(here) && (options.mailbox.is_some() || ours())
    };
    if header.as_ref().is_some_and(was_here) {
        return refuse(
            Exit::Data,
            format!(
                "mail loop: the message was delivered to {mailbox} before; if it was fetched from there, give a name \
                 of this mailbox's own with --to; nothing was received"
            ),
        );
    }
    let sender = options.sender.clone().unwrap_or_else(|| sender_of(&head, header.as_ref()));
    let envelope = envelope(session, mailbox, sender, hops::inherited(&spool)?, None);
    let draft = take_in(&spool, &envelope, &head, &mut input, session.settings.queue.message_limit)?;
    Placed::commit(vec![draft.place(State::Received, None)?])?;
    // From here on it is safe, and the caller need not know what comes of filing it.
    let voice = Voice::new(session.voice, options.form);
    if watch_runs(&spool)? {
        return Ok(Exit::Ok);
    }
    let engine = session.engine(&spool, &signals, &voice);
    if let Err(error) = pending::file_one(&engine, &envelope.id) {
        super::say::problem(&format!("{error:#}; the message is safe in the spool, and filed by the next run"));
        return Ok(Exit::Ok);
    }
    // And what others have left.
    if let Err(error) = pending::file_all(&engine) {
        super::say::problem(&format!("{error:#}"));
    }
    Ok(Exit::Ok)
}

/// True when a watch is at work, which files what is received and tells of it.
pub fn watch_runs(spool: &Spool) -> Result<bool> {
    Ok(spool.runner(&LocksHeld::now())? == Some(Runner::Watch))
}

/// This user's mailbox at this host.
pub fn own_mailbox(session: &Session) -> Result<Address> {
    let text = session.settings.own_address();
    Address::parse(&text)
        .map_err(|error| Refusal::new(Exit::Config, format!("the mailbox {text:?} {error}; give one with --to")).into())
}

/// The envelope of a message that is received now.
fn envelope(session: &Session, mailbox: Address, sender: Sender, hops: u32, source: Option<Source>) -> Envelope {
    let now = session.clock.now();
    let id = session.mint.next(now);
    Envelope { hops, source, ..Envelope::new(id, now.into(), sender, vec![mailbox.into()]) }
}

/// Reads a message to its end into a draft.
fn take_in<'s>(
    spool: &'s Spool,
    envelope: &Envelope,
    head: &Head,
    input: &mut dyn Input,
    limit: u64,
) -> Result<Draft<'s>> {
    let mut draft = Draft::begin_received(spool, envelope)?;
    draft.write(&head.bytes)?;
    match head.supply {
        Supply::End => check_size(draft.size(), limit)?,
        Supply::More => copy_rest(input, &mut draft, limit)?,
    }
    Ok(draft)
}

/// Whom a message is from, by what delivering programs write before or into it. A report without such a line is from
/// nobody, as all reports are; any other message is taken to be from whom it says.
fn sender_of(head: &Head, header: Option<&Header<'_>>) -> Sender {
    let marker = header.and_then(|header| {
        let line = String::from_utf8_lossy(header.marker);
        let word = line.strip_prefix("From ")?.split_whitespace().next()?.to_owned();
        if word.eq_ignore_ascii_case("MAILER-DAEMON") { Some(Sender::default()) } else { Sender::parse(&word).ok() }
    });
    let path = || Sender::parse(&header?.all("Return-Path").next()?.value()).ok();
    let known = marker.or_else(path);
    known.unwrap_or_else(|| {
        if bounce::understand(&head.bytes).kind != bounce::Kind::None {
            return Sender::default();
        }
        header.and_then(super::enqueue::compose::sender_of).unwrap_or_default()
    })
}
