//! DSNs that the sender of a message is owed, and when.

use crate::delivery::age::MessageAge;
use crate::mail::address::Address;
use crate::mail::envelope::Envelope;
use crate::mail::envelope::recipient::{Recipient, RecipientIndex};
use crate::mail::history::History;
use crate::mail::history::state::ReportKind;
use crate::mail::report::dsn::content::DsnReader;
use crate::settings::{DelayWarningAudience, Settings};
use crate::spool::running_time::SpoolTime;
use crate::values::time::Timestamp;

/// Returns the DSNs that the sender is owed now, each with the recipients that it is about.
pub fn due(
    settings: &Settings,
    envelope: &Envelope,
    history: &History,
    time: SpoolTime,
) -> Vec<(ReportKind, Vec<RecipientIndex>)> {
    let is_late = MessageAge::of(envelope, history, time).is_at_least(settings.queue.delay_warning.after);
    let kinds = [Some(ReportKind::Failure), is_late.then_some(ReportKind::Delay), Some(ReportKind::Success)];
    let about = |kind: ReportKind| (kind, recipients_of(settings, envelope, history, kind));
    kinds.into_iter().flatten().map(about).filter(|(_, recipients)| !recipients.is_empty()).collect()
}

/// Returns the wall-clock time at which a delay DSN will be due, if that is yet to come and a runner is at work until then.
pub fn next_delay_report(
    settings: &Settings,
    envelope: &Envelope,
    history: &History,
    time: SpoolTime,
) -> Option<Timestamp> {
    let (age, after) = (MessageAge::of(envelope, history, time), settings.queue.delay_warning.after);
    let waits = !age.is_at_least(after) && !recipients_of(settings, envelope, history, ReportKind::Delay).is_empty();
    waits.then(|| age.reaches(after))
}

/// Returns the address that gets the DSNs on a message; `None` if there are none.
///
/// No report goes to the null sender, or two systems could report to each other for ever (RFC 5321 section 4.5.5). Of its
/// failures, the address `double_bounce_to` is told, except when the message was for that address: a message that tells of a
/// failure is never reported itself.
pub(super) fn reader<'a>(settings: &'a Settings, envelope: &'a Envelope) -> Option<DsnReader<'a>> {
    if !envelope.sender.is_null() {
        return Some(DsnReader::Sender(&envelope.sender));
    }
    let to = settings.reports.double_bounce_to.as_ref()?;
    let was_for_it = |recipient: &Recipient| {
        let first = recipient.expanded_from.as_deref().and_then(|text| Address::parse(text).ok());
        first.as_ref().unwrap_or(&recipient.address).key() == to.key()
    };
    (!envelope.recipients.iter().any(was_for_it)).then_some(DsnReader::Postmaster(to))
}

/// Returns the recipients in a state for a DSN of this kind, not reported yet, about which the sender wants to know.
fn recipients_of(settings: &Settings, envelope: &Envelope, history: &History, kind: ReportKind) -> Vec<RecipientIndex> {
    if kind != ReportKind::Failure && envelope.sender.is_null() || reader(settings, envelope).is_none() {
        return Vec::new();
    }
    let is_due = |recipient: &RecipientIndex| {
        let progress = &history.recipients[*recipient];
        progress.state.properties().report == Some(kind)
            && !progress.reported.contains(&kind)
            && is_requested(settings, envelope, *recipient, kind)
    };
    history.recipients.indices().filter(is_due).collect()
}

/// Returns true when the sender asked for a DSN of this kind, for one recipient or for all. By default failures are
/// reported (RFC 3461 section 5.2).
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
