//! Which reports the sender of a message is owed, and when.

use crate::mail::envelope::Envelope;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::History;
use crate::mail::history::record::ReportKind;
use crate::settings::{DelayWarningAudience, Settings};
use crate::values::time::Timestamp;

/// Which reports the sender is owed now, each with the places of those it is about.
pub fn due(
    settings: &Settings,
    envelope: &Envelope,
    history: &History,
    now: Timestamp,
) -> Vec<(ReportKind, Vec<RecipientIndex>)> {
    if envelope.sender.is_null() {
        // RFC 5321 section 4.5.5: nobody reports on a report.
        return Vec::new();
    }
    let is_late = warning_time(settings, envelope, history) <= now;
    let wants = |kind: ReportKind| {
        let about = |recipient: &RecipientIndex| {
            let progress = &history.recipients[*recipient];
            progress.state.properties().report == Some(kind)
                && (kind != ReportKind::Delay || is_late)
                && !progress.reported.contains(&kind)
                && is_requested(settings, envelope, *recipient, kind)
        };
        (kind, history.recipients.indices().filter(about).collect::<Vec<_>>())
    };
    let kinds = [ReportKind::Failure, ReportKind::Delay, ReportKind::Success].map(wants);
    kinds.into_iter().filter(|(_, recipients)| !recipients.is_empty()).collect()
}

/// What the sender asked for one recipient, or for all; without a word, failures are reported (RFC 3461 section 5.2).
fn is_requested(settings: &Settings, envelope: &Envelope, recipient: RecipientIndex, kind: ReportKind) -> bool {
    let own = envelope.recipients.get(recipient).and_then(|recipient| recipient.notify);
    match own.or(envelope.notify) {
        Some(notify) => match kind {
            ReportKind::Success => notify.success,
            ReportKind::Failure => notify.failure,
            ReportKind::Delay => notify.delay,
        },
        None => match kind {
            ReportKind::Success => false,
            ReportKind::Failure => true,
            ReportKind::Delay => settings.queue.delay_warning.audience == DelayWarningAudience::UnlessDeclined,
        },
    }
}

fn warning_time(settings: &Settings, envelope: &Envelope, history: &History) -> Timestamp {
    envelope.lifetime_start(history.released).after(settings.queue.delay_warning.after)
}

/// When somebody must be told that the message is late, if that is yet to come.
pub fn next_delay_report(
    settings: &Settings,
    envelope: &Envelope,
    history: &History,
    now: Timestamp,
) -> Option<Timestamp> {
    let time = Some(warning_time(settings, envelope, history)).filter(|time| *time > now)?;
    let then = due(settings, envelope, history, time);
    then.iter().any(|(kind, _)| *kind == ReportKind::Delay).then_some(time)
}
