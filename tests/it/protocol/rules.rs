//! Rules of the protocol. Each can be left out, and then a counterexample must be found.
//!
//! | rule | kept in the program by |
//! |:--|:--|
//! | `AttemptBeforeHandOff`, `RepeatThroughLog` | `delivery/message.rs`: the attempt is recorded before the transport starts, later ones in the log |
//! | `ProgramHoldsClaim` | `transports/command.rs`: programs inherit the lock of the claim |
//! | `SpareLog` | `spool/spare_log.rs`, `delivery/message.rs`: room for the result is there before the hand-off |
//! | `SyncResultMark`, `SyncLog`, `SyncLogName` | `delivery/commit.rs`: durable first, then told |
//! | `SecondLook` | `spool/claim.rs`: the locked file still has the name from which the marks are taken |
//! | `OneOfSeveralNames`, `FurtherNameWins`, `HoldByRecord` | `spool/twins.rs`: several names of one file after a power cut |
//! | `SyncBeforeBelieving` | `delivery/recorded_history.rs`: what is read and not synced by this run is synced first |
//! | `MarksAndLogTogether`, `KeepResultMark`, `RestateAttempt` | `mail/history/mod.rs`, `delivery/recorded_history.rs`, `spool/claim.rs`: the history is the union of marks and log |
//! | `ReportBeforeFinish`, `SyncReported` | `delivery/settle.rs`, `delivery/dsn_writer.rs` |
//! | `ResultMarkBeforeCopy` | `delivery/final_steps.rs`, `delivery/message.rs`: what is due after a success is done while the message is in `cur` |
//! | `SyncBeforeRemoval` | `spool/claim.rs` for messages that are removed after success, `spool/sweep.rs` for others |
//! | `SweepNeedsOneName` | `spool/sweep.rs` |
//! | `OperatorRecords`, `SyncOperatorRecord`, `SyncOperatorRename` | `commands/hold.rs`, `release.rs`, `cancel.rs` |
//! | `ReaderSyncs` | `commands/report` |
//! | `FindUntilUnchanged` | `spool/find.rs` |

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The attempt is in the name or in the log before a program gets the message.
    AttemptBeforeHandOff,
    /// After an attempt without a result, results go to the log.
    RepeatThroughLog,
    /// The program of the hand-off keeps the message locked if its run dies.
    ProgramHoldsClaim,
    /// Room for a log is there before the hand-off.
    SpareLog,
    /// `sent` is synced before a success is told.
    SyncResultMark,
    /// The log is synced before its results are told.
    SyncLog,
    /// The directory of logs is synced, too.
    SyncLogName,
    /// The claimed file has its name still after it was locked.
    SecondLook,
    /// Of several names of one file, one is kept and the others are removed.
    OneOfSeveralNames,
    /// The kept name is the one further along.
    FurtherNameWins,
    /// A name in `hold` wins over the queue only while the log says that the message is held.
    HoldByRecord,
    /// Results that another run has written are synced before anything follows from them.
    SyncBeforeBelieving,
    /// A log with records does not hide the marks of the name.
    MarksAndLogTogether,
    /// The mark of a result stays in the name.
    KeepResultMark,
    /// The mark of an attempt leaves the name only after its record was written.
    RestateAttempt,
    /// The report to the sender is durable before the message is in `failed`.
    ReportBeforeFinish,
    /// The record of the report is synced before the message is in `failed`.
    SyncReported,
    /// A message whose copy is still to be filed gets the mark of its result in `cur`.
    ResultMarkBeforeCopy,
    /// `new` and `cur` are synced before a finished message is removed.
    SyncBeforeRemoval,
    /// The sweep leaves a message with several names.
    SweepNeedsOneName,
    /// An operator's command writes a record before it renames.
    OperatorRecords,
    /// That record is synced before the rename.
    SyncOperatorRecord,
    /// The directories of the rename are synced before the command ends.
    SyncOperatorRename,
    /// A reader syncs what it tells.
    ReaderSyncs,
    /// A message is missing only after a search during which nothing changed.
    FindUntilUnchanged,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 25] = [
        Rule::AttemptBeforeHandOff,
        Rule::RepeatThroughLog,
        Rule::ProgramHoldsClaim,
        Rule::SpareLog,
        Rule::SyncResultMark,
        Rule::SyncLog,
        Rule::SyncLogName,
        Rule::SecondLook,
        Rule::OneOfSeveralNames,
        Rule::FurtherNameWins,
        Rule::HoldByRecord,
        Rule::SyncBeforeBelieving,
        Rule::MarksAndLogTogether,
        Rule::KeepResultMark,
        Rule::RestateAttempt,
        Rule::ReportBeforeFinish,
        Rule::SyncReported,
        Rule::ResultMarkBeforeCopy,
        Rule::SyncBeforeRemoval,
        Rule::SweepNeedsOneName,
        Rule::OperatorRecords,
        Rule::SyncOperatorRecord,
        Rule::SyncOperatorRename,
        Rule::ReaderSyncs,
        Rule::FindUntilUnchanged,
    ];
}
