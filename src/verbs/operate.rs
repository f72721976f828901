//! The small operations on queued messages: `cancel`, `hold`, `release`, and `report complete`. Each goes over all
//! ids it is given, says for each what came of it, and goes on after one that fails.

use std::io::Write;

use anyhow::Result;

use crate::mail::address::Address;
use crate::mail::history::History;
use crate::mail::id::QueueId;
use crate::mail::record::{Charge, Decision, Event, RecipientState, Record};
use crate::mail::status::{Class, Status};
use crate::spool::claim::{Claim, Release, Taken};
use crate::spool::{Spool, State};
use crate::sys::signals::{Hangup, Signals};

use super::exit::{Exit, over_all};
use super::flush::finish;
use super::flush::message::OpenMessage;
use super::flush::voices::{Bar, Voices};
use super::say;
use super::session::{Form, Session, Voice};

/// What came of one id, and the words for it.
type Answer = (Exit, String);

fn each(session: &Session, ids: &[String], operation: impl Fn(&Spool, &QueueId) -> Result<Answer>) -> Result<Exit> {
    let spool = session.spool()?;
    let mut ends = Vec::new();
    let mut out = say::output();
    for text in ids {
        let answer = match session.id(text) {
            Ok(id) => operation(&spool, &id).map(|(exit, words)| (exit, format!("{id}: {words}"))),
            Err(error) => Ok((Exit::Data, format!("{error:#}"))),
        };
        let (exit, words) = match answer {
            Ok(answer) => answer,
            Err(error) if ids.len() == 1 => return Err(error),
            Err(error) => (Exit::Io, format!("{text}: {error:#}")),
        };
        if exit != Exit::Ok {
            say::problem(&words);
        } else if session.voice > Voice::Quiet {
            say::line(&mut out, &words)?;
        }
        ends.push(exit);
    }
    out.flush()?;
    Ok(over_all(&ends))
}

/// Claims a message wherever it is; the answer says why that cannot be.
fn claim<'s>(spool: &'s Spool, id: &QueueId, states: &[State]) -> Result<Result<Box<Claim<'s>>, Answer>> {
    // It may be renamed between the look and the claim.
    for _ in 0..5 {
        let Some((state, name)) = spool.find(id)? else {
            return Ok(Err((Exit::NoInput, "gone: not in the spool".to_owned())));
        };
        if !states.contains(&state) {
            let words = match state {
                State::Sent => "gone: it was sent already".to_owned(),
                State::Failed => "gone: it has failed, or was cancelled, already".to_owned(),
                State::Corrupt => "it cannot be read, and lies in corrupt".to_owned(),
                State::New | State::Cur => "it is not on hold".to_owned(),
                State::Hold => "it is on hold already".to_owned(),
                State::Received => "it is incoming mail".to_owned(),
            };
            return Ok(Err((Exit::NoInput, words)));
        }
        match spool.claim(state, &name)? {
            Taken::Claimed(claim) => return Ok(Ok(claim)),
            Taken::Busy => return Ok(Err((Exit::TryAgain, "in progress: somebody is at work on it".to_owned()))),
            Taken::Gone => {}
            Taken::Stray(reason) => return Ok(Err((Exit::Data, reason.to_owned()))),
            Taken::SetAside(reason) => return Ok(Err((Exit::Data, format!("moved to corrupt: {reason}")))),
        }
    }
    Ok(Err((Exit::TryAgain, "in progress: somebody is at work on it".to_owned())))
}

fn history(spool: &Spool, claim: &Claim<'_>) -> Result<History> {
    let envelope = &claim.message().envelope;
    Ok(History::read(envelope.recipients.len(), &spool.read_log(&envelope.id)?))
}

/// Writes a record, durably.
fn note(session: &Session, spool: &Spool, id: &QueueId, event: Event) -> Result<()> {
    let mut log = spool.log(id)?;
    log.append(&Record { at: session.now(), event })?;
    log.sync()?;
    Ok(spool.sync_log_names()?)
}

