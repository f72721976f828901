//! Connection to a server: a socket, or the standard input and output of a command, with its channel.

use std::ffi::CString;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::sys::error::reason_text;
use crate::sys::process::{ChildProcess, ProgramStart};
use crate::sys::ready;
use crate::transports::environment;
use crate::transports::program::ProgramControl;
use crate::transports::smtp::channel::Channel;
use crate::values::printable::{self, TextLimit};
use crate::values::time;

/// Bytes that are read at once.
const READ_SIZE: usize = 16 << 10;

/// Bytes that may arrive while data is written: a server that answers nothing sends none.
const MOST_ARRIVED: usize = 4 << 20;

/// Bytes of a command's standard error that are kept for a message.
const KEPT_ERRORS: usize = 4 << 10;

/// Time for a command to end after its connection was closed.
const COMMAND_GRACE: Duration = Duration::from_secs(2);

/// Connection to a server.
#[derive(Debug)]
pub struct Link {
    stream: Stream,
    channel: Channel,
    /// Bytes for the wire that are not written yet.
    unsent: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Command(CommandStream),
}

/// Command whose standard input and output are the server.
#[derive(Debug)]
struct CommandStream {
    stream: UnixStream,
    child: Option<ChildProcess>,
    stderr: Option<OwnedFd>,
    errors: Vec<u8>,
}

/// Aim of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferGoal {
    /// Everything is written.
    Sent,
    /// Something has arrived, or the handshake is over.
    Received,
}

/// Reason why a connection cannot be used any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkFailure {
    /// It is broken, or the server does not answer; with the reason.
    Broken(String),
    /// A signal asked mspool to stop at once.
    Interrupted,
}

impl Link {
    /// Connects to an address.
    pub fn tcp(address: &SocketAddr, timeout: Duration) -> io::Result<Link> {
        let stream = TcpStream::connect_timeout(address, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Link::of(Stream::Tcp(stream)))
    }

    /// Connects to a Unix socket.
    pub fn unix(path: &Path) -> io::Result<Link> {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        Ok(Link::of(Stream::Unix(stream)))
    }

    /// Starts a command. Its standard input and output are one socket.
    pub fn command(argv: &[String], env: &[(String, String)], control: ProgramControl<'_>) -> io::Result<Link> {
        let program = argv.first().map_or("", String::as_str);
        // Judged again right before it starts.
        let path = control.trust.find_program(program).map_err(|error| error.source)?;
        let env = environment::configured(env);
        let strings = |texts: &mut dyn Iterator<Item = String>| -> io::Result<Vec<CString>> {
            texts.map(|text| CString::new(text).map_err(io::Error::from)).collect()
        };
        let path = CString::new(path.as_os_str().as_bytes())?;
        let argv = strings(&mut argv.iter().cloned())?;
        let env = strings(&mut env.iter().map(|(name, value)| format!("{name}={value}")))?;
        let (stream, theirs) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let (stderr, write) = ready::pipe()?;
        let fds = [theirs.as_fd(), theirs.as_fd(), write.as_fd()];
        let child = ProgramStart { path: &path, argv: &argv, env: &env, fds: &fds, held: None }.start()?;
        let (child, stderr) = (Some(child), Some(stderr));
        Ok(Link::of(Stream::Command(CommandStream { stream, child, stderr, errors: Vec::new() })))
    }

    fn of(stream: Stream) -> Link {
        Link { stream, channel: Channel::Plain, unsent: Vec::new() }
    }

    /// Replaces the channel: what follows is encrypted.
    pub fn set_channel(&mut self, channel: Channel) {
        self.channel = channel;
    }

    /// Returns the channel.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Writes `data`, which it empties, and reads what arrives, until the goal is reached. Both directions go on at the
    /// same time, so that two sides with full buffers never wait for each other. Returns what has arrived.
    ///
    /// # Errors
    /// The connection broke, the time passed, or a signal asked mspool to stop at once.
    pub fn transfer(
        &mut self,
        data: &mut Vec<u8>,
        goal: TransferGoal,
        limit: Duration,
        control: ProgramControl<'_>,
    ) -> Result<Vec<u8>, LinkFailure> {
        let end = Instant::now() + limit;
        let mut arrived = Vec::new();
        let began = self.channel.state();
        loop {
            self.channel.encode(data, &mut self.unsent).map_err(LinkFailure::Broken)?;
            self.write_some().map_err(|error| self.broken(&error))?;
            self.read_some(&mut arrived)?;
            let reached = match goal {
                TransferGoal::Sent => self.unsent.is_empty() && data.is_empty(),
                TransferGoal::Received => !arrived.is_empty() || self.channel.state() != began,
            };
            if arrived.len() > MOST_ARRIVED {
                return Err(LinkFailure::Broken("the server sends without end".to_owned()));
            }
            if reached {
                // What the handshake leaves to be sent goes out with the first data.
                return Ok(arrived);
            }
            // A handshake answers what was just read.
            self.channel.encode(data, &mut self.unsent).map_err(LinkFailure::Broken)?;
            let left = end.saturating_duration_since(Instant::now());
            let Some(ready) = self.wait(left, control) else { return Err(LinkFailure::Interrupted) };
            if !ready && left.is_zero() {
                let waited = time::span(limit);
                return Err(LinkFailure::Broken(format!("the server did not answer within {waited}{}", self.said())));
            }
        }
    }

