//! Steps that are due once every recipient has its result, before the message is finished.

use std::path::PathBuf;

use crate::delivery::reports_due;
use crate::mail::envelope::{AfterSent, Envelope};
use crate::mail::history::History;
use crate::settings::Settings;
use crate::spool::running_time::SpoolTime;
use crate::transports::transport::Transport;
use crate::values::time::RunningTime;

/// True if programs may be run before messages are finished.
pub fn may_run_programs(settings: &Settings) -> bool {
    !settings.outbound_hooks.is_empty() || settings.transports.iter().any(|transport| transport.undo.is_some())
}

/// True if programs are run before a message with this history is finished.
pub fn needs_programs(settings: &Settings, history: &History) -> bool {
    history.is_settled()
        && (history.reached_any() && !settings.outbound_hooks.is_empty()
            || transports_to_undo(settings, history).next().is_some())
}

/// Returns the transports whose preprocessing is undone: all with an undo command that were given the message.
pub fn transports_to_undo<'a>(
    settings: &'a Settings,
    history: &'a History,
) -> impl Iterator<Item = &'a Transport> + 'a {
    let tried = |name: &String| history.tried_transports.contains(name);
    settings.transports.iter().filter(move |transport| transport.undo.is_some() && tried(&transport.name))
}

/// Returns the Maildir for the sent copy; `None` for no copy.
pub fn sent_copy(settings: &Settings, envelope: &Envelope) -> Option<PathBuf> {
    match &envelope.after_sent {
        AfterSent::Sent(folder) => Some(PathBuf::from(folder)),
        // Reports leave no copy: no user has written them.
        AfterSent::Default if !envelope.sender.is_null() => settings.queue.sent.clone(),
        _ => None,
    }
}

/// Returns the running time until which a sent message is kept; `None` is for ever.
pub fn sent_until(settings: &Settings, envelope: &Envelope, running: RunningTime) -> Option<RunningTime> {
    (envelope.after_sent != AfterSent::Keep).then(|| running.after(settings.queue.keep_sent))
}

/// True if a message with this history, in which every recipient has it, is finished without any further step.
pub fn are_none(settings: &Settings, envelope: &Envelope, history: &History, time: SpoolTime) -> bool {
    debug_assert!(history.is_sent(), "every recipient has the message");
    envelope.after_sent != AfterSent::Delete
        && history.unfinished_reports.is_empty()
        && reports_due::due(settings, envelope, history, time).is_empty()
        && sent_copy(settings, envelope).is_none()
        && !needs_programs(settings, history)
}
