//! The only place that reads time. Nothing else may call `Instant::now` or ask for the wall clock.
//!
//! Monotonic readings are nanoseconds since the clock was made. They come from tokio's clock,
//! which is the system's own unless a test pauses it; that makes timing code testable.

use jiff::Timestamp;
use tokio::time::Instant;

/// A monotonic clock with an origin; copies share the origin.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts at zero now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Nanoseconds since the clock was started; never goes back.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    pub fn now_ns(&self) -> u64 {
        Instant::now().saturating_duration_since(self.origin).as_nanos() as u64
    }

    /// What tokio's timer needs to wake at `at_ns` of this clock.
    #[must_use]
    pub fn instant(&self, at_ns: u64) -> Instant {
        self.origin + std::time::Duration::from_nanos(at_ns)
    }
}

/// What many readings of the clock showed.
#[derive(Debug, Clone, Copy)]
pub struct Readings {
    /// What one costs, in nanoseconds.
    pub cost_ns: f64,
    /// The finest step between two that differ, in nanoseconds.
    pub finest_ns: u64,
    /// Whether one lay before the last.
    pub back: bool,
}

/// Reads the clock a hundred thousand times.
#[must_use]
pub fn try_out(clock: &Clock) -> Readings {
    const READINGS: u64 = 100_000;
    let began = clock.now_ns();
    let (mut last, mut finest_ns, mut back) = (began, u64::MAX, false);
    for _ in 0..READINGS {
        let now = clock.now_ns();
        back |= now < last;
        if last < now {
            finest_ns = finest_ns.min(now - last);
        }
        last = now;
    }
    Readings { cost_ns: last.saturating_sub(began) as f64 / READINGS as f64, finest_ns, back }
}

/// The wall clock in UTC, for names of results and for nothing that is measured.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
pub fn wall() -> Timestamp {
    Timestamp::now()
}
