//! State of every recipient, computed from the records of a message: those that the marks in its name stand for, and those
//! of its log.

pub mod mark;
pub mod progress;
pub mod record;
pub mod state;

use std::collections::BTreeSet;

use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::mark::HistoryMarks;
use crate::mail::history::progress::{RecipientProgress, UnprovenReport};
use crate::mail::history::record::{LogEvent, LogRecord, ReportProof};
use crate::mail::history::state::{RecipientState, ReportKind};
use crate::values::table::Table;
use crate::values::time::{RunningTime, Timestamp};

/// State of a whole message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Progress of each recipient, in the order of the envelope.
    pub recipients: Table<RecipientIndex, RecipientProgress>,
    /// Running time of the last release from hold, or of the first record with a running time since then.
    pub lifetime_start: Option<RunningTime>,
    /// True after a release from hold: the lifetime has started again.
    pub was_released: bool,
    /// Reports that were begun without a record that they were completed.
    pub unfinished_reports: Vec<(ReportKind, Vec<RecipientIndex>, QueueId)>,
    /// Queue ids of the messages that resend this one, or were about to.
    pub resent: Vec<QueueId>,
    /// Those of them that were in the queue for certain.
    pub resent_queued: BTreeSet<QueueId>,
    /// Answer of the outbound hooks, once they have run: the folder for the copy, or `None` for no copy.
    pub hook_answer: Option<Option<String>>,
    /// Queue ids of the reports that mspool sent on this message.
    pub reports: Vec<QueueId>,
    /// Transports that attempted the message.
    pub tried_transports: BTreeSet<String>,
    /// True when the source of a received message knows that it need not send it again.
    pub was_acknowledged: bool,
    /// True when a received message is in the store.
    pub was_filed: bool,
    /// True if the log has the attempt that is marked in the name: the mark is not needed any more.
    pub is_attempt_logged: bool,
    /// Number of lines in the log, if it has any.
    pub log_lines: usize,
    /// Number of log lines that could not be parsed.
    pub unreadable: usize,
}

impl History {
    /// Builds the history of a message with an empty log. Any table of its recipients says how many there are.
    pub fn new<T>(recipients: &Table<RecipientIndex, T>) -> History {
        History { recipients: recipients.map(|_| RecipientProgress::default()), ..History::default() }
    }

    /// Computes the history from the marks in the name of a message, and from its log. Lines that cannot be parsed are
    /// skipped and counted: mspool never acts on a line that a crash truncated, so at worst one delivery is repeated.
    pub fn read<T>(recipients: &Table<RecipientIndex, T>, marks: &HistoryMarks, log: &[u8]) -> History {
        let mut history = History::new(recipients);
        let logged = logged(log);
        history.log_lines = lines(log).count();
        history.unreadable = history.log_lines - logged.len();
        let attempt = marks.attempt().map(|mark| mark.record(recipients.indices().collect()));
        history.is_attempt_logged = attempt.is_some_and(|attempt| logged.contains(&attempt));
        merged(recipients, marks, logged).iter().for_each(|record| history.apply(record));
        debug_assert_eq!(history.recipients.len(), recipients.len(), "no record adds a recipient");
        history
    }

    /// Returns true for the log of a message that was set aside because its end is missing.
    pub fn is_of_incomplete(log: &[u8]) -> bool {
        logged(log).iter().any(|record| matches!(record.event, LogEvent::Incomplete { .. }))
    }

