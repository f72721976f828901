//! The points at which faults strike: a sample for every run of the tests, and a campaign.

use std::time::Instant;

use crate::faults::oracle::{Case, judge, judge_second};
use crate::faults::stage::FaultedRun;
use crate::faults::tracer::{CallClass, Fault, FaultPoint};

/// A kind of fault, and the distance between the calls of a class at which it strikes.
struct Sweep {
    class: CallClass,
    fault: Fault,
    stride: u64,
}

/// Length of a sample, for commands that make few calls and for those that make many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleSize {
    /// Every mutating call: killed, and failed with EIO.
    EveryPoint,
    /// Every N-th of them.
    Stride(u64),
}

/// Errors of a filesystem, for the campaign.
const FILESYSTEM_ERRORS: [i32; 5] = [libc::EIO, libc::ENOSPC, libc::EROFS, libc::EDQUOT, libc::EACCES];

/// The distance in a sample, as a multiple of that in the mutating class.
const LASTING_STRIDE: u64 = 5;
const RESOURCE_STRIDE: u64 = 8;
const SPARSE_STRIDE: u64 = 30;

fn sample(size: SampleSize) -> Vec<Sweep> {
    let stride = match size {
        SampleSize::EveryPoint => 1,
        SampleSize::Stride(stride) => stride,
    };
    vec![
        Sweep { class: CallClass::Mutating, fault: Fault::KillBefore, stride },
        Sweep { class: CallClass::Mutating, fault: Fault::FailOnce(libc::EIO), stride },
        Sweep { class: CallClass::Mutating, fault: Fault::FailForever(libc::EIO), stride: stride * LASTING_STRIDE },
        Sweep { class: CallClass::Mutating, fault: Fault::FailForever(libc::ENOSPC), stride: stride * LASTING_STRIDE },
        Sweep {
            class: CallClass::ResourceMaking,
            fault: Fault::FailOnce(libc::EMFILE),
            stride: stride * RESOURCE_STRIDE,
        },
        Sweep { class: CallClass::Renames, fault: Fault::KillAfter, stride },
        Sweep { class: CallClass::Renames, fault: Fault::FailAfterwards(libc::EIO), stride: 1 },
        Sweep { class: CallClass::Filesystem, fault: Fault::FailOnce(libc::EIO), stride: stride * SPARSE_STRIDE },
        Sweep { class: CallClass::Interruptible, fault: Fault::FailOnce(libc::EINTR), stride: stride * SPARSE_STRIDE },
    ]
}

fn campaign(stride: u64) -> Vec<Sweep> {
    let mut sweeps = vec![
        Sweep { class: CallClass::All, fault: Fault::KillBefore, stride },
        Sweep { class: CallClass::Mutating, fault: Fault::KillAfter, stride },
        Sweep { class: CallClass::Interruptible, fault: Fault::FailOnce(libc::EINTR), stride },
        Sweep { class: CallClass::ResourceMaking, fault: Fault::FailOnce(libc::EMFILE), stride },
        Sweep { class: CallClass::ResourceMaking, fault: Fault::FailForever(libc::EMFILE), stride },
        Sweep { class: CallClass::Filesystem, fault: Fault::FailOnce(libc::EIO), stride },
        Sweep { class: CallClass::Filesystem, fault: Fault::FailForever(libc::EIO), stride },
        Sweep { class: CallClass::Renames, fault: Fault::FailForever(libc::EIO), stride },
        Sweep { class: CallClass::Renames, fault: Fault::FailAfterwards(libc::EIO), stride },
        Sweep { class: CallClass::All, fault: Fault::Signal(libc::SIGTERM), stride },
    ];
    for error in FILESYSTEM_ERRORS {
        sweeps.push(Sweep { class: CallClass::Mutating, fault: Fault::FailOnce(error), stride });
        sweeps.push(Sweep { class: CallClass::Mutating, fault: Fault::FailForever(error), stride });
    }
    sweeps
}

/// The stride of the campaign, if one is wanted.
fn campaign_stride() -> Option<u64> {
    let text = std::env::var("MSPOOL_FAULTS").ok()?;
    Some(text.parse().ok().filter(|stride| *stride > 0).expect("MSPOOL_FAULTS is a number from 1"))
}

/// Goes through the points of one command, and fails with every violation of the oracle.
pub fn go_through(case: &Case, size: SampleSize) {
    let began = Instant::now();
    let stage = case.stage();
    let clean = case.traced_run(&stage, None);
    let problems = judge(case, &stage, &clean, None);
    assert!(problems.is_empty(), "{}: without any fault: {problems:#?}\n{clean:#?}", case.name);
    let sweeps = campaign_stride().map_or_else(|| sample(size), campaign);
    let (mut points, mut violations) = (0, Vec::new());
    for (index, Sweep { class, fault, stride }) in sweeps.into_iter().enumerate() {
        // A fault makes a run longer or shorter: past the end of a clean run, none strikes.
        // Each kind begins elsewhere, so that together they meet more calls.
        let first = 1 + index as u64 * 3 % stride;
        for nth in (first..=clean.traced.count(class)).step_by(stride as usize) {
            let point = FaultPoint { class, nth, fault };
            let run = case.traced_run(&stage, Some(point));
            if run.traced.struck.is_none() {
                continue;
            }
            points += 1;
            for problem in judge(case, &stage, &run, Some(&clean)) {
                let text = describe(case, point, &run, &problem);
                eprintln!("{text}");
                violations.push(text);
            }
        }
    }
    eprintln!(
        "{}: {points} points in {:.1} s, {} violations",
        case.name,
        began.elapsed().as_secs_f32(),
        violations.len()
    );
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

/// Kills a run, then the run that finds what it left, and fails with every violation of the oracle. In a
/// sample, `strides` are the distances between the points of the first run and those of the second.
pub fn go_through_recovery(case: &Case, strides: [u64; 2]) {
    let stage = case.stage();
    let clean = case.traced_run(&stage, None);
    let [first_stride, second_stride] = campaign_stride().map_or(strides, |stride| [stride, stride]);
    let killed = |nth| FaultPoint { class: CallClass::Mutating, nth, fault: Fault::KillBefore };
    let (mut points, mut violations) = (0, Vec::new());
    for first in (1..=clean.traced.count(CallClass::Mutating)).step_by(first_stride as usize) {
        // Each first point begins elsewhere, so that together they meet more calls.
        let mut second = 1 + first % second_stride;
        loop {
            case.traced_run(&stage, Some(killed(first)));
            let run = case.traced_run_again(&stage, killed(second));
            if run.traced.struck.is_none() {
                break;
            }
            points += 1;
            for problem in judge_second(case, &stage, &run) {
                let text = describe(case, killed(second), &run, &format!("after a kill at {first}: {problem}"));
                eprintln!("{text}");
                violations.push(text);
            }
            second += second_stride;
        }
    }
    eprintln!("{}: {points} pairs of points, {} violations", case.name, violations.len());
    assert!(points > 0, "{}: nothing was killed twice", case.name);
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

fn describe(case: &Case, point: FaultPoint, run: &FaultedRun, problem: &str) -> String {
    let FaultPoint { class, nth, fault } = point;
    let call = run.traced.struck.as_deref().unwrap_or("no call");
    format!(
        "{}: {fault:?} at {class:?} {nth}, {call}: {problem} (status {}, printed {:?}, errors {:?})",
        case.name, run.traced.code, run.out, run.err
    )
}
