//! What happened to a message: the records of its log, and the state of every recipient that follows from them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::id::QueueId;
use super::status::Status;
use super::time::Timestamp;

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen to a message. Recipients are given by their places in the envelope, from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A transport is given the message. Without a result behind it nobody knows how that ended.
    Attempt {
        /// The transport.
        transport: String,
        /// The number of this attempt for these recipients, from 1.
        attempt: u32,
        /// Whom it is for.
        recipients: Vec<usize>,
    },
    /// Something was decided about recipients.
    Result {
        /// The transport that said so; `None` when we did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transport: Option<String>,
        /// The decisions.
        results: Vec<Decision>,
    },
    /// The operator set the message aside.
    Held,
    /// The operator let it go on.
    Released,
    /// A report on these recipients is about to be made under this id. Without a `reported` behind it nobody knows
    /// whether it was.
    Reporting {
        /// What the report says.
        kind: ReportKind,
        /// About whom.
        recipients: Vec<usize>,
        /// The report's own queue id.
        report: QueueId,
    },
    /// That report is durable; or none is made, and the text says why.
    Reported {
        /// What the report says.
        kind: ReportKind,
        /// About whom.
        recipients: Vec<usize>,
        /// The report's own queue id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<QueueId>,
        /// Why there is none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
    },
    /// Another system has reported on these recipients.
    Heard {
        /// About whom.
        recipients: Vec<usize>,
        /// What they are now.
        state: RecipientState,
        /// The word for what was reported: `delivered`, `failed`, `delayed`, `displayed`.
        action: String,
        /// The status code, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<Status>,
        /// What was said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
        /// The id under which the report was received.
        report: QueueId,
    },
    /// The message was sent again, as this one.
    Resent {
        /// The new message.
        id: QueueId,
    },
    /// A received message was filed.
    Filed {
        /// The folder; empty for the inbox itself.
        folder: String,
        /// Its message class.
        class: String,
    },
    /// A hook dropped the message.
    Dropped {
        /// The hook's program.
        hook: String,
    },
    /// Something went wrong beside the delivery, and made no difference to it.
    Trouble {
        /// What.
        text: String,
    },
}

/// What a report to the sender says (RFC 3461 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportKind {
    /// Somebody has it.
    Success,
    /// Somebody does not have it yet.
    Delay,
    /// Somebody will not get it.
    Failure,
}

/// One decision about some recipients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Whom it is about.
    pub recipients: Vec<usize>,
    /// What they are now.
    pub state: RecipientState,
    /// The status code.
    pub status: Status,
    /// What the transport said, or why we decided.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// When something is to be done again for those who are owed or waited for; `None` is at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// What the attempt means for the count of attempts.
    #[serde(default, skip_serializing_if = "Charge::is_full")]
    pub charge: Charge,
    /// The next system's name for the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// Messages made of this one by a preprocessor that they have now, where they do not have all of them yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
}

/// Whether an attempt counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Charge {
    /// It counts, and the next wait is longer.
    #[default]
    Full,
    /// It does not count.
    None,
    /// It does not count, and this transport is not asked again.
    Refused,
}

impl Charge {
    fn is_full(&self) -> bool {
        *self == Charge::Full
    }
}

/// Where a recipient stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientState {
    /// To be delivered yet.
    #[default]
    Owed,
    /// Has it.
    Delivered,
    /// Handed to a system that takes it further.
    Relayed,
    /// Will not get it.
    Failed,
    /// Taken out by the operator.
    Cancelled,
    /// Handed over; the result comes later.
    Async,
    /// Has it, and has read it.
    Read,
}

impl RecipientState {
    /// The word used on disk, in reports and in the manual.
    pub fn word(self) -> &'static str {
        match self {
            RecipientState::Owed => "owed",
            RecipientState::Delivered => "delivered",
            RecipientState::Relayed => "relayed",
            RecipientState::Failed => "failed",
            RecipientState::Cancelled => "cancelled",
            RecipientState::Async => "async",
            RecipientState::Read => "read",
        }
    }

    /// True for whoever has the message, or has had it handed to a system that takes it further.
    pub fn has_it(self) -> bool {
        matches!(self, RecipientState::Delivered | RecipientState::Relayed | RecipientState::Read)
    }

    /// True when nothing is to be done for the recipient any more.
    pub fn is_settled(self) -> bool {
        !matches!(self, RecipientState::Owed | RecipientState::Async)
    }
}

/// One recipient's story so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
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
    pub refused_by: Vec<String>,
    /// True after an attempt that no result followed: it may have been delivered.
    pub outcome_unknown: bool,
    /// What the sender was told, or need not be told any more.
    pub reported: Vec<ReportKind>,
    /// When it was settled, or last came back.
    pub last_result: Option<Timestamp>,
    /// Messages made of this one by a preprocessor that the recipient has already.
    pub parts: Vec<String>,
}

/// The state of a whole message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// By place in the envelope.
    pub recipients: Vec<Progress>,
    /// When it was last let go on after a hold.
    pub released: Option<Timestamp>,
    /// Reports that were begun, and of which nobody knows whether they were made.
    pub begun: Vec<(ReportKind, Vec<usize>, QueueId)>,
    /// The messages as which it was sent again.
    pub resent: Vec<QueueId>,
    /// Our own reports on it.
    pub reports: Vec<QueueId>,
    /// Transports that were given it.
    pub tried: BTreeSet<String>,
    /// Lines that could not be read.
    pub unreadable: usize,
}

