//! Preprocessing: filters that make what a transport is given, on a copy that nobody keeps. The message itself is never
//! changed; sent copies, reports and sending again all use it.
//!
//! A filter prints the new message. Or it works in the directory that it is given: every `out/N.eml` is a message of its
//! own, for the recipients in `out/N.rcpts` or for all, and `undeliverable` names recipients that will not get it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use crate::mail::address::Address;
use crate::mail::status::{Status, StatusClass};
use crate::sys::dir::{self, Dir};
use crate::sys::error::PathError;
use crate::sys::file_stat::stat_of;
use crate::transports::answer::{HandOffResult, ProgramEnding, ResultKind, TransportResult};
use crate::transports::argv::{CommandTemplate, DeliveryValues};
use crate::values::printable;

use crate::transports::environment;
use crate::transports::hand_off::{HandOff, refused_result};
use crate::transports::program::{ProgramControl, ProgramRun, ResultChannel};
use crate::transports::transport::Transport;
use crate::values::quoting::quoted;

/// Longest list of recipients that a filter may write, in bytes.
const LONGEST_LIST: u64 = 16 << 20;

/// A message on its way through the filters.
struct FilteredPart {
    /// Empty while it is the only one.
    name: String,
    file: PartContent,
    /// Whom it is for: positions in the hand-off.
    recipients: Vec<usize>,
}

enum PartContent {
    /// The message as it was submitted.
    Original,
    /// A file that a filter made.
    Made(File),
}

/// Why the message cannot be handed over now.
struct FilterFailure(ResultKind, Status, String);

impl From<io::Error> for FilterFailure {
    fn from(error: io::Error) -> FilterFailure {
        FilterFailure(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, format!("preprocessing: {error}"))
    }
}

impl From<PathError> for FilterFailure {
    fn from(error: PathError) -> FilterFailure {
        FilterFailure(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, format!("preprocessing: {error}"))
    }
}

/// Runs all filters, and hands over what they made. Any failure keeps the recipients owed: what was not processed is
/// never sent.
pub(super) fn deliver(
    transport: &Transport,
    hand_off: &HandOff<'_>,
    work: &Path,
    control: ProgramControl<'_>,
    hand_over: &mut dyn FnMut(&HandOff<'_>) -> HandOffResult,
) -> HandOffResult {
    let all = hand_off.recipients.len();
    let mut outcomes: Vec<Option<TransportResult>> = vec![None; all];
    let made = process(transport, hand_off, work, control, &mut outcomes);
    let parts = match made {
        Ok(parts) => parts,
        Err(FilterFailure(verdict, status, text)) => {
            let broken = (verdict == ResultKind::Broken).then(|| text.clone());
            let outcome = TransportResult::new(verdict, status, text);
            let outcomes = outcomes.into_iter().map(|known| known.unwrap_or_else(|| outcome.clone())).collect();
            return HandOffResult { outcomes, broken, remote_id: None };
        }
    };
    let mut broken = None;
    let mut remote_id = None;
    let has = |part: &FilteredPart, index: usize| {
        hand_off.parts_delivered.iter().any(|(of, name)| *of == index && *name == part.name)
    };
    for part in &parts {
        let open: Vec<usize> = part.recipients.iter().copied().filter(|index| !has(part, *index)).collect();
        if open.is_empty() {
            continue;
        }
        let recipients: Vec<(usize, &Address)> = open.iter().map(|index| hand_off.recipients[*index]).collect();
        let (input, body_at) = part.input(hand_off);
        let inner = HandOff { recipients: &recipients, input, body_at, part: &part.name, ..*hand_off };
        let answer = hand_over(&inner);
        for (index, outcome) in open.iter().zip(answer.outcomes) {
            merge(&mut outcomes[*index], part, outcome);
        }
        broken = broken.or(answer.broken);
        remote_id = answer.remote_id.or(remote_id);
    }
    // Last: what was said just now tells more.
    for part in &parts {
        for index in part.recipients.iter().filter(|index| has(part, **index)) {
            let had = TransportResult::new(ResultKind::Accepted, Status::DONE, "delivered before");
            merge(&mut outcomes[*index], part, had);
        }
    }
    let unmade = || {
        TransportResult::new(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, "preprocessing made no message for it")
    };
    let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unmade)).collect();
    HandOffResult { outcomes, broken, remote_id }
}

/// How much an outcome of one part decides for the whole: what failed before what is owed, that before what is waited
/// for, and that before what is there.
fn weight(verdict: &ResultKind) -> u8 {
    match verdict {
        ResultKind::Failed => 6,
        ResultKind::Broken => 5,
        ResultKind::Busy => 4,
        ResultKind::Deferred(_) => 3,
        ResultKind::NotMine => 2,
        ResultKind::Async => 1,
        ResultKind::Accepted => 0,
    }
}

