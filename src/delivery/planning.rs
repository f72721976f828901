//! Planning the recipients of a claimed message: decisions that need no transport, and transports that are needed.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::delivery::message::ClaimedMessage;
use crate::delivery::plan::{BackoffRule, PlanInputs, RecipientPlan};
use crate::delivery::selection::ForceLevel;
use crate::delivery::worker::RunState;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::record::Decision;
use crate::mail::history::state::RecipientState;
use crate::mail::status::Status;
use crate::transports::transport::TransportIndex;

/// Plan for a message.
#[derive(Debug, Default)]
pub(super) struct AdmissionPlan {
    /// Transports that are needed, and for which recipients.
    pub(super) needed: BTreeMap<TransportIndex, Vec<RecipientIndex>>,
    /// True when something was decided without a transport.
    pub(super) decided: bool,
    /// Recipients for which no transport is configured.
    pub(super) unconfigured: usize,
}

impl<'e> RunState<'e> {
    pub(super) fn plan_inputs(&self) -> PlanInputs<'_> {
        PlanInputs {
            settings: self.context.settings,
            time: self.context.time(),
            backoff: self.backoff_rule(),
            trials: &self.trials,
        }
    }

    pub(super) fn backoff_rule(&self) -> BackoffRule {
        if self.selection.force == ForceLevel::No { BackoffRule::Respect } else { BackoffRule::Ignore }
    }

    /// Decides what can be decided without a transport, and returns which transports are needed for which recipients.
    pub(super) fn plan_recipients(&self, message: &ClaimedMessage<'e>) -> Result<AdmissionPlan> {
        let mut admission = AdmissionPlan::default();
        let mut decisions = Vec::new();
        let mut plan_again = false;
        let inputs = self.plan_inputs();
        for (recipient, plan) in message.plans(&inputs) {
            let selected = self.is_selected(message, recipient);
            match plan {
                RecipientPlan::HandOver(transport)
                    if selected && self.selection.transport.is_none_or(|only| only == transport) =>
                {
                    admission.needed.entry(transport).or_default().push(recipient);
                }
                RecipientPlan::NoRoute(status, text) if selected && self.selection.transport.is_none() => {
                    decisions.push(Decision::failed(recipient, status, text));
                }
                RecipientPlan::Expire(status, text) if selected => {
                    decisions.push(Decision::failed(recipient, status, text));
                }
                RecipientPlan::AsyncTimeout => {
                    plan_again = true;
                    let text = "no result was reported in time".to_owned();
                    decisions.push(Decision::uncharged(recipient, RecipientState::Owed, Status::TEMPORARY, text));
                }
                RecipientPlan::Unconfigured => admission.unconfigured += 1,
                RecipientPlan::Wait
                | RecipientPlan::HandOver(_)
                | RecipientPlan::NoRoute(..)
                | RecipientPlan::Expire(..) => {}
            }
        }
        admission.decided = !decisions.is_empty();
        message.record_decisions(self.context.spool, decisions, inputs.time)?;
        if plan_again {
            return Ok(AdmissionPlan { decided: true, ..self.plan_recipients(message)? });
        }
        Ok(admission)
    }

    /// Returns true when the selection of the run includes a recipient.
    pub(super) fn is_selected(&self, message: &ClaimedMessage<'e>, recipient: RecipientIndex) -> bool {
        let address = message.envelope().address(recipient);
        self.selection.to.as_ref().is_none_or(|pattern| address.is_some_and(|address| pattern.matches(address)))
    }
}