impl History {
    /// A message with so many recipients to whom nothing has happened.
    pub fn new(recipients: usize) -> History {
        History { recipients: vec![Progress::default(); recipients], ..History::default() }
    }

    /// Folds a log. A line that cannot be read counts for nothing: a line that a crash cut short was never acted on,
    /// so the worst is a delivery done twice.
    pub fn read(recipients: usize, log: &[u8]) -> History {
        let mut history = History::new(recipients);
        for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<Record>(line) {
                Ok(record) => history.apply(&record),
                Err(_) => history.unreadable += 1,
            }
        }
        history
    }

    /// Takes one more record in.
    pub fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::Attempt { transport, recipients, .. } => {
                self.tried.insert(transport.clone());
                each(&mut self.recipients, recipients, |progress| {
                    progress.attempts += 1;
                    progress.last_attempt = Some(record.at);
                    progress.transport = Some(transport.clone());
                    progress.outcome_unknown = true;
                });
            }
            Event::Result { transport, results } => {
                for decision in results {
                    let decide = |progress: &mut Progress| {
                        progress.decide(transport.as_deref(), decision);
                        progress.last_result = Some(record.at);
                    };
                    each(&mut self.recipients, &decision.recipients, decide);
                }
            }
            Event::Reporting { kind, recipients, report } => {
                self.begun.push((*kind, recipients.clone(), report.clone()));
            }
            Event::Reported { kind, recipients, report, .. } => {
                self.begun.retain(|(_, _, begun)| Some(begun) != report.as_ref());
                self.reports.extend(report.clone());
                each(&mut self.recipients, recipients, |progress| {
                    if !progress.reported.contains(kind) {
                        progress.reported.push(*kind);
                    }
                });
            }
            Event::Heard { recipients, state, status, text, .. } => {
                each(&mut self.recipients, recipients, |progress| {
                    progress.state = *state;
                    progress.status = status.or(progress.status);
                    progress.text.clone_from(text);
                    if *state == RecipientState::Failed {
                        // The sender has that report.
                        progress.reported.push(ReportKind::Failure);
                    }
                });
            }
            Event::Resent { id } => self.resent.push(id.clone()),
            Event::Held | Event::Filed { .. } | Event::Dropped { .. } | Event::Trouble { .. } => {}
            Event::Released => {
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
        self.recipients.iter().all(|progress| progress.state.has_it())
    }

    /// True when anybody has the message.
    pub fn reached_somebody(&self) -> bool {
        self.recipients.iter().any(|progress| progress.state.has_it())
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

impl Progress {
    fn decide(&mut self, transport: Option<&str>, decision: &Decision) {
        if self.outcome_unknown && decision.charge != Charge::Full {
            self.attempts = self.attempts.saturating_sub(1);
        }
        if decision.charge == Charge::Refused
            && let Some(transport) = transport
        {
            self.refused_by.push(transport.to_owned());
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
fn each(recipients: &mut [Progress], places: &[usize], mut change: impl FnMut(&mut Progress)) {
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

    fn attempt(seconds: u64, number: u32, recipients: &[usize]) -> Record {
        let recipients = recipients.to_vec();
        Record { at: at(seconds), event: Event::Attempt { transport: "relay".into(), attempt: number, recipients } }
    }

    fn result(seconds: u64, recipients: &[usize], state: RecipientState, charge: Charge) -> Record {
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
        Record { at: at(seconds), event: Event::Result { transport: Some("relay".into()), results: vec![decision] } }
    }

    fn log(records: &[Record]) -> Vec<u8> {
        records.iter().flat_map(|record| [serde_json::to_vec(record).unwrap(), b"\n".to_vec()].concat()).collect()
    }

    #[test]
    fn folds_a_story() {
        let story = [
            attempt(10, 1, &[0, 1]),
            result(11, &[0], RecipientState::Delivered, Charge::Full),
            result(11, &[1], RecipientState::Owed, Charge::Full),
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
        let story = [attempt(10, 1, &[0]), result(11, &[0], RecipientState::Owed, Charge::None)];
        assert_eq!(History::read(1, &log(&story)).recipients[0].attempts, 0);
        let story = [attempt(10, 1, &[0]), result(11, &[0], RecipientState::Owed, Charge::Refused)];
        assert_eq!(History::read(1, &log(&story)).recipients[0].refused_by, ["relay"]);
    }

    #[test]
    fn one_recipient_that_is_due_makes_the_message_due() {
        let story = [attempt(10, 1, &[0]), result(11, &[0], RecipientState::Owed, Charge::Full)];
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
        let mut bytes = log(&[attempt(10, 1, &[0]), result(11, &[0], RecipientState::Delivered, Charge::Full)]);
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
            bytes.extend(log(&[attempt(1, 1, &[place]), result(2, &[place], RecipientState::Failed, Charge::Full)]));
            let history = History::read(count, &bytes);
            prop_assert_eq!(history.recipients.len(), count);
        }

        #[test]
        fn a_log_cut_anywhere_never_settles_more_than_the_whole(cut in 0usize..500) {
            let bytes = log(&[
                attempt(1, 1, &[0, 1]),
                result(2, &[0], RecipientState::Delivered, Charge::Full),
                result(2, &[1], RecipientState::Failed, Charge::Full),
            ]);
            let history = History::read(2, &bytes[..cut.min(bytes.len())]);
            let whole = History::read(2, &bytes);
            for (part, all) in history.recipients.iter().zip(&whole.recipients) {
                prop_assert!(part.state == all.state || part.state == RecipientState::Owed);
            }
        }
    }
}
