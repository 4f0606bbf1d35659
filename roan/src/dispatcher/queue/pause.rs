//! A node that nobody purges until it is resumed: for its maintenance.

use std::time::{Duration, Instant};

use super::Queue;

/// How often a person is reminded of a node that is paused.
const REMIND: Duration = Duration::from_secs(60 * 60);

/// The pause of a node.
#[derive(Debug)]
pub(super) struct Pause {
    since: Instant,
    remind_at: Instant,
}

/// What a person is reminded of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dispatcher) struct Paused {
    pub(in crate::dispatcher) so_long: Duration,
    /// The purges that wait here.
    pub(in crate::dispatcher) pending: usize,
}

impl Queue {
    /// From now on no request leaves. Those in flight end. Returns whether that is new. The caller gives back what waits
    /// in a database, and asks the next cache, as for a node that went down.
    pub(in crate::dispatcher) fn pause(&mut self, since: Instant, now: Instant) -> bool {
        if self.pause.is_some() {
            return false;
        }
        self.pause = Some(Pause {
            since,
            remind_at: now + REMIND,
        });
        true
    }

    /// Requests leave again. What waits is as old as it was when the pause began. Returns whether the node was paused.
    pub(in crate::dispatcher) fn resume(&mut self, now: Instant) -> bool {
        let Some(Pause { since, .. }) = self.pause.take() else {
            return false;
        };
        for (_, entry) in &mut self.entries {
            let waited_since = entry.newest.max(since);
            entry.newest += now.saturating_duration_since(waited_since);
        }
        let plain = self.entries.iter().filter(|(_, entry)| entry.plain);
        let oldest = plain.map(|(_, entry)| entry.newest).min();
        self.sweep_at = oldest.map(|oldest| oldest + self.policy.max_age);
        true
    }

    /// For how long the node has been paused. `None` if it is not.
    pub(in crate::dispatcher) fn paused_for(&self, now: Instant) -> Option<Duration> {
        let pause = self.pause.as_ref()?;
        Some(now.saturating_duration_since(pause.since))
    }

    pub(in crate::dispatcher) fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// Whether a request that is due leaves, and has an answer soon.
    pub(in crate::dispatcher) fn answers_soon(&self) -> bool {
        !self.health.is_down() && !self.is_paused()
    }

    /// When [`Queue::remind`] has something to say.
    pub(super) fn remind_at(&self) -> Option<Instant> {
        self.pause.as_ref().map(|pause| pause.remind_at)
    }

    /// What a person is to be reminded of now.
    pub(in crate::dispatcher) fn remind(&mut self, now: Instant) -> Option<Paused> {
        let pending = self.pending();
        let pause = self.pause.as_mut().filter(|pause| pause.remind_at <= now)?;
        pause.remind_at = now + REMIND;
        Some(Paused {
            so_long: now.saturating_duration_since(pause.since),
            pending,
        })
    }
}
