//! Filters (`preprocess`): programs that change the message before a hand-off, on a temporary copy. The queued message
//! never changes; sent copies, bounces and `resend` use it.
//!
//! A filter prints the new message. Or it writes files into its work directory: each `out/N.eml` is a message, for the
//! recipients in `out/N.rcpts` or for all, and `undeliverable` lists recipients that fail.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use crate::mail::address::Address;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::status::{Status, StatusClass};
use crate::sys::dir::{self, Dir};
use crate::sys::error::{PathError, reason_text};
use crate::sys::file_stat::stat_of;
use crate::transports::answer::{BrokenTransport, HandOffResult, ResultKind, TransportResult};
use crate::transports::argv::{CommandTemplate, DeliveryValues, unsafe_value_text};
use crate::transports::finished::ProgramEnding;
use crate::values::printable::{self, TextLimit};

use crate::transports::environment;
use crate::transports::hand_off::{HandOff, refused_result};
use crate::transports::program::{ProgramControl, ProgramRun};
use crate::transports::transport::Transport;
use crate::values::quoting::quoted;

/// Longest list of recipients that is read from a filter, in bytes.
const LONGEST_LIST: u64 = 16 << 20;

/// Filtered message: the original, or one of those that filters made of it.
struct FilteredPart {
    /// Name, from the file names in `out`; empty for the only message.
    name: String,
    file: PartContent,
    /// Recipients, as indices into the hand-off.
    recipients: Vec<usize>,
}

enum PartContent {
    /// Message as submitted.
    Original,
    /// File that a filter wrote.
    Made(File),
}

/// Reason why the message cannot be handed over now.
struct FilterFailure(ResultKind, Status, String);

impl From<io::Error> for FilterFailure {
    fn from(error: io::Error) -> FilterFailure {
        FilterFailure(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, format!("filter: {}", reason_text(&error)))
    }
}

impl From<PathError> for FilterFailure {
    fn from(error: PathError) -> FilterFailure {
        FilterFailure(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, format!("filter: {error}"))
    }
}

