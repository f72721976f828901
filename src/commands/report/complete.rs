//! `report complete`: record the result of an asynchronous hand-off.

use anyhow::Result;

use crate::delivery::claiming::claim_by_id;
use crate::delivery::context::Engine;
use crate::delivery::message::OpenMessage;
use crate::delivery::settle;
use crate::exit::Exit;
use crate::mail::address::Address;
use crate::mail::history::record::{Charge, Decision, Event, RecipientState, Record};
use crate::mail::status::{Class, Status};
use crate::output::console::{Bar, Voices};
use crate::output::mode::OutputFormat;
use crate::session::Session;
use crate::spool::State;
use crate::sys::random;
use crate::sys::signals::{Hangup, Signals};

/// Records the result of one recipient whose state is `async`.
pub fn run(session: &Session, id: &str, recipient: &Address, status: Status) -> Result<Exit> {
    let signals = Signals::listen(Hangup::Stops)?;
    let voices = Voices::new(session.voice, OutputFormat::Text, Bar::IfUseful, 0);
    session.each_message(&[id.to_owned()], &mut |spool, id| {
        let claim = match claim_by_id(spool, id, &[State::New, State::Cur, State::Hold])? {
            Ok(claim) => claim,
            Err(refusal) => return Ok(refusal.answer(id)),
        };
        let envelope = &claim.message().envelope;
        let mut history = spool.history(envelope)?;
        let Some(place) = envelope.recipients.iter().position(|one| one.address.key() == recipient.key()) else {
            return Ok((Exit::Data, format!("{id}: {recipient} is not one of its recipients")));
        };
        if history.recipients[place].state != RecipientState::Async {
            let word = history.recipients[place].state.word();
            return Ok((Exit::Data, format!("{id}: {recipient} is {word}; no result is expected")));
        }
        let transport = history.recipients[place].transport.clone();
        let known = transport.as_deref().and_then(|name| session.settings.transport(name));
        let success =
            known.map_or(RecipientState::Delivered, |index| session.settings.transports[index].success_state());
        let wait =
            || session.now().after(session.settings.queue.retry.wait(history.recipients[place].attempts, random()));
        let (state, next) = match status.class() {
            Class::Success => (success, None),
            Class::Permanent => (RecipientState::Failed, None),
            Class::Temporary => (RecipientState::Owed, Some(wait())),
        };
        let decision = Decision {
            recipients: vec![place],
            state,
            status,
            text: "reported later".to_owned(),
            next,
            charge: Charge::Full,
            remote_id: None,
            parts: Vec::new(),
        };
        let event = Event::Result { transport, results: vec![decision] };
        history.apply(&Record { at: session.now(), event: event.clone() });
        spool.append_durably(id, &Record { at: session.now(), event })?;
        let words = format!("{id}: {recipient} is {}", state.word());
        let held = claim.message().state == State::Hold;
        if !held || history.is_settled() {
            let engine = Engine::new(session, spool, &signals, &voices);
            settle::conclude(&engine, OpenMessage::new(0, claim, history))?;
        }
        Ok((Exit::Ok, words))
    })
}
