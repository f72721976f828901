//! `cancel`: take messages out of the queue.

use anyhow::Result;

use crate::delivery::claiming::claim_by_id;
use crate::delivery::context::Engine;
use crate::delivery::message::OpenMessage;
use crate::delivery::settle;
use crate::exit::Exit;
use crate::mail::history::record::{Charge, Decision, RecipientState};
use crate::mail::status::Status;
use crate::output::console::{Bar, Voices};
use crate::output::mode::OutputFormat;
use crate::session::Session;
use crate::spool::State;
use crate::sys::signals::{Hangup, Signals};

/// Cancels messages for every recipient that is not settled: 0 cancelled, 66 gone, 75 in progress.
pub fn run(session: &Session, ids: &[String]) -> Result<Exit> {
    let signals = Signals::listen(Hangup::Stops)?;
    let voices = Voices::new(session.voice, OutputFormat::Text, Bar::IfUseful, 0);
    session.each_message(ids, &mut |spool, id| {
        let claim = match claim_by_id(spool, id, &[State::New, State::Cur, State::Hold])? {
            Ok(claim) => claim,
            Err(refusal) => return Ok(refusal.answer(id)),
        };
        let engine = Engine::new(session, spool, &signals, &voices);
        let history = spool.history(&claim.message().envelope)?;
        let open: Vec<usize> =
            (0..history.recipients.len()).filter(|place| !history.recipients[*place].state.is_settled()).collect();
        let (cancelled, settled) = (open.len(), history.recipients.len() - open.len());
        let message = OpenMessage::new(0, claim, history);
        if cancelled == 0 {
            settle::conclude(&engine, message)?;
            return Ok((Exit::NoInput, format!("{id}: no recipient is owed any more")));
        }
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
        if message.sync().0? {
            spool.sync_log_names()?;
        }
        settle::tell_sender(&engine, &message)?;
        let (claim, history) = message.into_parts(spool)?;
        if !settle::finish(&engine, &claim, &history)? {
            return Ok((Exit::TryAgain, format!("{id}: stopped before it was finished")));
        }
        claim.cancelled(Some(session.now().after(session.settings.queue.keep_failed)))?;
        let rest = if settled > 0 { format!("; {settled} already settled") } else { String::new() };
        let noun = if cancelled == 1 { "recipient" } else { "recipients" };
        Ok((Exit::Ok, format!("{id}: cancelled for {cancelled} {noun}{rest}")))
    })
}
