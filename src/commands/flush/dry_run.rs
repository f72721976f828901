//! `flush --dry-run`: prints the action for every recipient and its reason. Claims no message and runs no command.

use anyhow::Result;
use serde::Serialize;

use crate::exit::{ExitStatus, combine};
use crate::mail::history::History;
use crate::mail::history::state::RecipientState;
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::spool::queue_file::{QueueFile, UnusableFile};
use crate::spool::{QueueState, Spool};

use crate::commands::flush::{FlushOptions, not_queued};
use crate::delivery::plan::{BackoffRule, RecipientPlan, plan};
use crate::delivery::plan::{FailedTrials, PlanInputs};
use crate::delivery::selection::ForceLevel;
use crate::delivery::transport_queue::{self, Readiness};
use crate::mail::envelope::recipient::RecipientIndex;
use crate::spool::running_time::SpoolTime;
use crate::transports::transport::TransportIndex;

#[derive(Serialize)]
struct DryRunLine<'a> {
    id: &'a str,
    address: &'a str,
    r#type: &'a str,
    transport: Option<&'a str>,
    action: &'static str,
    reason: String,
}

/// Prints the action that [`crate::commands::flush::run`] would take for each recipient with these options.
///
/// # Errors
///
/// A refusal with [`RefusalKind::Usage`](crate::exit::RefusalKind::Usage) for an unknown transport; an error of the spool
/// or of standard output. Ids that are not queued are printed, and make the exit status 66 or 1.
pub fn run(session: &Session, options: &FlushOptions) -> Result<ExitStatus> {
    let spool = session.spool()?;
    let only = options.transport.as_ref().map(|name| session.settings.known_transport(name)).transpose()?;
    let status = check_ids(session, &spool, &options.ids)?;
    let time = session.time(&spool)?;
    let trials = transport_queue::failed_trials(&spool, &session.settings.transports, session.network, time)?;
    let mut out = print::stdout();
    let mut left = options.limit.unwrap_or(usize::MAX);
    for state in [QueueState::New, QueueState::Cur, QueueState::Hold] {
        for name in spool.messages_in_order(state)? {
            if !options.ids.is_empty() && !options.ids.iter().any(|id| id == name.id.as_str()) {
                continue;
            }
            let message = match spool.read(state, &name) {
                Ok(message) => message,
                Err(UnusableFile::Gone) => continue,
                Err(error) => {
                    print::error(&format!("{} {error}", spool.path_of_message(state, &name).display()));
                    continue;
                }
            };
            let history = spool.history(&message)?;
            let explainer = DryRunExplainer {
                time,
                trials: &trials,
                session,
                spool: &spool,
                options,
                only,
                active: spool.is_active(&message, &history)?,
                limit_is_reached: left == 0,
            };
            let mut acts = false;
            for (index, recipient) in message.envelope.recipients.entries() {
                let address = &recipient.address;
                if options.to.as_ref().is_some_and(|pattern| !pattern.matches(address)) {
                    continue;
                }
                let Some((action, transport, reason)) = explainer.recipient(&message, &history, index)? else {
                    continue;
                };
                acts |= action == "attempt" || action == "fail";
                let transport = transport.map(|index| session.settings.transports[index].name.as_str());
                let line = DryRunLine {
                    id: name.id.as_str(),
                    address: address.text(),
                    r#type: address.kind().as_str(),
                    transport,
                    action,
                    reason,
                };
                match options.format {
                    OutputFormat::Json => print::json(&mut out, &line)?,
                    OutputFormat::Text => {
                        let via = transport.map_or(String::new(), |name| format!(" via {name}"));
                        print::line(&mut out, &format!("{}: {address}: {action}{via}: {}", name.id, line.reason))?;
                    }
                }
            }
            left = left.saturating_sub(usize::from(acts));
        }
    }
    Ok(status)
}