    /// Applies one more record.
    pub fn apply(&mut self, record: &LogRecord) {
        match &record.event {
            // A release starts the lifetime again; one that was recorded without a running time does so at the next record.
            LogEvent::Released => (self.was_released, self.lifetime_start) = (true, record.running),
            _ => self.lifetime_start = self.lifetime_start.or(record.running),
        }
        match &record.event {
            LogEvent::Attempt { transport, recipients, .. } => {
                self.tried_transports.insert(transport.clone());
                each(&mut self.recipients, recipients, |progress| {
                    progress.attempts += 1;
                    progress.last_attempt = Some(record.at);
                    progress.transport = Some(transport.clone());
                    progress.outcome_unknown = true;
                });
            }
            LogEvent::Result { transport, results } => {
                for decision in results {
                    let decide = |progress: &mut RecipientProgress| {
                        progress.decide(transport.as_deref(), decision);
                        progress.last_result = Some(record.at);
                        progress.last_result_running = record.running;
                    };
                    each(&mut self.recipients, &decision.recipients, decide);
                }
            }
            LogEvent::Reporting { kind, recipients, report } => {
                self.unfinished_reports.push((*kind, recipients.clone(), report.clone()));
            }
            LogEvent::Reported { kind, recipients, report, .. } => {
                self.unfinished_reports.retain(|(_, _, begun)| Some(begun) != report.as_ref());
                self.reports.extend(report.clone());
                each(&mut self.recipients, recipients, |progress| {
                    if !progress.reported.contains(kind) {
                        progress.reported.push(*kind);
                    }
                });
            }
            LogEvent::Heard { recipients, status, text, action, proof: ReportProof::None, report, .. } => {
                each(&mut self.recipients, recipients, |progress| {
                    if progress.unproven_reports.iter().all(|known| known.action != *action) {
                        progress.unproven_reports.push(UnprovenReport {
                            action: action.clone(),
                            status: *status,
                            text: text.clone(),
                            report: report.clone(),
                        });
                    }
                });
            }
            LogEvent::Heard { recipients, state, status, text, action, proof: ReportProof::Given, .. } => {
                each(&mut self.recipients, recipients, |progress| {
                    if !progress.incoming_actions.contains(action) {
                        progress.incoming_actions.push(action.clone());
                    }
                    if progress.state == *state {
                        return;
                    }
                    progress.state = *state;
                    progress.status = status.or(progress.status);
                    progress.text.clone_from(text);
                    if state.properties().report == Some(ReportKind::Failure) {
                        // The sender already has the failure report of the other system.
                        progress.reported.push(ReportKind::Failure);
                    }
                });
            }
            LogEvent::Asked { folder } => self.hook_answer = Some(folder.clone()),
            LogEvent::Resent { id, recipients, queued } => {
                if *queued {
                    self.resent_queued.insert(id.clone());
                }
                if !self.resent.contains(id) {
                    self.resent.push(id.clone());
                    each(&mut self.recipients, recipients, |progress| progress.resent.push(id.clone()));
                }
            }
            LogEvent::Filed { .. } => self.was_filed = true,
            LogEvent::Acknowledged => self.was_acknowledged = true,
            LogEvent::Started {}
            | LogEvent::Held
            | LogEvent::Dropped { .. }
            | LogEvent::Incomplete { .. }
            | LogEvent::Trouble { .. } => {}
            LogEvent::Released => {
                for progress in self.recipients.iter_mut().filter(|progress| progress.state == RecipientState::Owed) {
                    progress.next = None;
                    progress.attempts_before_release = progress.attempts;
                }
            }
        }
    }

    /// Returns the indices of the recipients that are not settled, in the order of the envelope.
    pub fn unsettled(&self) -> impl Iterator<Item = RecipientIndex> {
        self.recipients.entries().filter(|(_, progress)| !progress.state.is_settled()).map(|(recipient, _)| recipient)
    }

    /// Returns the indices of the recipients still owed.
    pub fn owed(&self) -> impl Iterator<Item = RecipientIndex> {
        self.in_state(RecipientState::Owed)
    }

    /// Returns the indices of the recipients in a state.
    pub fn in_state(&self, state: RecipientState) -> impl Iterator<Item = RecipientIndex> {
        self.recipients.entries().filter(move |(_, progress)| progress.state == state).map(|(recipient, _)| recipient)
    }

    /// Returns true if no record says anything: nothing has happened to the message.
    pub fn is_blank(&self) -> bool {
        *self == History::new(&self.recipients)
    }

    /// Returns true if the result of an attempt is unknown: its program may still run.
    pub fn has_open_attempt(&self) -> bool {
        self.recipients.iter().any(|progress| progress.outcome_unknown)
    }

    /// Returns true if no action is left for any recipient.
    pub fn is_settled(&self) -> bool {
        self.recipients.iter().all(|progress| progress.state.is_settled())
    }

    /// Returns true if every recipient has the message.
    pub fn is_sent(&self) -> bool {
        let is_sent = self.recipients.iter().all(|progress| progress.state.has_message());
        debug_assert!(!is_sent || self.is_settled(), "a recipient with the message is settled");
        is_sent
    }

    /// Returns true if at least one recipient has the message.
    pub fn reached_any(&self) -> bool {
        self.recipients.iter().any(|progress| progress.state.has_message())
    }

