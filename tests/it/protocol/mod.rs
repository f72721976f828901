//! Model of the protocol of names, logs, claims and syncs, explored in every order of events.
//!
//! One message with one or two recipients; runners, operators, an incoming report, readers and a sweep; kills and power
//! cuts at every step, on three kinds of disks. The properties hold in every scenario, and leaving out any one of the
//! rules breaks one of them: that shows that the model can fail, and that the rule is needed.
//!
//! `MSPOOL_MODEL=full` explores larger scenarios as well; they take a minute in a debug build.
//!
//! Not modelled: several messages, answers of hooks, and contents of files.

mod claim;
mod disk;
mod explore;
mod names;
mod operator;
mod processes;
mod properties;
mod reader;
mod rules;
mod runner;
mod scenario;
mod sweep;
mod world;

use disk::{DISK_MODELS, DiskModel};
use explore::{Exploration, explore};
use properties::Violation;
use rules::Rule;
use scenario::{AfterSuccess, Role, Scenario, Start};

const PLAIN: Scenario = Scenario::PLAIN;
const KILLED: Scenario = Scenario { name: "a kill", kills: 1, ..PLAIN };
const TWO_RUNNERS: Scenario = Scenario { name: "two runners", runners: 2, ..KILLED };

/// Scenarios of every test run.
const SCENARIOS: &[Scenario] = &[
    Scenario { name: "two recipients, failures", recipients: 2, may_fail: true, ..PLAIN },
    Scenario { name: "two runners, failures", may_fail: true, ..TWO_RUNNERS },
    Scenario { name: "two cuts, three attempts", cuts: 2, lives: 3, max_attempts: 3, ..PLAIN },
    Scenario { name: "hold", others: &[Role::Hold], ..KILLED },
    Scenario { name: "hold and release", others: &[Role::Hold, Role::Release], lives: 3, ..KILLED },
    Scenario { name: "cancel", others: &[Role::Cancel], ..KILLED },
    Scenario { name: "incoming report", others: &[Role::IncomingReport], ..KILLED },
    Scenario { name: "reader", others: &[Role::Reader], may_fail: true, ..KILLED },
    Scenario { name: "sweep", others: &[Role::Sweep], lives: 3, may_fail: true, ..KILLED },
    Scenario { name: "copy", after_success: AfterSuccess::Copy, ..TWO_RUNNERS },
    Scenario { name: "removal", after_success: AfterSuccess::Removal, lives: 3, ..KILLED },
    Scenario { name: "search", others: &[Role::Finder], cuts: 0, max_attempts: 3, ..KILLED },
    Scenario {
        name: "earlier layout, one result",
        start: Start::EarlierResult,
        recipients: 2,
        may_fail: true,
        cuts: 2,
        lives: 3,
        max_attempts: 3,
        ..PLAIN
    },
    Scenario {
        name: "earlier layout, open attempt",
        start: Start::EarlierOpenAttempt,
        recipients: 2,
        lives: 3,
        max_attempts: 3,
        ..KILLED
    },
];

/// Larger scenarios.
const LARGE_SCENARIOS: &[Scenario] = &[
    Scenario { name: "two runners, two recipients, two kills", recipients: 2, kills: 2, ..TWO_RUNNERS },
    Scenario {
        name: "two cuts, two recipients, failures",
        cuts: 2,
        lives: 3,
        recipients: 2,
        may_fail: true,
        max_attempts: 3,
        ..PLAIN
    },
    Scenario { name: "two cuts, a kill", cuts: 2, lives: 4, max_attempts: 3, ..KILLED },
    Scenario { name: "hold, two runners", others: &[Role::Hold], ..TWO_RUNNERS },
    Scenario { name: "hold, release, hold", others: &[Role::Hold, Role::Release, Role::Hold], lives: 3, ..KILLED },
    Scenario {
        name: "hold, release, hold, two cuts",
        others: &[Role::Hold, Role::Release, Role::Hold],
        cuts: 2,
        lives: 3,
        ..PLAIN
    },
    Scenario { name: "cancel, two runners", others: &[Role::Cancel], ..TWO_RUNNERS },
    Scenario { name: "incoming report, two runners", others: &[Role::IncomingReport], ..TWO_RUNNERS },
    Scenario { name: "reader, sweep, two runners", others: &[Role::Reader, Role::Sweep], ..TWO_RUNNERS },
    Scenario {
        name: "hold, reader, two recipients, failures",
        others: &[Role::Hold, Role::Reader],
        recipients: 2,
        may_fail: true,
        ..KILLED
    },
    Scenario {
        name: "copy, hold, failures",
        after_success: AfterSuccess::Copy,
        others: &[Role::Hold],
        may_fail: true,
        ..KILLED
    },
    Scenario { name: "search, hold, release", others: &[Role::Finder, Role::Hold, Role::Release], cuts: 0, ..KILLED },
];

/// Scenario in which the lack of a rule shows, and what breaks.
struct Proof {
    scenario: Scenario,
    disk: DiskModel,
    violation: Violation,
}

