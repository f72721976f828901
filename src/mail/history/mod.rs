//! The state of every recipient, as it follows from the records of a log.

pub mod record;

use std::collections::BTreeSet;

use crate::mail::envelope::id::QueueId;
use crate::mail::history::record::{AttemptCost, Decision, LogEvent, LogRecord, RecipientState, ReportKind};
use crate::mail::status::Status;
use crate::values::time::Timestamp;

/// One recipient's story so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecipientProgress {
    /// Where it stands.
    pub state: RecipientState,
    /// The last status.
    pub status: Option<Status>,
    /// The last text.
    pub text: String,
    /// The transport of the last attempt.
    pub transport: Option<String>,
    /// The next system's name for the message.
    pub remote_id: Option<String>,
    /// Attempts that count, those with an unknown outcome among them.
    pub attempts: u32,
    /// When the last attempt began.
    pub last_attempt: Option<Timestamp>,
    /// When something is to be done next; `None` is at once.
    pub next: Option<Timestamp>,
    /// Transports that said "not mine".
    pub declined_by: Vec<String>,
    /// True after an attempt that no result followed: it may have been delivered.
    pub outcome_unknown: bool,
    /// What the sender was told, or need not be told any more.
    pub reported: Vec<ReportKind>,
    /// The words for what other systems have reported.
    pub incoming_actions: Vec<String>,
    /// When it was settled, or last came back.
    pub last_result: Option<Timestamp>,
    /// Messages made of this one by a preprocessor that the recipient has already.
    pub parts: Vec<String>,
    /// Ids under which it was sent again for this recipient, or was about to be.
    pub resent: Vec<QueueId>,
}

/// The state of a whole message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// By place in the envelope.
    pub recipients: Vec<RecipientProgress>,
    /// When it was last let go on after a hold.
    pub released: Option<Timestamp>,
    /// Reports that were begun, and of which nobody knows whether they were made.
    pub unfinished_reports: Vec<(ReportKind, Vec<usize>, QueueId)>,
    /// Ids under which it was sent again, or was about to be.
    pub resent: Vec<QueueId>,
    /// Those of them that were in the queue for sure.
    pub resent_queued: BTreeSet<QueueId>,
    /// What the outbound hooks wanted, when they were asked: a folder for the copy, or none.
    pub hook_answer: Option<Option<String>>,
    /// Our own reports on it.
    pub reports: Vec<QueueId>,
    /// Transports that were given it.
    pub tried_transports: BTreeSet<String>,
    /// Lines that could not be read.
    pub unreadable: usize,
}

impl History {
    /// A message with so many recipients to whom nothing has happened.
    pub fn new(recipients: usize) -> History {
        History { recipients: vec![RecipientProgress::default(); recipients], ..History::default() }
    }

    /// Folds a log. A line that cannot be read counts for nothing: a line that a crash cut short was never acted on,
    /// so the worst is a delivery done twice.
    pub fn read(recipients: usize, log: &[u8]) -> History {
        let mut history = History::new(recipients);
        for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<LogRecord>(line) {
                Ok(record) => history.apply(&record),
                Err(_) => history.unreadable += 1,
            }
        }
        history
    }

    /// Takes one more record in.
    pub fn apply(&mut self, record: &LogRecord) {
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
            LogEvent::Heard { recipients, state, status, text, action, .. } => {
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
                    if *state == RecipientState::Failed {
                        // The sender has that report.
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
            LogEvent::Held
            | LogEvent::Acknowledged
            | LogEvent::Filed { .. }
            | LogEvent::Dropped { .. }
            | LogEvent::Trouble { .. } => {}
            LogEvent::Released => {
                self.released = Some(record.at);
                for progress in self.recipients.iter_mut().filter(|progress| progress.state == RecipientState::Owed) {
                    progress.next = None;
                }
            }
        }
    }

    /// Places of the recipients still owed.
    pub fn owed(&self) -> impl Iterator<Item = usize> {
        self.in_state(RecipientState::Owed)
    }

    /// Places of the recipients in a state.
    pub fn in_state(&self, state: RecipientState) -> impl Iterator<Item = usize> {
        self.recipients.iter().enumerate().filter(move |(_, progress)| progress.state == state).map(|(place, _)| place)
    }

    /// True when nothing is to be done for anybody any more.
    pub fn is_settled(&self) -> bool {
        self.recipients.iter().all(|progress| progress.state.is_settled())
    }

    /// True when every recipient has the message.
    pub fn is_sent(&self) -> bool {
        self.recipients.iter().all(|progress| progress.state.has_message())
    }

    /// True when anybody has the message.
    pub fn reached_any(&self) -> bool {
        self.recipients.iter().any(|progress| progress.state.has_message())
    }

    /// True when anything was ever tried.
    pub fn was_attempted(&self) -> bool {
        self.recipients.iter().any(|progress| progress.last_attempt.is_some())
    }

    /// When there is something to do next for those who are not settled; `None` is at once.
    pub fn next(&self) -> Option<Timestamp> {
        let open = self.recipients.iter().filter(|progress| !progress.state.is_settled());
        open.map(|progress| progress.next).min().flatten()
    }

    /// Attempts made for the recipient that had the most.
    pub fn attempts(&self) -> u32 {
        self.recipients.iter().map(|progress| progress.attempts).max().unwrap_or(0)
    }
}