    /// Returns true if at least one delivery attempt was made.
    pub fn was_attempted(&self) -> bool {
        self.recipients.iter().any(|progress| progress.last_attempt.is_some())
    }

    /// Returns the time of the next action for unsettled recipients; `None` means at once.
    pub fn next(&self) -> Option<Timestamp> {
        let open = self.recipients.iter().filter(|progress| !progress.state.is_settled());
        open.map(|progress| progress.next).min().flatten()
    }

    /// Returns the largest number of attempts for one recipient.
    pub fn attempts(&self) -> u32 {
        self.recipients.iter().map(|progress| progress.attempts).max().unwrap_or(0)
    }
}

/// Returns the records of a message, in their order. An attempt that is marked in the name and restated in the log counts
/// once. Any table of the recipients says how many there are.
pub fn records<T>(recipients: &Table<RecipientIndex, T>, marks: &HistoryMarks, log: &[u8]) -> Vec<LogRecord> {
    merged(recipients, marks, logged(log))
}

fn merged<T>(recipients: &Table<RecipientIndex, T>, marks: &HistoryMarks, logged: Vec<LogRecord>) -> Vec<LogRecord> {
    let marked = marks.records(recipients.indices());
    let logged = logged.into_iter().filter(|record| !marked.contains(record)).collect();
    [marked, logged].concat()
}