/// Takes the outcome of one part in. A part that is waited for is not handed over again either.
fn merge(known: &mut Option<TransportResult>, part: &FilteredPart, outcome: TransportResult) {
    let taken = matches!(outcome.verdict, ResultKind::Accepted | ResultKind::Async) && !part.name.is_empty();
    let mut parts: Vec<String> = known.iter().flat_map(|known| known.parts.clone()).collect();
    if taken {
        parts.push(part.name.clone());
    }
    let keeps = known.as_ref().is_some_and(|known| weight(&known.verdict) >= weight(&outcome.verdict));
    if !keeps {
        *known = Some(outcome);
    }
    if let Some(known) = known {
        known.parts = parts;
    }
}

impl FilteredPart {
    fn input<'a>(&'a self, hand_off: &HandOff<'a>) -> (BorrowedFd<'a>, u64) {
        match &self.file {
            PartContent::Original => (hand_off.input, hand_off.body_at),
            PartContent::Made(file) => (file.as_fd(), 0),
        }
    }
}

fn process(
    transport: &Transport,
    hand_off: &HandOff<'_>,
    work: &Path,
    control: ProgramControl<'_>,
    outcomes: &mut [Option<TransportResult>],
) -> Result<Vec<FilteredPart>, FilterFailure> {
    let everybody = (0..hand_off.recipients.len()).collect();
    let mut parts = vec![FilteredPart { name: String::new(), file: PartContent::Original, recipients: everybody }];
    for (step, filter) in transport.preprocess.iter().enumerate() {
        let mut next = Vec::new();
        for (index, part) in parts.into_iter().enumerate() {
            let dir = Dir::make(&work.join(format!("{step}.{index}")))?;
            dir.make_in("out")?;
            let stage = FilterStage { transport, filter, hand_off, dir, control };
            next.extend(stage.run(part, outcomes)?);
        }
        parts = next;
    }
    Ok(parts)
}

/// One filter on one message.
struct FilterStage<'a> {
    transport: &'a Transport,
    filter: &'a CommandTemplate,
    hand_off: &'a HandOff<'a>,
    dir: Dir,
    control: ProgramControl<'a>,
}