fn proof(rule: Rule) -> Proof {
    let ordered = |scenario, violation| Proof { scenario, disk: DiskModel::OrderedJournal, violation };
    let any_order = |scenario, violation| Proof { scenario, disk: DiskModel::AnyRenames, violation };
    let both_names = |scenario, violation| Proof { scenario, disk: DiskModel::BothNames, violation };
    let failures = Scenario { may_fail: true, ..PLAIN };
    let uncut = Scenario { cuts: 0, lives: 3, max_attempts: 3, ..KILLED };
    let copy = Scenario { after_success: AfterSuccess::Copy, ..TWO_RUNNERS };
    let with = |others| Scenario { others, ..PLAIN };
    match rule {
        Rule::AttemptBeforeHandOff => ordered(uncut, Violation::SilentRepeat),
        Rule::RepeatThroughLog => ordered(uncut, Violation::SilentRepeat),
        Rule::ProgramHoldsClaim => ordered(uncut, Violation::TwoProgramsAtOnce),
        Rule::SpareLog => ordered(Scenario { recipients: 2, kills: 0, ..uncut }, Violation::RepeatWithoutCrash),
        Rule::SyncResultMark => ordered(PLAIN, Violation::ToldResultLost),
        Rule::SyncLog => ordered(failures, Violation::ToldResultLost),
        Rule::SyncLogName => any_order(failures, Violation::ToldResultLost),
        Rule::SecondLook => ordered(Scenario { runners: 2, ..uncut }, Violation::HandedOverAfterRecordedSuccess),
        Rule::OneOfSeveralNames => both_names(PLAIN, Violation::ToldResultLost),
        Rule::FurtherNameWins => both_names(PLAIN, Violation::ToldResultLost),
        Rule::HoldByRecord => both_names(with(&[Role::Hold]), Violation::HoldLost),
        Rule::SyncBeforeBelieving => ordered(Scenario { may_fail: true, ..KILLED }, Violation::ToldResultLost),
        Rule::MarksAndLogTogether => ordered(with(&[Role::IncomingReport]), Violation::ToldResultLost),
        Rule::KeepResultMark => any_order(copy, Violation::ToldResultLost),
        Rule::RestateAttempt => {
            let operators = &[Role::Hold, Role::Release];
            ordered(Scenario { others: operators, ..uncut }, Violation::SilentRepeat)
        }
        Rule::ReportBeforeFinish => ordered(failures, Violation::ReportMissing),
        Rule::SyncReported => ordered(failures, Violation::SecondReport),
        Rule::ResultMarkBeforeCopy => ordered(copy, Violation::CopyMissing),
        Rule::SyncBeforeRemoval => {
            let removal = Scenario { after_success: AfterSuccess::Removal, ..PLAIN };
            both_names(removal, Violation::HandedOverAfterToldSuccess)
        }
        Rule::SweepNeedsOneName => both_names(with(&[Role::Sweep]), Violation::HandedOverAfterToldSuccess),
        Rule::OperatorRecords => both_names(with(&[Role::Hold]), Violation::HoldLost),
        Rule::SyncOperatorRecord => both_names(with(&[Role::Hold]), Violation::HoldLost),
        Rule::SyncOperatorRename => ordered(with(&[Role::Hold]), Violation::HoldLost),
        Rule::ReaderSyncs => ordered(with(&[Role::Reader]), Violation::ToldResultLost),
        Rule::FindUntilUnchanged => {
            let search = Scenario { others: &[Role::Finder], cuts: 0, ..PLAIN };
            ordered(search, Violation::NotFound)
        }
    }
}

fn explore_all(scenarios: &[Scenario]) {
    for scenario in scenarios {
        for disk in DISK_MODELS {
            if scenario.cuts == 0 && disk != DiskModel::OrderedJournal {
                continue;
            }
            let scenario = Scenario { disk, ..scenario.clone() };
            let Exploration { worlds, counterexample } = explore(&scenario);
            println!("{worlds:9} worlds: {}, {disk:?}", scenario.name);
            assert!(worlds > 10, "{}: nothing was explored", scenario.name);
            if let Some(counterexample) = counterexample {
                panic!("{}, {disk:?}: {counterexample}", scenario.name);
            }
        }
    }
}

#[test]
fn the_protocol_keeps_its_promises() {
    explore_all(SCENARIOS);
}

#[test]
fn the_protocol_keeps_its_promises_in_larger_scenarios() {
    if std::env::var("MSPOOL_MODEL").is_ok_and(|size| size == "full") {
        explore_all(LARGE_SCENARIOS);
    }
}

#[test]
fn every_rule_is_needed() {
    let problems: Vec<String> = Rule::ALL.into_iter().filter_map(|rule| problem_of_proof(rule, proof(rule))).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Returns why a proof shows nothing, if so.
fn problem_of_proof(rule: Rule, proof: Proof) -> Option<String> {
    let Proof { scenario, disk, violation } = proof;
    let kept = explore(&Scenario { disk, ..scenario.clone() });
    if let Some(counterexample) = kept.counterexample {
        return Some(format!("{rule:?} is kept, and still: {counterexample}"));
    }
    let Some(counterexample) = explore(&Scenario { disk, left_out: Some(rule), ..scenario }).counterexample else {
        return Some(format!("nothing breaks without {rule:?}"));
    };
    println!("without {rule:?}: {counterexample}");
    let is_other = counterexample.violation != violation;
    is_other.then(|| format!("without {rule:?}, expected {violation:?}: {counterexample}"))
}