/// Returns the exit status for the ids of the command line: 66 for an id that is not queued, 1 if some of several are not.
/// These ids are printed.
fn check_ids(session: &Session, spool: &Spool, ids: &[String]) -> Result<ExitStatus> {
    let mut statuses = vec![ExitStatus::Ok];
    for text in ids {
        let id = session.id(text)?;
        let state = spool.find(&id)?.map(|(state, _)| state);
        if !matches!(state, Some(QueueState::New | QueueState::Cur | QueueState::Hold)) {
            print::error(&not_queued(&id, state));
            statuses.push(ExitStatus::NoInput);
        }
    }
    Ok(if ids.len() == 1 { *statuses.last().unwrap_or(&ExitStatus::Ok) } else { combine(&statuses) })
}

struct DryRunExplainer<'a> {
    time: SpoolTime,
    trials: &'a FailedTrials,
    session: &'a Session,
    spool: &'a Spool,
    options: &'a FlushOptions,
    only: Option<TransportIndex>,
    active: bool,
    /// True once as many messages as `--limit` allows are to be attempted.
    limit_is_reached: bool,
}

/// Action, transport and reason for one recipient.
type Explanation = (&'static str, Option<TransportIndex>, String);

impl DryRunExplainer<'_> {
    /// Returns the explanation for one recipient; `None` if it is settled.
    fn recipient(
        &self,
        message: &QueueFile,
        history: &History,
        recipient: RecipientIndex,
    ) -> Result<Option<Explanation>> {
        let now = self.session.now();
        let envelope = &message.envelope;
        let progress = &history.recipients[recipient];
        if progress.state.is_settled() {
            return Ok(None);
        }
        let keep = |reason: String| Ok(Some(("keep", None, reason)));
        if message.state == QueueState::Hold {
            return keep("on hold".to_owned());
        }
        if self.active {
            return keep("another run is working on it".to_owned());
        }
        if envelope.delayed_until(now).is_some() {
            let time = envelope.not_before.unwrap_or(now);
            return keep(format!("not before {time}"));
        }
        let named = !self.options.ids.is_empty() || self.options.force != ForceLevel::No;
        let backoff = if named { BackoffRule::Ignore } else { BackoffRule::Respect };
        let inputs = PlanInputs { settings: &self.session.settings, time: self.time, backoff, trials: self.trials };
        Ok(Some(match plan(&inputs, envelope, history, recipient) {
            RecipientPlan::Wait if progress.state == RecipientState::Async => {
                let until = progress.next.map_or(String::new(), |next| format!(" until {next}"));
                ("keep", None, format!("handed over; waiting for the result{until}"))
            }
            RecipientPlan::Wait => {
                let next = progress.next.unwrap_or(now);
                ("keep", None, format!("attempt {} failed; next attempt {next}", progress.attempts))
            }
            RecipientPlan::Expire(_, text) | RecipientPlan::NoRoute(_, text) => ("fail", None, text),
            RecipientPlan::Unconfigured => ("keep", None, "no transport is configured for it".to_owned()),
            RecipientPlan::AsyncTimeout => ("attempt", None, "no result came within async_timeout".to_owned()),
            RecipientPlan::HandOver(index) if self.only.is_some_and(|only| only != index) => {
                ("keep", Some(index), "routed to a transport that --transport does not select".to_owned())
            }
            RecipientPlan::HandOver(_) if self.limit_is_reached => ("keep", None, "beyond --limit".to_owned()),
            RecipientPlan::HandOver(index) => self.hand_off(index, progress.attempts)?,
        }))
    }

    /// Returns the explanation for a hand-off to this transport, after `attempts` earlier ones.
    fn hand_off(&self, index: TransportIndex, attempts: u32) -> Result<Explanation> {
        let transport = &self.session.settings.transports[index];
        let transport_state = self.spool.transport_state(&transport.name)?;
        let attempt = attempts + 1;
        Ok(
            match transport_queue::readiness(
                transport,
                &transport_state,
                self.session.network,
                self.options.force,
                self.time,
                self.session.settings.queue.retry.longest_delay(),
            ) {
                Readiness::No(reason) => ("keep", Some(index), format!("the transport is {reason}")),
                Readiness::OneTrial => {
                    ("attempt", Some(index), format!("attempt {attempt}, as a trial of a broken transport"))
                }
                Readiness::Unprepared => {
                    ("attempt", Some(index), format!("attempt {attempt}, after the transport is ready"))
                }
                Readiness::Yes | Readiness::Preparing => ("attempt", Some(index), format!("attempt {attempt}")),
            },
        )
    }
}
