//! Whether a node answers, and when to probe one that does not.

use std::time::Instant;

use crate::base::backoff::Backoff;

/// So many failures one after the other make a node *down*.
const FAILURES: u32 = 3;

/// Whether a node answers.
///
/// A node that is down gets one request at a time, at growing intervals, until one is answered: a
/// dead node costs little, and a node that comes back is not run over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Up {
        failures: u32,
    },
    Down {
        failures: u32,
        noted: Instant,
        probe_at: Instant,
    },
}

impl Default for Health {
    fn default() -> Self {
        Self::Up { failures: 0 }
    }
}

impl Health {
    /// How many requests may be in flight.
    pub(super) fn allowed(self, concurrency: usize, now: Instant) -> usize {
        match self {
            Self::Up { .. } => concurrency,
            Self::Down { probe_at, .. } => usize::from(now >= probe_at),
        }
    }

    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Takes the failure of a request that started at `started`.
    pub(super) fn failed(&mut self, started: Instant, now: Instant, backoff: &mut Backoff) {
        match self {
            Self::Up { failures } if *failures + 1 < FAILURES => *failures += 1,
            Self::Up { failures } => {
                let failures = *failures + 1;
                *self = Self::Down {
                    failures,
                    noted: now,
                    probe_at: now + backoff.after(1),
                };
            }
            // Requests that were in flight when the node went down tell nothing new.
            Self::Down { noted, .. } if started <= *noted => {}
            Self::Down {
                failures,
                noted,
                probe_at,
            } => {
                *failures += 1;
                *noted = now;
                *probe_at = now + backoff.after(*failures - FAILURES + 1);
            }
        }
    }

    pub(super) fn is_down(self) -> bool {
        matches!(self, Self::Down { .. })
    }

    /// When a node that is down may be asked next.
    pub(super) fn probe_at(self) -> Option<Instant> {
        match self {
            Self::Up { .. } => None,
            Self::Down { probe_at, .. } => Some(probe_at),
        }
    }
}
