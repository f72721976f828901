//! Instants and waits on the boot-time clock, which goes on while the machine is suspended.
//!
//! [`std::time::Instant`] stands still then: a wait of an hour that a laptop sleeps through would end an hour after it
//! wakes. Time limits of programs do use that clock, since a suspended program does nothing either.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};

use crate::sys::ready;

/// Instant on the boot-time clock, valid until the next boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootInstant(Duration);

impl BootInstant {
    /// Returns the current instant.
    pub fn now() -> BootInstant {
        let time = clock_gettime(ClockId::Boottime);
        BootInstant(Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.clamp(0, 999_999_999) as u32))
    }

    /// Returns the instant this much later.
    pub fn after(self, span: Duration) -> BootInstant {
        BootInstant(self.0.saturating_add(span))
    }

    /// Returns the time from now until this instant; zero if it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_sub(BootInstant::now().0)
    }

    /// Returns the time that has passed since this instant.
    pub fn elapsed(self) -> Duration {
        BootInstant::now().0.saturating_sub(self.0)
    }
}

/// Waits like [`ready::readable`], at most for this time on the boot-time clock. A machine that was suspended longer ends
/// the wait as soon as it wakes.
pub fn readable(fds: &[BorrowedFd<'_>], time: Duration) -> io::Result<Vec<bool>> {
    let Ok(timer) = timer(time) else {
        // Without descriptors or memory to spare, the other clock is better than none.
        return ready::readable(fds, Some(time));
    };
    let all: Vec<BorrowedFd<'_>> = fds.iter().copied().chain([timer.as_fd()]).collect();
    let mut ready = ready::readable(&all, None)?;
    ready.truncate(fds.len());
    Ok(ready)
}

/// Makes a descriptor that becomes readable after this time.
fn timer(time: Duration) -> io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC)?;
    // Zero would disarm it.
    let time = time.max(Duration::from_nanos(1));
    let value =
        Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: time.subsec_nanos().into() };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
    Ok(timer)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::time::Duration;

    use crate::sys::boot_time::{BootInstant, readable};
    use crate::sys::ready::WakeupEvent;

    #[test]
    fn a_wait_ends_with_its_time_or_with_an_event() {
        let event = WakeupEvent::new().unwrap();
        let before = BootInstant::now();
        assert_eq!(readable(&[event.fd().as_fd()], Duration::ZERO).unwrap(), [false]);
        assert_eq!(readable(&[event.fd().as_fd()], Duration::from_millis(3)).unwrap(), [false]);
        assert!(before.elapsed() >= Duration::from_millis(3));
        event.notify();
        assert_eq!(readable(&[event.fd().as_fd()], Duration::MAX).unwrap(), [true]);
    }

    #[test]
    fn instants_are_counted_from_now() {
        let now = BootInstant::now();
        assert!((3500..=3600).contains(&now.after(Duration::from_secs(3600)).left().as_secs()));
        assert_eq!((now.left(), now.after(Duration::MAX) > now), (Duration::ZERO, true));
    }
}
