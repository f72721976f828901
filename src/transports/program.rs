//! One run of another program: its input is a file, its output is caught, its time is limited, and it is ended with
//! everything it started.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::sys::error::reason_text;
use crate::sys::process::{ChildEnd, ChildProcess, ProgramStart, is_shortage};
use crate::sys::ready;
use crate::sys::signals::Signals;
use crate::transports::answer::{LinesCompleteness, ProgramEnding};
use crate::values::printable;
use crate::values::time::span;

/// Bytes of standard output, and of standard error, that are kept. What follows is read and dropped.
const KEPT: usize = 20 << 10;

/// Bytes of result lines that are kept: a thousand recipients and more.
const KEPT_LINES: usize = 1 << 20;

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// What to run.
#[derive(Debug)]
pub struct ProgramRun<'a> {
    /// The arguments; the first is the program.
    pub argv: Vec<String>,
    /// Its environment, names and values.
    pub env: &'a [(String, String)],
    /// Its standard input; `None` is an empty one.
    pub input: Option<BorrowedFd<'a>>,
    /// Whether descriptor 3 is there for result lines.
    pub results: ResultChannel,
    /// When it is killed.
    pub timeout: Duration,
}

/// Where a program says what became of its recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultChannel {
    /// In its exit status.
    Exit,
    /// In lines on descriptor 3.
    Lines,
}

/// What a program left behind.
#[derive(Debug)]
pub struct FinishedProgram {
    /// How it ended.
    pub ending: ProgramEnding,
    /// The beginning of its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub stderr: Vec<u8>,
    /// Its result lines, but for those that only tell how far it is.
    pub lines: Vec<u8>,
    /// Whether it wrote more of them than are kept.
    pub completeness: LinesCompleteness,
}

/// Takes what a program prints, as it comes; an error ends the program.
pub type Sink<'s> = dyn FnMut(&[u8]) -> io::Result<()> + 's;

impl FinishedProgram {
    /// What went wrong, in words; what the program said is part of them.
    pub fn failure_text(&self) -> String {
        let texts = [&self.stderr, &self.stdout].map(|bytes| printable::output(bytes, 200));
        let text = texts.into_iter().find(|text| !text.is_empty()).map_or(String::new(), |text| format!(": {text}"));
        match &self.ending {
            ProgramEnding::Exited(code) => format!("ended with exit status {code}{text}"),
            ProgramEnding::Signalled(signal) => format!("was killed by signal {signal}{text}"),
            ProgramEnding::TimedOut(limit) => format!("took longer than {}", span(*limit)),
            ProgramEnding::Interrupted => "was interrupted".to_owned(),
            ProgramEnding::NotStarted(reason) | ProgramEnding::NoResources(reason) => reason.clone(),
        }
    }
}

/// Meaning of an error while a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadErrors {
    /// The stream is cut there.
    Cut,
    /// The run fails.
    Fail,
}

/// A stream that is being caught.
struct CapturedStream {
    fd: Option<OwnedFd>,
    bytes: Vec<u8>,
    kept: usize,
    dropped: bool,
}

impl CapturedStream {
    /// Takes what is there; closes the stream at its end. Where there is a sink, that gets it all.
    fn drain(&mut self, sink: &mut Option<&mut Sink<'_>>, errors: ReadErrors) -> io::Result<()> {
        let mut buffer = [0; 8192];
        let mut retries = 2;
        while let Some(fd) = &self.fd {
            match ready::read_now(fd, &mut buffer) {
                // A failed read takes nothing out of the pipe: one failure must not lose a result.
                Err(_) if retries > 0 => retries -= 1,
                Ok(None) => return Ok(()),
                Ok(Some(0)) => self.fd = None,
                Err(error) if errors == ReadErrors::Fail => return Err(error),
                Err(_) => {
                    self.dropped = true;
                    self.fd = None;
                }
                Ok(Some(count)) if sink.is_some() => {
                    if let Some(sink) = sink {
                        sink(&buffer[..count])?;
                    }
                }
                Ok(Some(count)) => {
                    let room = self.kept.saturating_sub(self.bytes.len());
                    self.dropped |= count > room;
                    self.bytes.extend_from_slice(&buffer[..count.min(room)]);
                }
            }
        }
        Ok(())
    }
}