/// Runs all filters and hands over each message that they made. After any failure of a filter the recipients are still
/// owed: an unfiltered message must never be sent.
pub(super) fn deliver(
    transport: &Transport,
    hand_off: &HandOff<'_>,
    work: &Path,
    control: ProgramControl<'_>,
    hand_over: &mut dyn FnMut(&HandOff<'_>) -> HandOffResult,
) -> HandOffResult {
    let all = hand_off.recipients.len();
    let mut results: Vec<Option<TransportResult>> = vec![None; all];
    let made = process(transport, hand_off, work, control, &mut results);
    let parts = match made {
        Ok(parts) => parts,
        Err(FilterFailure(kind, status, text)) => {
            let broken = BrokenTransport::shown_by(&kind, &text);
            let outcome = TransportResult::new(kind, status, text);
            let results = results.into_iter().map(|known| known.unwrap_or_else(|| outcome.clone())).collect();
            return HandOffResult { results, broken, remote_id: None };
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
        let recipients: Vec<(RecipientIndex, &Address)> =
            open.iter().map(|index| hand_off.recipients[*index]).collect();
        let (input, body_at) = part.input(hand_off);
        let inner = HandOff { recipients: &recipients, input, body_at, part: &part.name, ..*hand_off };
        let answer = hand_over(&inner);
        for (index, outcome) in open.iter().zip(answer.results) {
            merge(&mut results[*index], part, outcome);
        }
        broken = broken.or(answer.broken);
        remote_id = answer.remote_id.or(remote_id);
    }
    // After the hand-offs: a result of this attempt tells more.
    for part in &parts {
        for index in part.recipients.iter().filter(|index| has(part, **index)) {
            let had = TransportResult::new(ResultKind::Accepted, Status::DONE, "already delivered");
            merge(&mut results[*index], part, had);
        }
    }
    let unmade = || {
        let text = "the filters made no message for this recipient";
        TransportResult::new(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, text)
    };
    let results = results.into_iter().map(|outcome| outcome.unwrap_or_else(unmade)).collect();
    HandOffResult { results, broken, remote_id }
}

/// Returns the precedence of a result among those of a recipient's filtered messages: the highest applies to the
/// recipient. A failure precedes a deferral, a deferral an asynchronous result, and that a success.
fn weight(kind: &ResultKind) -> u8 {
    match kind {
        ResultKind::Failed => 6,
        ResultKind::Broken | ResultKind::LoginRefused => 5,
        ResultKind::Busy => 4,
        ResultKind::Deferred(_) => 3,
        ResultKind::NotMine => 2,
        ResultKind::Async => 1,
        ResultKind::Accepted => 0,
    }
}

/// Merges the result of one filtered message into that of the recipient. An accepted message is noted by name, also if
/// its result comes later, so that a retry does not hand it over again.
fn merge(known: &mut Option<TransportResult>, part: &FilteredPart, outcome: TransportResult) {
    let taken = matches!(outcome.kind, ResultKind::Accepted | ResultKind::Async) && !part.name.is_empty();
    let mut parts: Vec<String> = known.iter().flat_map(|known| known.parts.clone()).collect();
    if taken {
        parts.push(part.name.clone());
    }
    let keeps = known.as_ref().is_some_and(|known| weight(&known.kind) >= weight(&outcome.kind));
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
    results: &mut [Option<TransportResult>],
) -> Result<Vec<FilteredPart>, FilterFailure> {
    let everybody = (0..hand_off.recipients.len()).collect();
    let mut parts = vec![FilteredPart { name: String::new(), file: PartContent::Original, recipients: everybody }];
    for (step, filter) in transport.preprocess.iter().enumerate() {
        let mut next = Vec::new();
        for (index, part) in parts.into_iter().enumerate() {
            let dir = Dir::open(work)?.make_in(&format!("{step}.{index}"))?;
            dir.make_in("out")?;
            let stage = FilterStage { transport, filter, hand_off, dir, control };
            next.extend(stage.run(part, results)?);
        }
        parts = next;
    }
    Ok(parts)
}

/// Run of one filter on one message.
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
        results: &mut [Option<TransportResult>],
    ) -> Result<Vec<FilteredPart>, FilterFailure> {
        let (sender, envid) = (self.hand_off.sender.as_str(), self.hand_off.envid);
        let unsafe_of_message = if !self.filter.accepts_sender(sender) {
            Some(("sender", sender))
        } else if !self.filter.accepts_envid(envid) {
            Some(("envelope id", envid))
        } else {
            None
        };
        part.recipients.retain(|index| {
            let recipient = self.hand_off.recipients[*index].1.text();
            let unsafe_value = match unsafe_of_message {
                None if !self.filter.accepts_recipient(recipient) => Some(("recipient", recipient)),
                other => other,
            };
            if let Some((name, value)) = unsafe_value {
                let text = unsafe_value_text(name, value, "filter");
                results[*index] = Some(refused_result(Status::BAD_SYNTAX, &text));
            }
            unsafe_value.is_none()
        });
        if part.recipients.is_empty() {
            return Ok(Vec::new());
        }
        let printed = self.filter(&part)?;
        let gone = self.undeliverable(&part, results)?;
        let left: Vec<usize> = part.recipients.iter().copied().filter(|index| !gone.contains(index)).collect();
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let made = self.made(&part, &left)?;
        if !made.is_empty() {
            return match left.iter().find(|index| !made.iter().any(|part| part.recipients.contains(index))) {
                Some(index) => {
                    let recipient = self.hand_off.recipients[*index].1.to_string();
                    Err(self.later(&format!("made no message for {}", quoted(&recipient))))
                }
                None => Ok(made),
            };
        }
        match printed {
            Some(file) => Ok(vec![FilteredPart { name: part.name, file: PartContent::Made(file), recipients: left }]),
            None => Err(self.later("printed no message")),
        }
    }

    /// Runs the filter. Returns its output, if any, as a file that is positioned at the first byte.
    fn filter(&self, part: &FilteredPart) -> Result<Option<File>, FilterFailure> {
        let hand_off = self.hand_off;
        let recipients: Vec<&str> = part.recipients.iter().map(|index| hand_off.recipients[*index].1.text()).collect();
        let values = DeliveryValues {
            sender: hand_off.sender.as_str(),
            return_path: hand_off.return_path,
            recipients: &recipients,
            id: hand_off.id.as_str(),
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
            input: Some(input),
            held: Some(self.hand_off.lock),
            ..ProgramRun::new(self.filter.fill(&values), &env, self.transport.timeout)
        };
        let mut room = hand_off.limit;
        let finished = run.run_into(self.control, &mut |bytes| {
            room = room.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
            output.write_all(bytes)
        });
        // The file offset is shared with the filter, which may have read only part of the input.
        dir::seek(input, body_at)?;
        match finished.ending {
            ProgramEnding::Exited(0) => {}
            ProgramEnding::Interrupted => {
                return Err(FilterFailure(ResultKind::Busy, Status::NOT_NOW, "interrupted".to_owned()));
            }
            ProgramEnding::NotStarted(reason) => {
                return Err(FilterFailure(ResultKind::Broken, Status::BROKEN, format!("filter {reason}")));
            }
            ProgramEnding::Exited(70 | 78) => {
                let text = format!("filter {} {}", self.filter.program(), finished.failure_text());
                return Err(FilterFailure(ResultKind::Broken, Status::BROKEN, text));
            }
            _ => return Err(self.later(&finished.failure_text())),
        }
        let size = stat_of(&output, &self.dir.path_of("message"))?.size;
        dir::seek(&output, 0)?;
        Ok((size > 0).then_some(output))
    }

    /// Reads `undeliverable`: one address per line, then a status and a text for the bounce. Returns the indices of
    /// these recipients, which fail.
    fn undeliverable(
        &self,
        part: &FilteredPart,
        results: &mut [Option<TransportResult>],
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
            let text = printable::output(text.as_bytes(), TextLimit::Result);
            results[index] = Some(TransportResult::new(ResultKind::Failed, status, text));
            gone.push(index);
        }
        Ok(gone)
    }

    /// Returns the messages in `out`, sorted by name.
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
                let path = quoted(&format!("out/{stem}.eml"));
                return Err(self.later(&format!("left {path} empty, or not a regular file")));
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

    /// Returns the index of an address that a filter wrote. An address that is not a recipient of the message is an
    /// error: a filter cannot add recipients.
    fn find(&self, part: &FilteredPart, text: &str) -> Result<usize, FilterFailure> {
        let key = Address::parse(text).ok().map(|address| address.key());
        let is = |index: &&usize| {
            let address = self.hand_off.recipients[**index].1;
            address.text() == text || Some(address.key()) == key
        };
        let known = part.recipients.iter().find(is).copied();
        known.ok_or_else(|| self.later(&format!("named {}, which is not a recipient of the message", quoted(text))))
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
        let text = format!("filter {} {what}", self.filter.program());
        FilterFailure(ResultKind::Deferred(None), Status::LOCAL_TROUBLE, text)
    }
}
