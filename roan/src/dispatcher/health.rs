//! Whether a node answers, and when to probe one that does not.

use std::time::{Duration, Instant};

use super::blame::Blame;
use crate::base::backoff::Backoff;

/// So many failures one after the other, for different targets, make a node *down*.
const FAILURES: u32 = 3;

/// No more than so many are asked for, however often the node was wrongly taken for down.
const MOST_FAILURES: u32 = 1024;

/// For so long after it was wrongly taken for down, more failures are asked for.
const DOUBT: Duration = Duration::from_secs(60);

/// The longest pause between two probes, each time a random part of it. A probe is one request, so even a
/// dead node bears it, and one that comes back is found soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// That of a node that takes connections: it bears more, and different targets may fail alike for a reason of
/// their own. After so many probes in a row it is believed that it does not answer.
const LONGEST_QUICK_PAUSE: Duration = Duration::from_millis(50);
const QUICK_PROBES: u32 = 2000;

/// A node is said to be back when it has answered for so long: one that goes up and down is said to
/// be down once.
const STEADY: Duration = Duration::from_secs(5);

/// Whether a node answers.
///
/// A node that is down gets one request at a time, at growing intervals, until one is answered: a
/// dead node costs little, and a node that comes back is not run over.
#[derive(Debug)]
pub(super) struct Health {
    state: State,
    /// Failures in a row that make the node down while it is doubted that it is: twice as many as the
    /// time before.
    patience: u32,
    doubted_until: Option<Instant>,
    is_told: bool,
}

#[derive(Debug)]
enum State {
    Up {
        failures: u32,
        since: Option<Instant>,
    },
    Down {
        failures: u32,
        /// Of `failures`, those since it went down.
        probes: u32,
        noted: Instant,
        probe_at: Instant,
    },
}

/// What a person is to be told of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// So many purges in a row have failed.
    Down { failures: u32 },
    /// It was down, and has answered for a while.
    Back,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            state: State::Up {
                failures: 0,
                since: None,
            },
            patience: FAILURES,
            doubted_until: None,
            is_told: false,
        }
    }

    /// How many requests may be in flight.
    pub(super) fn allowed(&self, concurrency: usize, now: Instant) -> usize {
        match self.state {
            State::Up { .. } => concurrency,
            State::Down { probe_at, .. } => usize::from(now >= probe_at),
        }
    }

    /// Takes an answer that shows the node to be alive.
    pub(super) fn answered(&mut self, now: Instant) {
        match &mut self.state {
            State::Up { failures, .. } => *failures = 0,
            State::Down { probes, .. } => {
                if *probes == 0 {
                    // The first probe got an answer: the failures were those of their targets, or it
                    // was over in a moment.
                    self.patience = (2 * self.patience).min(MOST_FAILURES);
                    self.doubted_until = Some(now + DOUBT);
                } else {
                    self.doubted_until = None;
                }
                self.state = State::Up {
                    failures: 0,
                    since: Some(now),
                };
            }
        }
    }

    /// Takes a failure, of a request that started at `started`, which says something about the node.
    /// `pause` is the least until the next probe.
    pub(super) fn failed(
        &mut self,
        blame: Blame,
        started: Instant,
        now: Instant,
        pause: Duration,
        backoff: &mut Backoff,
    ) {
        let mut pause = |probe: u32| {
            let longest = if blame == Blame::Node || probe > QUICK_PROBES {
                LONGEST_PAUSE
            } else {
                LONGEST_QUICK_PAUSE
            };
            backoff.after(probe).min(longest).max(pause)
        };
        match &mut self.state {
            State::Up { failures, .. } => {
                *failures += 1;
                if self.doubted_until.is_none_or(|until| until <= now) {
                    self.patience = FAILURES;
                }
                let enough = match blame {
                    Blame::Node => FAILURES,
                    Blame::Load | Blame::Rate | Blame::NodeOrTarget | Blame::Target => {
                        self.patience
                    }
                };
                if *failures >= enough {
                    self.state = State::Down {
                        failures: *failures,
                        probes: 0,
                        noted: now,
                        probe_at: now + pause(1),
                    };
                }
            }
            // Requests that were in flight when the node went down say nothing new.
            State::Down { noted, .. } if started <= *noted => {}
            State::Down {
                failures,
                probes,
                noted,
                probe_at,
            } => {
                *failures += 1;
                *probes += 1;
                *noted = now;
                *probe_at = now + pause(*probes + 1);
            }
        }
    }

    pub(super) fn is_down(&self) -> bool {
        matches!(self.state, State::Down { .. })
    }

    /// When a node that is down may be asked next.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        match self.state {
            State::Up { .. } => None,
            State::Down { probe_at, .. } => Some(probe_at),
        }
    }

    /// What to log for a person now. Each turn is logged once.
    pub(super) fn tell(&mut self, now: Instant) -> Option<Turn> {
        match self.state {
            State::Down { failures, .. } if !self.is_told => {
                self.is_told = true;
                Some(Turn::Down { failures })
            }
            State::Up { .. } if self.tell_at().is_some_and(|at| at <= now) => {
                self.is_told = false;
                Some(Turn::Back)
            }
            State::Up { .. } | State::Down { .. } => None,
        }
    }

    /// When to call [`Health::tell`] again.
    pub(super) fn tell_at(&self) -> Option<Instant> {
        match self.state {
            State::Up { since, .. } if self.is_told => since.map(|since| since + STEADY),
            State::Up { .. } | State::Down { .. } => None,
        }
    }
}
