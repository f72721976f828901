//! `cancel`: takes messages out of the queue.

use anyhow::Result;

use crate::delivery::claiming::claim_by_id;
use crate::delivery::context::DeliveryContext;
use crate::delivery::message::ClaimedMessage;
use crate::delivery::settle;
use crate::exit::ExitStatus;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::record::{AttemptCost, Decision};
use crate::mail::history::state::RecipientState;
use crate::mail::status::Status;
use crate::output::console::{Console, ProgressBarUse};
use crate::output::mode::OutputFormat;
use crate::output::per_id::Answer;
use crate::session::Session;
use crate::spool::QueueState;
use crate::spool::listing::MessageIndex;
use crate::sys::signals::{HangupMeaning, Signals};
use crate::values::plural::counted;

/// Cancels every unsettled recipient of each message. Exit status per id: 0 cancelled, 66 not queued or nothing owed, 75
/// if another run is working on the message or a signal stopped the command.
pub fn run(session: &Session, ids: &[String], format: OutputFormat) -> Result<ExitStatus> {
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let console = Console::new(session.verbosity, OutputFormat::Text, ProgressBarUse::IfUseful, 0);
    session.each_message(ids, format, &mut |spool, id| {
        let claim = match claim_by_id(spool, id, &[QueueState::New, QueueState::Cur, QueueState::Hold])? {
            Ok(claim) => claim,
            Err(refusal) => return Ok(refusal.answer()),
        };
        let context = DeliveryContext::new(session, spool, &signals, &console)?;
        let history = spool.history(claim.message())?;
        let unsettled: Vec<RecipientIndex> = history.unsettled().collect();
        let (cancelled, settled) = (unsettled.len(), history.recipients.len() - unsettled.len());
        let message = ClaimedMessage::new(MessageIndex::default(), claim, history);
        if cancelled == 0 {
            settle::conclude(&context, message)?;
            return Ok(Answer::new(ExitStatus::NoInput, "no recipient is owed"));
        }
        let decision = Decision {
            recipients: unsettled,
            state: RecipientState::Cancelled,
            status: Status::DONE,
            text: "cancelled by the operator".to_owned(),
            next: None,
            charge: AttemptCost::None,
            remote_id: None,
            parts: Vec::new(),
        };
        message.record_decisions(spool, vec![decision], context.time())?;
        message.sync_with_names(spool)?;
        settle::make_reports(&context, &message)?;
        let (claim, history) = message.into_parts(spool);
        if !settle::run_final_steps(&context, &claim, &history)? {
            return Ok(Answer::new(
                ExitStatus::TryAgain,
                "cancelled, but interrupted before the message was moved; the next run moves it",
            ));
        }
        claim.finish_cancelled(Some(context.time().running.after(session.settings.queue.keep_failed)))?;
        let rest = if settled > 0 { format!("; {settled} already settled") } else { String::new() };
        Ok(Answer::new(ExitStatus::Ok, format!("cancelled for {}{rest}", counted(cancelled, "recipient"))))
    })
}
