//! Waits until a moment with the kernel's precision, not that of tokio's millisecond wheel.
//!
//! Must never spin: on a small machine the server needs the processor. Who can afford a moment awake is the worker's to
//! say.

use std::io;

use crate::clock::Clock;

/// One client's timer.
#[derive(Debug)]
pub enum Timer {
    /// A Linux timerfd watched by the thread's runtime.
    #[cfg(target_os = "linux")]
    Kernel(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>),
    /// Tokio's own timer: for simulated runs, and where there is no timerfd.
    Tokio,
}

impl Timer {
    /// The most precise timer here; must be made inside the runtime that will wait on it.
    ///
    /// # Errors
    /// When the kernel gives no timer.
    pub fn precise() -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        {
            use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
            let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            #[expect(
                deprecated,
                reason = "sound for an OwnedFd, whose number never changes; the successor is an unsafe fn"
            )]
            let watched = tokio::io::unix::AsyncFd::with_interest(fd, tokio::io::Interest::READABLE)?;
            Ok(Self::Kernel(watched))
        }
        #[cfg(not(target_os = "linux"))]
        {
            Ok(Self::Tokio)
        }
    }

    /// Whether it wakes within microseconds.
    #[must_use]
    pub fn is_precise(&self) -> bool {
        !matches!(self, Self::Tokio)
    }

    /// Returns at `due_ns` of the clock, or at once if it has passed.
    ///
    /// # Errors
    /// When the kernel's timer cannot be set or read.
    pub async fn sleep_until(&self, clock: &Clock, due_ns: u64) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Kernel(fd) => {
                use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
                let wait = due_ns.saturating_sub(clock.now_ns());
                if wait == 0 {
                    return Ok(());
                }
                let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
                let at = Timespec { tv_sec: (wait / 1_000_000_000) as i64, tv_nsec: (wait % 1_000_000_000) as _ };
                timerfd_settime(fd, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: zero, it_value: at })?;
                loop {
                    let mut ready = fd.readable().await?;
                    let mut expirations = [0_u8; 8];
                    match ready.try_io(|fd| rustix::io::read(fd, &mut expirations[..]).map_err(io::Error::from)) {
                        Ok(result) => return result.map(drop),
                        Err(_would_block) => {}
                    }
                }
            }
            Self::Tokio => {
                tokio::time::sleep_until(clock.instant(due_ns)).await;
                Ok(())
            }
        }
    }
}