/// Takes messages out of the queue: 0 cancelled, 66 gone, 75 in progress.
pub fn cancel(session: &Session, ids: &[String]) -> Result<Exit> {
    let signals = Signals::listen(Hangup::Stops)?;
    let voices = Voices::new(session.voice, Form::Text, Bar::IfUseful, 0);
    each(session, ids, |spool, id| {
        let claim = match claim(spool, id, &[State::New, State::Cur, State::Hold])? {
            Ok(claim) => claim,
            Err(answer) => return Ok(answer),
        };
        let engine = session.engine(spool, &signals, &voices);
        let history = history(spool, &claim)?;
        let open: Vec<usize> =
            (0..history.recipients.len()).filter(|place| !history.recipients[*place].state.is_settled()).collect();
        let done = history.recipients.len() - open.len();
        let cancelled = open.len();
        if cancelled == 0 {
            finish::conclude(&engine, OpenMessage::new(0, claim, history))?;
            return Ok((Exit::NoInput, "gone: nothing was owed any more".to_owned()));
        }
        let message = OpenMessage::new(0, claim, history);
        {
            let decision = Decision {
                recipients: open,
                state: RecipientState::Cancelled,
                status: Status::DONE,
                text: "cancelled by the operator".to_owned(),
                next: None,
                charge: Charge::None,
                remote_id: None,
                parts: Vec::new(),
            };
            message.decide(spool, vec![decision], session.now())?;
        }
        if message.sync().0? {
            spool.sync_log_names()?;
        }
        finish::tell_sender(&engine, &message)?;
        let (claim, history) = message.into_parts(spool)?;
        if !finish::finish(&engine, &claim, &history)? {
            return Ok((Exit::TryAgain, "stopped before it was finished".to_owned()));
        }
        claim.cancelled(Some(session.now().after(session.settings.queue.keep_failed)))?;
        let rest = if done > 0 { format!("; {done} were settled before") } else { String::new() };
        Ok((Exit::Ok, format!("cancelled for {cancelled} recipients{rest}")))
    })
}

/// Sets messages aside until they are released.
pub fn hold(session: &Session, ids: &[String]) -> Result<Exit> {
    each(session, ids, |spool, id| {
        let claim = match claim(spool, id, &[State::New, State::Cur])? {
            Ok(claim) => claim,
            Err(answer) => return Ok(answer),
        };
        note(session, spool, id, Event::Held)?;
        claim.hold()?;
        Ok((Exit::Ok, "held".to_owned()))
    })
}

/// Lets held messages go on, at once or when their sender said.
pub fn release(session: &Session, ids: &[String]) -> Result<Exit> {
    each(session, ids, |spool, id| {
        let claim = match claim(spool, id, &[State::Hold])? {
            Ok(claim) => claim,
            Err(answer) => return Ok(answer),
        };
        let tried = history(spool, &claim)?.was_attempted();
        note(session, spool, id, Event::Released)?;
        let due = claim.message().envelope.wakes(session.now());
        claim.release(if tried { Release::Tried } else { Release::Untried }, due)?;
        Ok((Exit::Ok, "released".to_owned()))
    })
}

/// Reports the result of a hand-off whose result was to come later.
pub fn complete(session: &Session, id: &str, recipient: &Address, status: Status) -> Result<Exit> {
    let signals = Signals::listen(Hangup::Stops)?;
    let voices = Voices::new(session.voice, Form::Text, Bar::IfUseful, 0);
    each(session, &[id.to_owned()], |spool, id| {
        let claim = match claim(spool, id, &[State::New, State::Cur, State::Hold])? {
            Ok(claim) => claim,
            Err(answer) => return Ok(answer),
        };
        let envelope = &claim.message().envelope;
        let mut history = history(spool, &claim)?;
        let Some(place) = envelope.recipients.iter().position(|one| one.address.key() == recipient.key()) else {
            return Ok((Exit::Data, format!("{recipient} is not one of its recipients")));
        };
        if history.recipients[place].state != RecipientState::Async {
            let word = history.recipients[place].state.word();
            return Ok((Exit::Data, format!("{recipient} is {word}; no result is waited for")));
        }
        let transport = history.recipients[place].transport.clone();
        let known = transport.as_deref().and_then(|name| session.settings.transport(name));
        let success =
            known.map_or(RecipientState::Delivered, |index| session.settings.transports[index].success_state());
        let wait = || {
            session
                .now()
                .after(session.settings.queue.retry.wait(history.recipients[place].attempts, crate::sys::random()))
        };
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
        note(session, spool, id, event)?;
        let words = format!("{recipient} is {}", state.word());
        let held = claim.message().state == State::Hold;
        if !held || history.is_settled() {
            let engine = session.engine(spool, &signals, &voices);
            finish::conclude(&engine, OpenMessage::new(0, claim, history))?;
        }
        Ok((Exit::Ok, words))
    })
}