    /// Waits until something can be read or written. `None` after a signal that asks mspool to stop at once.
    fn wait(&mut self, left: Duration, control: ProgramControl<'_>) -> Option<bool> {
        let writable = (!self.unsent.is_empty()).then_some(self.stream.fd());
        let mut fds = vec![self.stream.fd(), control.signals.abort_fd()];
        fds.extend(self.stream.stderr().map(AsFd::as_fd));
        let ready = ready::readable_or_writable(&fds, writable, Some(left)).unwrap_or_default();
        if ready.get(1).copied().unwrap_or(false) {
            return None;
        }
        if ready.get(2).copied().unwrap_or(false) {
            self.stream.keep_errors();
        }
        Some(ready.iter().any(|ready| *ready))
    }

    fn write_some(&mut self) -> io::Result<()> {
        let mut written = 0;
        while written < self.unsent.len() {
            match self.stream.write(&self.unsent[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // What the server said before it closed may still be read.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.unsent.clear();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.unsent.drain(..written);
        Ok(())
    }

    fn read_some(&mut self, arrived: &mut Vec<u8>) -> Result<(), LinkFailure> {
        let mut buffer = [0; READ_SIZE];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) if !arrived.is_empty() => return Ok(()),
                Ok(0) => return Err(LinkFailure::Broken(format!("the server closed the connection{}", self.said()))),
                Ok(count) => self.channel.decode(&buffer[..count], arrived).map_err(|reason| {
                    // The server is told why.
                    let _ = self.channel.encode(&mut Vec::new(), &mut self.unsent);
                    let _ = self.write_some();
                    LinkFailure::Broken(reason)
                })?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) if !arrived.is_empty() => return Ok(()),
                Err(error) => return Err(self.broken(&error)),
            }
            if arrived.len() >= READ_SIZE {
                return Ok(());
            }
        }
    }

    fn broken(&mut self, error: &io::Error) -> LinkFailure {
        LinkFailure::Broken(format!("the connection broke: {}{}", reason_text(error), self.said()))
    }

    /// Returns what the command printed on standard error, as the end of a sentence.
    fn said(&mut self) -> String {
        self.stream.keep_errors();
        let Stream::Command(command) = &self.stream else { return String::new() };
        let text = printable::output(&command.errors, TextLimit::Excerpt);
        if text.is_empty() { text } else { format!(": {text}") }
    }

    /// True if the connection is unused and whole: the server has neither said anything nor closed it.
    pub fn is_quiet(&self) -> bool {
        let ready = ready::readable(&[self.stream.fd()], Some(Duration::ZERO));
        self.unsent.is_empty() && ready.is_ok_and(|ready| ready == [false])
    }

    /// Writes the last bytes, as far as the socket takes them, and closes.
    pub fn close(mut self, data: &mut Vec<u8>) {
        if self.channel.encode(data, &mut self.unsent).is_ok() {
            let _ = self.write_some();
        }
    }
}

impl Stream {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Command(command) => command.stream.as_fd(),
        }
    }

    fn stderr(&self) -> Option<&OwnedFd> {
        match self {
            Stream::Command(command) => command.stderr.as_ref(),
            Stream::Tcp(_) | Stream::Unix(_) => None,
        }
    }

    /// Reads what a command has printed on standard error, so that it never waits for us to do so.
    fn keep_errors(&mut self) {
        let Stream::Command(command) = self else { return };
        let mut buffer = [0; 1024];
        while let Some(fd) = &command.stderr {
            match ready::read_now(fd, &mut buffer) {
                Ok(Some(count)) if count > 0 => {
                    let room = KEPT_ERRORS.saturating_sub(command.errors.len());
                    command.errors.extend_from_slice(&buffer[..count.min(room)]);
                }
                Ok(None) => return,
                Ok(Some(_)) | Err(_) => command.stderr = None,
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
            Stream::Command(command) => command.stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Command(command) => command.stream.write(bytes),
        }
    }
}

impl Drop for CommandStream {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        self.stderr = None;
        let Some(child) = self.child.take() else { return };
        let has_ended = |ready: io::Result<Vec<bool>>| ready.is_ok_and(|ready| ready == [true]);
        if !has_ended(ready::readable(&[child.fd().as_fd()], Some(COMMAND_GRACE))) {
            child.ask_to_stop();
            let _ = ready::readable(&[child.fd().as_fd()], Some(COMMAND_GRACE));
        }
        child.kill();
        let _ = child.reap();
    }
}