impl FilterStage<'_> {
    fn run(
        &self,
        mut part: FilteredPart,
        outcomes: &mut [Option<TransportResult>],
    ) -> Result<Vec<FilteredPart>, FilterFailure> {
        let message_fits =
            self.filter.accepts_sender(self.hand_off.sender.as_str()) && self.filter.accepts_envid(self.hand_off.envid);
        part.recipients.retain(|index| {
            let fits = message_fits && self.filter.accepts_recipient(self.hand_off.recipients[*index].1.text());
            if !fits {
                let text = "an address cannot be handed over: a filter could take it for an option or run it";
                outcomes[*index] = Some(refused_result(Status::BAD_SYNTAX, text));
            }
            fits
        });
        if part.recipients.is_empty() {
            return Ok(Vec::new());
        }
        let printed = self.filter(&part)?;
        let gone = self.undeliverable(&part, outcomes)?;
        let left: Vec<usize> = part.recipients.iter().copied().filter(|index| !gone.contains(index)).collect();
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let made = self.made(&part, &left)?;
        if !made.is_empty() {
            return match left.iter().find(|index| !made.iter().any(|part| part.recipients.contains(index))) {
                Some(index) => Err(self.later(&format!("made no message for {}", self.hand_off.recipients[*index].1))),
                None => Ok(made),
            };
        }
        match printed {
            Some(file) => Ok(vec![FilteredPart { name: part.name, file: PartContent::Made(file), recipients: left }]),
            None => Err(self.later("printed nothing")),
        }
    }

    /// Runs the filter; what it printed, if anything, as a file that stands at its first byte.
    fn filter(&self, part: &FilteredPart) -> Result<Option<File>, FilterFailure> {
        let hand_off = self.hand_off;
        let recipients: Vec<&str> = part.recipients.iter().map(|index| hand_off.recipients[*index].1.text()).collect();
        let values = DeliveryValues {
            sender: hand_off.sender.as_str(),
            recipients: &recipients,
            id: hand_off.id,
            envid: hand_off.envid,
            transport: &self.transport.name,
            attempt: hand_off.attempt,
            body: hand_off.body,
        };
        let mut env = environment::of_hand_off(self.transport, hand_off, &recipients);
        env.push(("MSPOOL_WORK".to_owned(), self.dir.path().to_string_lossy().into_owned()));
        let (input, body_at) = part.input(hand_off);
        dir::seek(input, body_at)?;
        let mut output = self.dir.create_new("message")?;
        let run = ProgramRun {
            argv: self.filter.fill(&values),
            env: &env,
            input: Some(input),
            results: ResultChannel::Exit,
            timeout: self.transport.timeout,
        };
        let mut room = hand_off.limit;
        let finished = run.run_into(self.control, &mut |bytes| {
            room = room.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
            output.write_all(bytes)
        });
        // The filter may have read only a part of what all of them read.
        dir::seek(input, body_at)?;
        match finished.ending {
            ProgramEnding::Exited(0) => {}
            ProgramEnding::Interrupted => {
                return Err(FilterFailure(ResultKind::Busy, Status::NOT_NOW, "interrupted".to_owned()));
            }
            ProgramEnding::NotStarted(_) | ProgramEnding::Exited(70 | 78) => {
                let text = format!("preprocess {}", finished.failure_text());
                return Err(FilterFailure(ResultKind::Broken, Status::BROKEN, text));
            }
            _ => return Err(self.later(&finished.failure_text())),
        }
        let size = stat_of(&output, &self.dir.path_of("message"))?.size;
        dir::seek(&output, 0)?;
        Ok((size > 0).then_some(output))
    }

    /// Reads `undeliverable`: an address a line, and what a report says about it.
    fn undeliverable(
        &self,
        part: &FilteredPart,
        outcomes: &mut [Option<TransportResult>],
    ) -> Result<Vec<usize>, FilterFailure> {
        let mut gone = Vec::new();
        for line in self.list(&self.dir, "undeliverable")?.unwrap_or_default().lines() {
            let (address, rest) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
            if address.is_empty() {
                continue;
            }
            let index = self.find(part, address)?;
            let (status, text) = Status::leading(rest).unwrap_or((Status::BAD_MESSAGE, rest));
            let status = if status.class() == StatusClass::Permanent { status } else { Status::BAD_MESSAGE };
            let text = printable::output(text.as_bytes(), 500);
            outcomes[index] = Some(TransportResult::new(ResultKind::Failed, status, text));
            gone.push(index);
        }
        Ok(gone)
    }

    /// The messages in `out`, by name.
    fn made(&self, part: &FilteredPart, left: &[usize]) -> Result<Vec<FilteredPart>, FilterFailure> {
        let out = self.dir.open_in("out")?;
        let mut stems: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(out.path())? {
            let name = entry?.file_name();
            if let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".eml")) {
                stems.push(stem.to_owned());
            }
        }
        stems.sort();
        let mut made = Vec::new();
        for stem in stems {
            let file = out.open_file(&format!("{stem}.eml"))?;
            let facts = stat_of(&file, &out.path_of(&stem))?;
            if !facts.regular || facts.size == 0 {
                return Err(self.later(&format!("out/{stem}.eml is empty, or no file")));
            }
            let recipients = match self.list(&out, &format!("{stem}.rcpts"))? {
                None => left.to_vec(),
                Some(list) => {
                    let lines = list.lines().map(str::trim).filter(|line| !line.is_empty());
                    let mut named: Vec<usize> =
                        lines.map(|address| self.find(part, address)).collect::<Result<_, _>>()?;
                    named.retain(|index| left.contains(index));
                    named.sort_unstable();
                    named.dedup();
                    named
                }
            };
            let name = if part.name.is_empty() { stem } else { format!("{}/{stem}", part.name) };
            made.push(FilteredPart { name, file: PartContent::Made(file), recipients });
        }
        Ok(made)
    }

    /// Whom a filter means. It may not bring in anybody else.
    fn find(&self, part: &FilteredPart, text: &str) -> Result<usize, FilterFailure> {
        let key = Address::parse(text).ok().map(|address| address.key());
        let is = |index: &&usize| {
            let address = self.hand_off.recipients[**index].1;
            address.text() == text || Some(address.key()) == key
        };
        let known = part.recipients.iter().find(is).copied();
        known.ok_or_else(|| self.later(&format!("names {}, which is not a recipient of the message", quoted(text))))
    }

    fn list(&self, dir: &Dir, name: &str) -> Result<Option<String>, FilterFailure> {
        let file = match dir.open_file(name) {
            Err(error) if error.is_not_found() => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(LONGEST_LIST).read_to_end(&mut bytes)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn later(&self, what: &str) -> FilterFailure {
        let text = format!("preprocess {} {what}", self.filter.program());
        FilterFailure(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, text)
    }
}
