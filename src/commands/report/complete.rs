//! `report complete`: records the result of an asynchronous hand-off.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::delivery::claiming::claim_by_id;
use crate::delivery::context::DeliveryContext;
use crate::delivery::message::ClaimedMessage;
use crate::delivery::settle;
use crate::exit::ExitStatus;
use crate::mail::address::Address;
use crate::mail::envelope::id::QueueId;
use crate::mail::history::progress::RecipientProgress;
use crate::mail::history::record::{AttemptCost, Decision, LogEvent, LogRecord};
use crate::mail::history::state::RecipientState;
use crate::mail::status::{Status, StatusClass};
use crate::output::console::{Console, ProgressBarUse};
use crate::output::mode::{OutputFormat, Verbosity};
use crate::output::per_id::Answer;
use crate::output::print;
use crate::session::Session;
use crate::spool::listing::MessageIndex;
use crate::spool::{QueueState, Spool};
use crate::sys::random;
use crate::sys::signals::{HangupMeaning, Signals};
use crate::values::time::Timestamp;

#[derive(Serialize)]
struct CompletedLine<'a> {
    id: &'a str,
    address: &'a str,
    r#type: &'a str,
    state: RecipientState,
    status: Status,
}

/// Records the result of one recipient whose state is `async`, and prints its new state. Exit status: 66 if the message is
/// not queued, 65 if no result is expected for the recipient, 75 if another run is working on the message.
///
/// # Errors
///
/// A refusal for a text that is not an id; an error of the spool or of standard output.
pub fn run(
    session: &Session,
    id: &str,
    recipient: &Address,
    status: Status,
    format: OutputFormat,
) -> Result<ExitStatus> {
    let spool = session.spool()?;
    let id = session.id(id)?;
    let state = match record_result(session, &spool, &id, recipient, status)? {
        Ok(state) => state,
        Err(answer) => {
            print::error(&format!("{id}: {}", answer.text));
            return Ok(answer.exit);
        }
    };
    let mut out = print::stdout();
    match format {
        OutputFormat::Json => {
            let (address, r#type) = (recipient.text(), recipient.kind().as_str());
            print::json(&mut out, &CompletedLine { id: id.as_str(), address, r#type, state, status })?;
        }
        OutputFormat::Text if session.verbosity == Verbosity::Quiet => {}
        OutputFormat::Text => print::line(&mut out, &format!("{id}: {recipient} is {}", state.word()))?,
    }
    out.flush()?;
    Ok(ExitStatus::Ok)
}

/// Records the result, and moves the message if it is settled now. Returns the new state of the recipient, or the exit
/// status and the reason why no result can be recorded.
fn record_result(
    session: &Session,
    spool: &Spool,
    id: &QueueId,
    recipient: &Address,
    status: Status,
) -> Result<Result<RecipientState, Answer>> {
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let claim = match claim_by_id(spool, id, &[QueueState::New, QueueState::Cur, QueueState::Hold])? {
        Ok(claim) => claim,
        Err(refusal) => return Ok(Err(refusal.answer())),
    };
    let envelope = &claim.message().envelope;
    let mut history = spool.history(claim.message())?;
    let Some(index) = envelope.recipients.find(|one| one.address.key() == recipient.key()) else {
        return Ok(Err(Answer::new(ExitStatus::Data, format!("{recipient} is not one of its recipients"))));
    };
    let progress = &history.recipients[index];
    if progress.state != RecipientState::Async {
        let word = progress.state.word();
        return Ok(Err(Answer::new(ExitStatus::Data, format!("{recipient} is {word}; no result is expected"))));
    }
    let transport = progress.transport.clone();
    let (state, next) = new_state(session, progress, status);
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
    let is_held = claim.message().state == QueueState::Hold;
    if !is_held || history.is_settled() {
        let console = Console::new(session.verbosity, OutputFormat::Text, ProgressBarUse::IfUseful, 0);
        let context = DeliveryContext::new(session, spool, &signals, &console)?;
        settle::conclude(&context, ClaimedMessage::new(MessageIndex::default(), claim, history))?;
    }
    Ok(Ok(state))
}

/// Returns the state of a recipient after a result with this status, and the time of the next attempt if it is still owed.
fn new_state(session: &Session, progress: &RecipientProgress, status: Status) -> (RecipientState, Option<Timestamp>) {
    let settings = &session.settings;
    match status.class() {
        StatusClass::Success => {
            let transport = progress.transport.as_deref().and_then(|name| settings.transport(name));
            let success = |index| settings.transports[index].success_state();
            (transport.map_or(RecipientState::Delivered, success), None)
        }
        StatusClass::Permanent => (RecipientState::Failed, None),
        StatusClass::Temporary => {
            let delay = settings.queue.retry.delay(progress.attempts, random());
            (RecipientState::Owed, Some(session.now().after(delay)))
        }
    }
}
