//! Run of another program: the input is a file, the output is captured, the time is limited, and the whole process
//! group is ended.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::sys::error::{is_shortage, reason_text};
use crate::sys::process::{ChildEnd, ChildProcess, ProgramStart};
use crate::sys::ready;
use crate::sys::signals::Signals;
use crate::sys::trust::Trust;
use crate::transports::finished::{FinishedProgram, LinesCompleteness, ProgramEnding};

/// Size limit for standard output, and for standard error, in bytes. The rest is read and dropped.
const KEPT: usize = 20 << 10;

/// Size limit for result lines in bytes, enough for more than 1,000 recipients.
const KEPT_LINES: usize = 1 << 20;

/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// Conditions under which programs run.
#[derive(Clone, Copy, Debug)]
pub struct ProgramControl<'a> {
    /// Signals that end a program.
    pub signals: &'a Signals,
    /// Rules by which a program is trusted.
    pub trust: &'a Trust,
    /// Listener for starts of programs.
    pub observer: Option<&'a dyn ProgramObserver>,
}

/// Listener for starts of programs.
pub trait ProgramObserver: std::fmt::Debug {
    /// Takes the process id of a program that was just started.
    fn started(&self, pid: u32);
}

/// Program to run.
#[derive(Debug)]
pub struct ProgramRun<'a> {
    /// Arguments; the first is the program.
    pub argv: Vec<String>,
    /// Whole environment, as names and values.
    pub env: &'a [(String, String)],
    /// Standard input; `None` is an empty one.
    pub input: Option<BorrowedFd<'a>>,
    /// File with a lock that the program holds while it runs, so that it outlives a runner that dies.
    pub held: Option<BorrowedFd<'a>>,
    /// Presence of descriptor 3 for result lines.
    pub results: ResultChannel,
    /// Time limit.
    pub timeout: Duration,
}

/// Channel by which a program reports results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultChannel {
    /// Exit status and output.
    Exit,
    /// Lines on descriptor 3; the exit status applies to recipients without a line.
    Lines,
}

/// Receiver of a program's standard output, piece by piece. An error ends the program.
pub type Sink<'s> = dyn FnMut(&[u8]) -> io::Result<()> + 's;

/// Meaning of an error while a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadErrors {
    /// The stream is cut there.
    Cut,
    /// The run fails.
    Fail,
}

/// Captured output stream.
struct CapturedStream {
    fd: Option<OwnedFd>,
    bytes: Vec<u8>,
    kept: usize,
    dropped: bool,
}

impl CapturedStream {
    /// Reads the available bytes, and closes the stream at its end. A sink gets all bytes in place of the buffer.
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

impl<'a> ProgramRun<'a> {
    /// Prepares a run with an empty input, without a lock, and with no other result than the exit status.
    pub fn new(argv: Vec<String>, env: &'a [(String, String)], timeout: Duration) -> ProgramRun<'a> {
        ProgramRun { argv, env, input: None, held: None, results: ResultChannel::Exit, timeout }
    }
}

impl ProgramRun<'_> {
    /// Runs the program to its end.
    ///
    /// # Errors
    /// A text for any other end than exit status 0.
    pub fn succeed(&self, control: ProgramControl<'_>) -> Result<(), String> {
        let finished = self.run_to_end(control, &mut |_| {});
        if finished.ending == ProgramEnding::Exited(0) { Ok(()) } else { Err(finished.failure_text()) }
    }

    /// Runs the program to its end. `heard` gets each result line when it is complete.
    pub fn run_to_end(&self, control: ProgramControl<'_>, heard: &mut dyn FnMut(&str)) -> FinishedProgram {
        self.run(control, heard, None)
    }

    /// Runs the program to its end. `sink` gets the whole standard output.
    pub fn run_into(&self, control: ProgramControl<'_>, sink: &mut Sink<'_>) -> FinishedProgram {
        self.run(control, &mut |_| {}, Some(sink))
    }

    fn run(
        &self,
        control: ProgramControl<'_>,
        heard: &mut dyn FnMut(&str),
        sink: Option<&mut Sink<'_>>,
    ) -> FinishedProgram {
        let program = self.argv.first().map_or("", String::as_str);
        // Judged again right before it starts.
        let found = control.trust.find_program(program).map_err(|error| error.source);
        let (child, mut streams) = match found.and_then(|path| self.start(&path)) {
            Ok(started) => started,
            Err(error) => {
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
        if let Some(observer) = control.observer {
            observer.started(child.id());
        }
        let ending = self.watch_over(child, &mut streams, control.signals, heard, sink);
        let cut = streams.get(2).is_some_and(|lines| lines.dropped);
        let completeness = if cut { LinesCompleteness::Cut } else { LinesCompleteness::Whole };
        let mut bytes = streams.into_iter().map(|stream| stream.bytes);
        let mut next = || bytes.next().unwrap_or_default();
        FinishedProgram { ending, stdout: next(), stderr: next(), lines: next(), completeness }
    }

    fn start(&self, path: &Path) -> io::Result<(ChildProcess, Vec<CapturedStream>)> {
        let strings = |texts: &mut dyn Iterator<Item = String>| -> io::Result<Vec<CString>> {
            texts.map(|text| CString::new(text).map_err(io::Error::from)).collect()
        };
        let path = CString::new(path.as_os_str().as_bytes())?;
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
        let child = ProgramStart { path: &path, argv: &argv, env: &env, fds: &fds, held: self.held }.start()?;
        Ok((child, streams))
    }

    /// Reads the output until the program ends, its time limit passes, or a signal asks mspool to stop at once. A
    /// background process of the program can keep the pipes open; this does not wait for it.
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
                // The output is a message: a background process may still write its end, and must not be cut off.
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

/// Reads a stream. Standard output goes to the sink, if there is one; the other streams go to their buffers.
fn drain(streams: &mut [CapturedStream], index: usize, sink: &mut Option<&mut Sink<'_>>) -> io::Result<()> {
    let mut none = None;
    // Where the output is a message, neither it nor the result lines on it may be taken for whole.
    let errors = if sink.is_some() && index != 1 { ReadErrors::Fail } else { ReadErrors::Cut };
    streams[index].drain(if index == 0 { sink } else { &mut none }, errors)
}

/// Asks the process group to stop, and kills the rest of it after the grace period. The group is killed even if the
/// program itself stopped: a child that ignores the request must not survive it.
fn stop(child: ChildProcess) {
    child.ask_to_stop();
    let _ = ready::readable(&[child.fd().as_fd()], Some(GRACE));
    child.kill();
    let _ = child.reap();
}

/// Passes the complete lines after offset `from` to `heard`, and returns the offset after them. Removes `progress`
/// lines, whose number is unlimited, so that they do not use up the space for results.
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