impl RecipientProgress {
    fn decide(&mut self, transport: Option<&str>, decision: &Decision) {
        if self.outcome_unknown && decision.charge != AttemptCost::Full {
            self.attempts = self.attempts.saturating_sub(1);
        }
        if decision.charge == AttemptCost::Declined
            && let Some(transport) = transport
        {
            self.declined_by.push(transport.to_owned());
        }
        self.outcome_unknown = false;
        self.state = decision.state;
        self.status = Some(decision.status);
        self.text.clone_from(&decision.text);
        self.next = decision.next;
        if let Some(transport) = transport {
            self.transport = Some(transport.to_owned());
        }
        self.parts.extend(decision.parts.iter().filter(|part| !self.parts.contains(part)).cloned().collect::<Vec<_>>());
        if decision.remote_id.is_some() {
            self.remote_id.clone_from(&decision.remote_id);
        }
    }
}

/// Does something to the recipients at these places; places that a damaged log made up are passed over.
fn each(recipients: &mut [RecipientProgress], places: &[usize], mut change: impl FnMut(&mut RecipientProgress)) {
    for place in places {
        if let Some(progress) = recipients.get_mut(*place) {
            change(progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn attempt(seconds: u64, number: u32, recipients: &[usize]) -> LogRecord {
        let recipients = recipients.to_vec();
        LogRecord {
            at: at(seconds),
            event: LogEvent::Attempt { transport: "relay".into(), attempt: number, recipients },
        }
    }

    fn result(seconds: u64, recipients: &[usize], state: RecipientState, charge: AttemptCost) -> LogRecord {
        let next = (state == RecipientState::Owed).then(|| at(seconds + 60));
        let decision = Decision {
            recipients: recipients.to_vec(),
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
            event: LogEvent::Result { transport: Some("relay".into()), results: vec![decision] },
        }
    }

    fn log(records: &[LogRecord]) -> Vec<u8> {
        records.iter().flat_map(|record| [serde_json::to_vec(record).unwrap(), b"\n".to_vec()].concat()).collect()
    }

    #[test]
    fn folds_a_story() {
        let story = [
            attempt(10, 1, &[0, 1]),
            result(11, &[0], RecipientState::Delivered, AttemptCost::Full),
            result(11, &[1], RecipientState::Owed, AttemptCost::Full),
            attempt(71, 2, &[1]),
        ];
        let history = History::read(2, &log(&story));
        assert_eq!(history.owed().collect::<Vec<_>>(), [1]);
        assert_eq!(history.recipients[1].attempts, 2);
        assert!(history.recipients[1].outcome_unknown && !history.recipients[0].outcome_unknown);
        assert!(!history.is_settled() && history.was_attempted());
        assert_eq!(history.next(), Some(at(71)));
    }

    #[test]
    fn what_is_not_charged_does_not_count() {
        let story = [attempt(10, 1, &[0]), result(11, &[0], RecipientState::Owed, AttemptCost::None)];
        assert_eq!(History::read(1, &log(&story)).recipients[0].attempts, 0);
        let story = [attempt(10, 1, &[0]), result(11, &[0], RecipientState::Owed, AttemptCost::Declined)];
        assert_eq!(History::read(1, &log(&story)).recipients[0].declined_by, ["relay"]);
    }

    #[test]
    fn one_recipient_that_is_due_makes_the_message_due() {
        let story = [attempt(10, 1, &[0]), result(11, &[0], RecipientState::Owed, AttemptCost::Full)];
        assert_eq!(History::read(2, &log(&story)).next(), None);
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
        let history = History::read(1, &bytes);
        assert_eq!((history.unreadable, history.recipients[0].state), (2, RecipientState::Delivered));
        assert_eq!(History::read(1, &bytes[..whole - 5]).recipients[0].state, RecipientState::Owed);
    }

    proptest! {
        #[test]
        fn any_bytes_and_places_fold_without_a_panic(noise: Vec<u8>, place: usize, count in 0usize..4) {
            let mut bytes = noise;
            bytes.push(b'\n');
            bytes.extend(log(&[attempt(1, 1, &[place]), result(2, &[place], RecipientState::Failed, AttemptCost::Full)]));
            let history = History::read(count, &bytes);
            prop_assert_eq!(history.recipients.len(), count);
        }

        #[test]
        fn a_log_cut_anywhere_never_settles_more_than_the_whole(cut in 0usize..500) {
            let bytes = log(&[
                attempt(1, 1, &[0, 1]),
                result(2, &[0], RecipientState::Delivered, AttemptCost::Full),
                result(2, &[1], RecipientState::Failed, AttemptCost::Full),
            ]);
            let history = History::read(2, &bytes[..cut.min(bytes.len())]);
            let whole = History::read(2, &bytes);
            for (part, all) in history.recipients.iter().zip(&whole.recipients) {
                prop_assert!(part.state == all.state || part.state == RecipientState::Owed);
            }
        }
    }
}
