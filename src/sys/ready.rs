//! Waiting for descriptors to have something to say.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// Waits until one of the descriptors is readable, closed or broken, or the time is up. The answer has one entry a
/// descriptor. `None` waits for ever.
pub fn readable(fds: &[BorrowedFd<'_>], time: Option<Duration>) -> io::Result<Vec<bool>> {
    let end = time.map(|time| Instant::now() + time);
    let mut set: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
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

/// A pipe that no child inherits; the reading end never blocks.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&read, true)?;
    Ok((read, write))
}

/// Reads what is there now. `Some(0)` is the end; `None` means nothing there yet.
pub fn read_now(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match rustix::io::read(fd, &mut *buffer) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            answer => return Ok(Some(answer?)),
        }
    }
}

/// A bell that any thread, or a signal handler, can ring and one loop listens to.
#[derive(Debug)]
pub struct WakeupEvent(OwnedFd);

impl WakeupEvent {
    /// A silent bell.
    pub fn new() -> io::Result<WakeupEvent> {
        Ok(WakeupEvent(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Rings; a bell that is already ringing stays as it is. One failed call must not lose a request to stop.
    pub fn notify(&self) {
        for _ in 0..3 {
            // It rings already if the call would block.
            if matches!(rustix::io::write(&self.0, &1u64.to_ne_bytes()), Ok(_) | Err(Errno::AGAIN)) {
                return;
            }
        }
    }

    /// Stops the ringing.
    pub fn clear(&self) {
        let _ = read_now(&self.0, &mut [0; 8]);
    }

    /// The descriptor that is readable while the bell rings.
    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }
}
