//! When a row of the outbox was written, or queued anew, and times as the database has them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time of a row that was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Created {
    /// By the database's clock, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// Milliseconds between that and the taking, by the database's clock.
    pub(crate) age_ms: i64,
    pub(crate) taken: Instant,
}

impl Created {
    /// Of what has no row.
    #[cfg(any(test, feature = "agent"))]
    pub(crate) fn now() -> Self {
        Self {
            at_ms: 0,
            age_ms: 0,
            taken: Instant::now(),
        }
    }

    /// Of a row that was `taken` when the database's clock showed `now`.
    pub(crate) fn read(now: i64, created: i64, taken: Instant) -> Self {
        Self {
            at_ms: created.max(0),
            age_ms: age(now, created),
            taken,
        }
    }

    /// Milliseconds until now.
    pub(crate) fn age_ms(&self) -> i64 {
        self.age_ms
            .saturating_add(milliseconds(self.taken.elapsed()))
    }
}

pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970; 0 before.
pub(crate) fn unix_ms(time: SystemTime) -> i64 {
    milliseconds(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Milliseconds between two readings of the database's clock. Neither a clock that was set back nor a number that is
/// not a time makes it negative, or reach back further than 1970.
pub(crate) fn age(now: i64, created: i64) -> i64 {
    now.saturating_sub(created).clamp(0, now.max(0))
}