fn logged(log: &[u8]) -> Vec<LogRecord> {
    lines(log).filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn lines(log: &[u8]) -> impl Iterator<Item = &[u8]> {
    log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// Applies `change` to the recipients at these indices. Skips indices out of range, which a damaged log can contain.
fn each(
    recipients: &mut Table<RecipientIndex, RecipientProgress>,
    indices: &[RecipientIndex],
    mut change: impl FnMut(&mut RecipientProgress),
) {
    for index in indices {
        if let Some(progress) = recipients.get_mut(*index) {
            change(progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::values::table::TableIndex;

    use super::*;
    use crate::mail::history::record::{AttemptCost, Decision};
    use crate::mail::status::Status;

    fn indices(positions: &[usize]) -> Vec<RecipientIndex> {
        positions.iter().copied().map(RecipientIndex::new).collect()
    }

    fn first(history: &History) -> &RecipientProgress {
        &history.recipients[RecipientIndex::new(0)]
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn attempt(seconds: u64, number: u32, recipients: &[usize]) -> LogRecord {
        let recipients = indices(recipients);
        LogRecord {
            at: at(seconds),
            running: None,
            event: LogEvent::Attempt { transport: "relay".into(), attempt: number, recipients },
        }
    }

    fn result(seconds: u64, recipients: &[usize], state: RecipientState, charge: AttemptCost) -> LogRecord {
        let next = (state == RecipientState::Owed).then(|| at(seconds + 60));
        let decision = Decision {
            recipients: indices(recipients),
            state,
            status: Status::TEMPORARY,
            text: "so".into(),
            next,
            charge,
            remote_id: None,
            parts: Vec::new(),
        };
        LogRecord {
            at: at(seconds),
            running: None,
            event: LogEvent::Result { transport: Some("relay".into()), results: vec![decision] },
        }
    }

    fn log(records: &[LogRecord]) -> Vec<u8> {
        records.iter().flat_map(|record| [serde_json::to_vec(record).unwrap(), b"\n".to_vec()].concat()).collect()
    }

    fn people(count: usize) -> Table<RecipientIndex, ()> {
        vec![(); count].into()
    }

    #[test]
    fn folds_a_story() {
        let story = [
            attempt(10, 1, &[0, 1]),
            result(11, &[0], RecipientState::Delivered, AttemptCost::Full),
            result(11, &[1], RecipientState::Owed, AttemptCost::Full),
            attempt(71, 2, &[1]),
        ];
        let history = History::read(&people(2), &HistoryMarks::None, &log(&story));
        assert_eq!(history.owed().collect::<Vec<_>>(), indices(&[1]));
        assert_eq!(history.recipients[RecipientIndex::new(1)].attempts, 2);
        assert!(history.recipients[RecipientIndex::new(1)].outcome_unknown && !first(&history).outcome_unknown);
        assert!(!history.is_settled() && history.was_attempted());
        assert_eq!(history.next(), Some(at(71)));
    }

    #[test]
    fn what_is_not_charged_does_not_count() {
        let story = [attempt(10, 1, &[0]), result(11, &[0], RecipientState::Owed, AttemptCost::None)];
        assert_eq!(first(&History::read(&people(1), &HistoryMarks::None, &log(&story))).attempts, 0);
        let story = [attempt(10, 1, &[0]), result(11, &[0], RecipientState::Owed, AttemptCost::Declined)];
        assert_eq!(first(&History::read(&people(1), &HistoryMarks::None, &log(&story))).declined_by, ["relay"]);
    }

    #[test]
    fn one_recipient_that_is_due_makes_the_message_due() {
        let story = [attempt(10, 1, &[0]), result(11, &[0], RecipientState::Owed, AttemptCost::Full)];
        assert_eq!(History::read(&people(2), &HistoryMarks::None, &log(&story)).next(), None);
    }

    #[test]
    fn a_record_is_one_plain_line() {
        let line = serde_json::to_string(&attempt(10, 1, &[0])).unwrap();
        assert_eq!(
            line,
            r#"{"at":"1970-01-01T00:00:10Z","event":"attempt","transport":"relay","attempt":1,"recipients":[0]}"#
        );
    }

    #[test]
    fn unknown_and_torn_lines_count_for_nothing() {
        let mut bytes = log(&[attempt(10, 1, &[0]), result(11, &[0], RecipientState::Delivered, AttemptCost::Full)]);
        let whole = bytes.len();
        bytes.extend_from_slice(b"{\"at\":\"1970-01-01T00:00:10Z\",\"event\":\"sung\"}\nnoise\n");
        let history = History::read(&people(1), &HistoryMarks::None, &bytes);
        assert_eq!((history.unreadable, first(&history).state), (2, RecipientState::Delivered));
        assert_eq!(
            first(&History::read(&people(1), &HistoryMarks::None, &bytes[..whole - 5])).state,
            RecipientState::Owed
        );
    }

    #[test]
    fn marks_tell_the_same_as_a_log() {
        let marks = HistoryMarks::parse("A=relay:10:5,R=r:11:6:2.0.0:ok:4F").unwrap();
        let records = marks.records([0, 1].map(RecipientIndex::new).into_iter());
        let by_name = History::read(&people(2), &marks, b"");
        let mut by_log = History::read(&people(2), &HistoryMarks::None, &log(&records));
        // The log restates the attempt when there is more to tell.
        let by_both = History::read(&people(2), &marks, &log(&records[..1]));
        assert_eq!(
            (by_log.log_lines, by_both.log_lines, by_both.recipients.clone()),
            (2, 1, by_name.recipients.clone())
        );
        assert!(by_both.is_attempt_logged && !by_name.is_attempt_logged);
        by_log.log_lines = 0;
        assert_eq!(by_name, by_log);
        assert!(by_name.is_sent() && first(&by_name).attempts == 1 && !by_name.is_blank());
    }

    #[test]
    fn an_attempt_that_an_earlier_version_recorded_is_read() {
        let line = br#"{"at":"2026-11-24T00:00:00Z","event":"started","pid":7,"ticks":8,"boot":"x"}"#;
        assert_eq!(History::read(&people(1), &HistoryMarks::None, line).unreadable, 0);
    }

    proptest! {
        #[test]
        fn any_bytes_and_places_fold_without_a_panic(noise: Vec<u8>, place: usize, count in 0usize..4) {
            let mut bytes = noise;
            bytes.push(b'\n');
            bytes.extend(log(&[attempt(1, 1, &[place]), result(2, &[place], RecipientState::Failed, AttemptCost::Full)]));
            let history = History::read(&people(count), &HistoryMarks::None, &bytes);
            prop_assert_eq!(history.recipients.len(), count);
        }

        #[test]
        fn a_log_cut_anywhere_never_settles_more_than_the_whole(cut in 0usize..500) {
            let bytes = log(&[
                attempt(1, 1, &[0, 1]),
                result(2, &[0], RecipientState::Delivered, AttemptCost::Full),
                result(2, &[1], RecipientState::Failed, AttemptCost::Full),
            ]);
            let history = History::read(&people(2), &HistoryMarks::None, &bytes[..cut.min(bytes.len())]);
            let whole = History::read(&people(2), &HistoryMarks::None, &bytes);
            for (part, all) in history.recipients.iter().zip(&whole.recipients) {
                prop_assert!(part.state == all.state || part.state == RecipientState::Owed);
            }
        }
    }
}