impl ProgramRun<'_> {
    /// Runs the program to its end. `heard` is given every complete result line as it comes.
    pub fn run_to_end(&self, signals: &Signals, heard: &mut dyn FnMut(&str)) -> FinishedProgram {
        self.run(signals, heard, None)
    }

    /// Runs the program to its end, with all of its standard output going into a sink.
    pub fn run_into(&self, signals: &Signals, sink: &mut Sink<'_>) -> FinishedProgram {
        self.run(signals, &mut |_| {}, Some(sink))
    }

    fn run(&self, signals: &Signals, heard: &mut dyn FnMut(&str), sink: Option<&mut Sink<'_>>) -> FinishedProgram {
        let (child, mut streams) = match self.start() {
            Ok(started) => started,
            Err(error) => {
                let program = self.argv.first().map_or("", String::as_str);
                let reason = format!("{program} cannot be started: {}", reason_text(&error));
                let ending = if is_shortage(&error) {
                    ProgramEnding::NoResources(reason)
                } else {
                    ProgramEnding::NotStarted(reason)
                };
                return FinishedProgram {
                    ending,
                    stdout: Vec::new(),
                    stderr: Vec::new(),
                    lines: Vec::new(),
                    completeness: LinesCompleteness::Whole,
                };
            }
        };
        let ending = self.watch_over(child, &mut streams, signals, heard, sink);
        let cut = streams.get(2).is_some_and(|lines| lines.dropped);
        let completeness = if cut { LinesCompleteness::Cut } else { LinesCompleteness::Whole };
        let mut bytes = streams.into_iter().map(|stream| stream.bytes);
        let mut next = || bytes.next().unwrap_or_default();
        FinishedProgram { ending, stdout: next(), stderr: next(), lines: next(), completeness }
    }

    fn start(&self) -> io::Result<(ChildProcess, Vec<CapturedStream>)> {
        let strings = |texts: &mut dyn Iterator<Item = String>| -> io::Result<Vec<CString>> {
            texts.map(|text| CString::new(text).map_err(io::Error::from)).collect()
        };
        let argv = strings(&mut self.argv.iter().cloned())?;
        let env = strings(&mut self.env.iter().map(|(name, value)| format!("{name}={value}")))?;
        let empty;
        let input = match self.input {
            Some(input) => input,
            None => {
                empty = std::fs::File::open("/dev/null")?;
                empty.as_fd()
            }
        };
        let count = if self.results == ResultChannel::Lines { 3 } else { 2 };
        let mut fds = vec![input];
        let mut streams = Vec::with_capacity(count);
        let mut ends = Vec::with_capacity(count);
        for kept in [KEPT, KEPT, KEPT_LINES].into_iter().take(count) {
            let (read, write) = ready::pipe()?;
            streams.push(CapturedStream { fd: Some(read), bytes: Vec::new(), kept, dropped: false });
            ends.push(write);
        }
        fds.extend(ends.iter().map(AsFd::as_fd));
        let child = ProgramStart { argv: &argv, env: &env, fds: &fds }.start()?;
        Ok((child, streams))
    }

    /// Reads what comes until the program ends, its time is up, or we are told to stop at once. A child that the
    /// program left behind may keep the pipes open; it is not waited for.
    fn watch_over(
        &self,
        child: ChildProcess,
        streams: &mut [CapturedStream],
        signals: &Signals,
        heard: &mut dyn FnMut(&str),
        mut sink: Option<&mut Sink<'_>>,
    ) -> ProgramEnding {
        let end = Instant::now() + self.timeout;
        let mut said = 0;
        loop {
            let open: Vec<usize> = (0..streams.len()).filter(|index| streams[*index].fd.is_some()).collect();
            let mut fds = vec![child.fd().as_fd(), signals.abort_fd()];
            fds.extend(open.iter().filter_map(|index| streams[*index].fd.as_ref()).map(AsFd::as_fd));
            let left = end.saturating_duration_since(Instant::now());
            let ready = ready::readable(&fds, Some(left)).unwrap_or_else(|_| vec![false; fds.len()]);
            let (ended, aborted) = (ready[0], ready[1]);
            for (index, _) in open.iter().zip(&ready[2..]).filter(|(_, ready)| **ready) {
                if let Err(error) = drain(streams, *index, &mut sink) {
                    stop(child);
                    return ProgramEnding::NoResources(format!(
                        "its output could not be kept: {}",
                        reason_text(&error)
                    ));
                }
            }
            if let Some(lines) = streams.get_mut(2) {
                said = tell(&mut lines.bytes, said, heard);
            }
            if ended && sink.is_some() && streams[0].fd.is_some() && !aborted && !left.is_zero() {
                // Its output is a message: what it left behind may still be writing the end of it.
                let _ = ready::readable(
                    &[streams[0].fd.as_ref().map_or(signals.abort_fd(), AsFd::as_fd), signals.abort_fd()],
                    Some(left),
                );
                continue;
            }
            if ended && sink.is_some() && streams[0].fd.is_some() {
                stop(child);
                return if aborted { ProgramEnding::Interrupted } else { ProgramEnding::TimedOut(self.timeout) };
            }
            if ended {
                let drained = (0..streams.len()).try_for_each(|index| drain(streams, index, &mut sink));
                if let Some(lines) = streams.get_mut(2) {
                    tell(&mut lines.bytes, said, heard);
                }
                return match child.reap() {
                    _ if drained.is_err() => ProgramEnding::NoResources("its output could not be kept".to_owned()),
                    Ok(ChildEnd::Exited(code)) => ProgramEnding::Exited(code),
                    Ok(ChildEnd::Signalled(signal)) => ProgramEnding::Signalled(signal),
                    Err(error) => ProgramEnding::NoResources(format!("its end was missed: {}", reason_text(&error))),
                };
            }
            if aborted || left.is_zero() {
                stop(child);
                let _ = (0..streams.len()).try_for_each(|index| drain(streams, index, &mut sink));
                return if aborted { ProgramEnding::Interrupted } else { ProgramEnding::TimedOut(self.timeout) };
            }
        }
    }
}

