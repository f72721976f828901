//! `report complete`: record the result of an asynchronous hand-off.

use anyhow::Result;

use crate::delivery::claiming::claim_by_id;
use crate::delivery::context::DeliveryContext;
use crate::delivery::message::ClaimedMessage;
use crate::delivery::settle;
use crate::exit::ExitStatus;
use crate::mail::address::Address;
use crate::mail::history::record::{AttemptCost, Decision, LogEvent, LogRecord, RecipientState};
use crate::mail::status::{Status, StatusClass};
use crate::output::console::{Console, ProgressBarUse};
use crate::output::mode::OutputFormat;
use crate::session::Session;
use crate::spool::QueueState;
use crate::spool::listing::MessageIndex;
use crate::sys::random;
use crate::sys::signals::{HangupMeaning, Signals};

/// Records the result of one recipient whose state is `async`.
pub fn run(session: &Session, id: &str, recipient: &Address, status: Status) -> Result<ExitStatus> {
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let console = Console::new(session.verbosity, OutputFormat::Text, ProgressBarUse::IfUseful, 0);
    session.each_message(&[id.to_owned()], &mut |spool, id| {
        let claim = match claim_by_id(spool, id, &[QueueState::New, QueueState::Cur, QueueState::Hold])? {
            Ok(claim) => claim,
            Err(refusal) => return Ok(refusal.answer(id)),
        };
        let envelope = &claim.message().envelope;
        let mut history = spool.history(envelope)?;
        let Some(index) = envelope.recipients.find(|one| one.address.key() == recipient.key()) else {
            return Ok((ExitStatus::Data, format!("{id}: {recipient} is not one of its recipients")));
        };
        if history.recipients[index].state != RecipientState::Async {
            let word = history.recipients[index].state.word();
            return Ok((ExitStatus::Data, format!("{id}: {recipient} is {word}; no result is expected")));
        }
        let transport = history.recipients[index].transport.clone();
        let known = transport.as_deref().and_then(|name| session.settings.transport(name));
        let success =
            known.map_or(RecipientState::Delivered, |transport| session.settings.transports[transport].success_state());
        let wait =
            || session.now().after(session.settings.queue.retry.delay(history.recipients[index].attempts, random()));
        let (state, next) = match status.class() {
            StatusClass::Success => (success, None),
            StatusClass::Permanent => (RecipientState::Failed, None),
            StatusClass::Temporary => (RecipientState::Owed, Some(wait())),
        };
        let decision = Decision {
            recipients: vec![index],
            state,
            status,
            text: "reported later".to_owned(),
            next,
            charge: AttemptCost::Full,
            remote_id: None,
            parts: Vec::new(),
        };
        let event = LogEvent::Result { transport, results: vec![decision] };
        history.apply(&LogRecord::new(session.now(), event.clone()));
        spool.append_durably(id, &LogRecord::new(session.now(), event))?;
        let words = format!("{id}: {recipient} is {}", state.word());
        let held = claim.message().state == QueueState::Hold;
        if !held || history.is_settled() {
            let context = DeliveryContext::new(session, spool, &signals, &console)?;
            settle::conclude(&context, ClaimedMessage::new(MessageIndex::default(), claim, history))?;
        }
        Ok((ExitStatus::Ok, words))
    })
}
