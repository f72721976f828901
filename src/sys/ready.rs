//! Waiting for descriptors to become readable.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// Waits until a descriptor is readable, closed or broken, or the time is up. Returns one entry per descriptor.
/// `None` waits without a limit.
pub fn readable(fds: &[BorrowedFd<'_>], time: Option<Duration>) -> io::Result<Vec<bool>> {
    readable_or_writable(fds, None, time)
}

/// Waits as [`readable`] does, or until `writable` can be written to. Returns one entry per descriptor of `fds`, and
/// one for `writable`.
pub fn readable_or_writable(
    fds: &[BorrowedFd<'_>],
    writable: Option<BorrowedFd<'_>>,
    time: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let end = time.map(|time| Instant::now() + time);
    let read = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN));
    let write = writable.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT));
    let mut set: Vec<PollFd<'_>> = read.chain(write).collect();
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
        match poll(&mut set, left.as_ref()) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(set.iter().map(|fd| !fd.revents().is_empty()).collect()),
        }
    }
}

/// Makes a pipe that no child inherits, with a non-blocking reading end.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&read, true)?;
    Ok((read, write))
}

/// Reads without waiting. `Some(0)` is the end; `None` means that nothing has arrived yet.
pub fn read_now(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match rustix::io::read(fd, &mut *buffer) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            answer => return Ok(Some(answer?)),
        }
    }
}

/// Event that any thread or signal handler can raise, to wake a loop.
#[derive(Debug)]
pub struct WakeupEvent(OwnedFd);

impl WakeupEvent {
    /// Makes an event that is not raised.
    pub fn new() -> io::Result<WakeupEvent> {
        Ok(WakeupEvent(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Raises the event. A raised event stays raised. One failed call must not lose a request to stop.
    pub fn notify(&self) {
        for _ in 0..3 {
            // It rings already if the call would block.
            if matches!(rustix::io::write(&self.0, &1u64.to_ne_bytes()), Ok(_) | Err(Errno::AGAIN)) {
                return;
            }
        }
    }

    /// Clears the event.
    pub fn clear(&self) {
        let _ = read_now(&self.0, &mut [0; 8]);
    }

    /// Returns a descriptor that is readable while the event is raised.
    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }
}