/// Standard output goes to the sink where there is one; the other streams are kept.
fn drain(streams: &mut [CapturedStream], index: usize, sink: &mut Option<&mut Sink<'_>>) -> io::Result<()> {
    let mut none = None;
    // Where the output is a message, neither it nor the result lines on it may be taken for whole.
    let errors = if sink.is_some() && index != 1 { ReadErrors::Fail } else { ReadErrors::Cut };
    streams[index].drain(if index == 0 { sink } else { &mut none }, errors)
}

/// Asks the whole group to stop, and kills what is left of it after a while: a child that ignores the request must
/// not live on behind a parent that did not.
fn stop(child: ChildProcess) {
    child.ask_to_stop();
    let _ = ready::readable(&[child.fd().as_fd()], Some(GRACE));
    child.kill();
    let _ = child.reap();
}

/// Passes on the complete lines from a place on, and returns the place behind them. Those that only tell how far the
/// program is are not kept, for there may be any number of them.
fn tell(bytes: &mut Vec<u8>, from: usize, heard: &mut dyn FnMut(&str)) -> usize {
    let end = bytes[from..].iter().rposition(|byte| *byte == b'\n').map_or(from, |last| from + last + 1);
    let mut kept = Vec::new();
    for line in bytes[from..end].split_inclusive(|byte| *byte == b'\n') {
        heard(String::from_utf8_lossy(line).trim_end());
        if !line.starts_with(b"progress ") {
            kept.extend_from_slice(line);
        }
    }
    let behind = from + kept.len();
    bytes.splice(from..end, kept);
    behind
}
