//! What is purged once more after a while, because a page was on its way into a cache when it was purged.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::base::target::Target;

/// Targets, each with the time at which it is to be purged once more.
#[derive(Debug)]
pub(super) struct Stragglers {
    /// The most targets that wait.
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    targets: HashMap<Target, (Instant, u64)>,
    /// By their times, and a number that no other has.
    by_time: BTreeMap<(Instant, u64), Target>,
    last: u64,
}

impl Stragglers {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Code under the lock does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a target that is purged now, and once more at this time. Of several times the last counts: with each of them
    /// the target is purged, and so what has arrived until then. Returns a target that has to leave early to make room.
    pub(super) fn note(&self, target: Target, due: Instant) -> Option<Target> {
        let mut state = self.lock();
        if let Some(known) = state.targets.get(&target).copied() {
            if due <= known.0 {
                return None;
            }
            state.by_time.remove(&known);
        }
        state.last += 1;
        let place = (due, state.last);
        state.targets.insert(target.clone(), place);
        state.by_time.insert(place, target);
        if state.targets.len() <= self.most {
            return None;
        }
        let (_, first) = state.by_time.pop_first()?;
        state.targets.remove(&first);
        Some(first)
    }

    /// Takes out what is due.
    pub(super) fn take_due(&self, now: Instant) -> Vec<Target> {
        let mut state = self.lock();
        let mut due = Vec::new();
        while let Some(first) = state.by_time.first_entry() {
            if first.key().0 > now {
                break;
            }
            due.push(first.remove());
        }
        for target in &due {
            state.targets.remove(target);
        }
        due
    }

    pub(super) fn take_all(&self) -> Vec<Target> {
        let state = std::mem::take(&mut *self.lock());
        state.by_time.into_values().collect()
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let state = self.lock();
        state.by_time.first_key_value().map(|((due, _), _)| *due)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().targets.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn url(text: &str) -> Target {
        Target::url(text).unwrap()
    }

    #[test]
    fn each_target_is_due_once_at_the_last_of_its_times() {
        let stragglers = Stragglers::new(10);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (text, seconds) in [("/a", 2), ("/b", 2), ("/a", 1), ("/b", 3), ("/c", 2)] {
            assert_eq!(stragglers.note(url(text), at(seconds)), None);
        }
        assert_eq!(stragglers.len(), 3);
        assert_eq!(stragglers.next_due(), Some(at(2)));
        assert_eq!(stragglers.take_due(at(1)), []);
        assert_eq!(stragglers.take_due(at(2)), [url("/a"), url("/c")]);
        assert_eq!(stragglers.next_due(), Some(at(3)));
        assert_eq!(stragglers.note(url("/a"), at(5)), None);
        assert_eq!(stragglers.take_due(at(4)), [url("/b")]);
        assert_eq!(stragglers.take_all(), [url("/a")]);
        assert_eq!((stragglers.len(), stragglers.next_due()), (0, None));
    }

    #[test]
    fn beyond_the_limit_the_first_leaves_early() {
        let stragglers = Stragglers::new(2);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(stragglers.note(url("/a"), at(2)), None);
        assert_eq!(stragglers.note(url("/b"), at(1)), None);
        assert_eq!(stragglers.note(url("/c"), at(3)), Some(url("/b")));
        assert_eq!(stragglers.note(url("/a"), at(4)), None);
        assert_eq!(stragglers.take_due(at(9)), [url("/c"), url("/a")]);
    }
}
