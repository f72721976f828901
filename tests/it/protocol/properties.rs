//! What must hold in every world, and before every hand-off.

use std::fmt;

use crate::protocol::names::{Directory, History, Name, Recipient};
use crate::protocol::rules::Rule;
use crate::protocol::scenario::{AfterSuccess, Scenario};
use crate::protocol::world::World;

/// Promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    MessageLost,
    ToldResultLost,
    SentWithoutResult,
    ReportMissing,
    SecondReport,
    IncomingReportLost,
    HoldLost,
    ReleaseLost,
    CancellationLost,
    CopyMissing,
    HandedOverAfterCancellation,
    HandedOverAfterToldSuccess,
    HandedOverAfterRecordedSuccess,
    RepeatWithoutCrash,
    SilentRepeat,
    TwoProgramsAtOnce,
    NotFound,
    Stuck,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Violation::MessageLost => "the message has no name left",
            Violation::ToldResultLost => "a result that was told is not in the spool",
            Violation::SentWithoutResult => "the message is in sent, and a recipient is owed",
            Violation::ReportMissing => "the message is in failed, and no report is durable",
            Violation::SecondReport => "a second report on a message that was finished with the first",
            Violation::IncomingReportLost => "an incoming report that was told is not in the spool",
            Violation::HoldLost => "a held message is in the queue",
            Violation::ReleaseLost => "a released message is on hold",
            Violation::CancellationLost => "a cancelled message is in the queue",
            Violation::CopyMissing => "the message is in sent, and no copy is durable",
            Violation::HandedOverAfterCancellation => "the cancellation was told, and the message is handed over",
            Violation::HandedOverAfterToldSuccess => "the success was told, and the message is handed over again",
            Violation::HandedOverAfterRecordedSuccess => {
                "the success was recorded, no power cut since, and the message is handed over again"
            }
            Violation::RepeatWithoutCrash => "handed over again after a success, without any kill or power cut",
            Violation::SilentRepeat => "handed over again after a kill, and nothing tells that it may be a repeat",
            Violation::TwoProgramsAtOnce => "two programs have the message at the same time",
            Violation::NotFound => "a search says that an acknowledged message does not exist",
            Violation::Stuck => "a new run cannot finish the message",
        })
    }
}

/// Returns why a recipient must not be handed the message now.
pub fn hand_over_violation(world: &World, history: &History, recipient: usize) -> Option<Violation> {
    let promises = &world.promises;
    let was_given = promises.given[recipient];
    let is_marked = history.open_attempt > 0 || history.has_unknown_result;
    if promises.cancelled {
        Some(Violation::HandedOverAfterCancellation)
    } else if promises.told[recipient] == Recipient::Delivered {
        Some(Violation::HandedOverAfterToldSuccess)
    } else if promises.recorded[recipient] == Recipient::Delivered {
        Some(Violation::HandedOverAfterRecordedSuccess)
    } else if was_given && !promises.had_crash {
        Some(Violation::RepeatWithoutCrash)
    } else if was_given && promises.given_since_cut[recipient] && !is_marked {
        Some(Violation::SilentRepeat)
    } else {
        None
    }
}

/// Returns the first promise that a world breaks. `after_cut` is true for a world that a power cut has left.
pub fn violation(world: &World, scenario: &Scenario, after_cut: bool) -> Option<Violation> {
    let names: Vec<Name> = world.disk.message_names().collect();
    if names.is_empty() {
        return (!world.promises.was_removed).then_some(Violation::MessageLost);
    }
    // A claim chooses one of several names; without that rule, any of them may be taken.
    let taken = match scenario.keeps(Rule::OneOfSeveralNames) {
        true => world.kept_name(scenario).into_iter().collect(),
        false => names,
    };
    taken.into_iter().find_map(|name| violation_by_name(world, scenario, after_cut, name))
}

fn violation_by_name(world: &World, scenario: &Scenario, after_cut: bool, name: Name) -> Option<Violation> {
    let history = world.history(name, scenario);
    let promises = &world.promises;
    let kept = !promises.was_removed;
    let lost = |(told, is): (&Recipient, &Recipient)| *told != Recipient::Owed && told != is;
    let broken = [
        (kept && promises.told.iter().zip(&history.recipients).any(lost), Violation::ToldResultLost),
        (
            name.directory == Directory::Sent && !history.all_delivered(scenario.recipients),
            Violation::SentWithoutResult,
        ),
        (
            name.directory == Directory::Failed && !promises.report_is_durable && !history.cancelled,
            Violation::ReportMissing,
        ),
        (kept && promises.heard && !history.heard, Violation::IncomingReportLost),
        (after_cut && promises.held && name.directory != Directory::Hold, Violation::HoldLost),
        (after_cut && promises.released && name.directory == Directory::Hold, Violation::ReleaseLost),
        (after_cut && promises.cancelled && name.directory != Directory::Failed, Violation::CancellationLost),
        (
            scenario.after_success == AfterSuccess::Copy
                && name.directory == Directory::Sent
                && !promises.copy_is_durable,
            Violation::CopyMissing,
        ),
    ];
    broken.into_iter().find_map(|(is_broken, violation)| is_broken.then_some(violation))
}
