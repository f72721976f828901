//! What is explored: who works on the message, and what may happen meanwhile.

use crate::protocol::disk::DiskModel;
use crate::protocol::rules::Rule;

/// Command that works on the message beside the runners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Runner,
    Hold,
    Release,
    Cancel,
    IncomingReport,
    Reader,
    Finder,
    Sweep,
}

/// What is due after a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterSuccess {
    Nothing,
    /// A copy is filed.
    Copy,
    /// The message is removed.
    Removal,
}

/// How the exploration begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// An acknowledged message in `new`.
    Queued,
    /// A message of the earlier layout: the first recipient is delivered and told, the others are owed.
    EarlierResult,
    /// A message of the earlier layout whose runner was killed with the attempt open.
    EarlierOpenAttempt,
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub start: Start,
    pub recipients: usize,
    pub runners: usize,
    pub others: &'static [Role],
    /// Kills and power cuts that may happen, anywhere.
    pub kills: u8,
    pub cuts: u8,
    /// Times that a process is started again after a kill or a cut.
    pub lives: u8,
    /// True if hand-offs may fail for good.
    pub may_fail: bool,
    pub max_attempts: u8,
    pub after_success: AfterSuccess,
    pub disk: DiskModel,
    /// Rule that no process keeps.
    pub left_out: Option<Rule>,
}

impl Scenario {
    /// One runner, one recipient, one power cut.
    pub const PLAIN: Scenario = Scenario {
        name: "one runner",
        start: Start::Queued,
        recipients: 1,
        runners: 1,
        others: &[],
        kills: 0,
        cuts: 1,
        lives: 2,
        may_fail: false,
        max_attempts: 2,
        after_success: AfterSuccess::Nothing,
        disk: DiskModel::OrderedJournal,
        left_out: None,
    };

    pub fn keeps(&self, rule: Rule) -> bool {
        self.left_out != Some(rule)
    }
}
