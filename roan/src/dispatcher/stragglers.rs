//! What is purged once more after a while, because a page was on its way into a cache when it was purged.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::queue::Onward;
use crate::base::lock::Mutex;
use crate::base::target::Target;

/// Targets, each with the time at which it is to be purged once more.
#[derive(Debug)]
pub(super) struct Stragglers {
    /// The most targets that wait.
    most: usize,
    state: Mutex<State>,
}

/// A target, and what the next cache is asked for after the answer.
pub(super) type Straggler = (Target, Onward);

#[derive(Debug, Default)]
struct State {
    targets: HashMap<Target, (Instant, u64)>,
    /// By their times, and a number that no other has.
    by_time: BTreeMap<(Instant, u64), Straggler>,
    last: u64,
}

impl Stragglers {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::default(),
        }
    }

    /// Notes a target that is purged now, and once more at this time. Of several times the last counts: with each of them
    /// the target is purged, and so what has arrived until then. Returns a target that has to leave early to make room.
    pub(super) fn note(
        &self,
        target: Target,
        mut onward: Onward,
        due: Instant,
    ) -> Option<Straggler> {
        let mut state = self.state.lock();
        if let Some(known) = state.targets.get(&target).copied() {
            if due <= known.0 {
                if let Some((_, other)) = state.by_time.get_mut(&known) {
                    other.merge(&onward);
                }
                return None;
            }
            if let Some((_, other)) = state.by_time.remove(&known) {
                onward.merge(&other);
            }
        }
        state.last += 1;
        let place = (due, state.last);
        state.targets.insert(target.clone(), place);
        state.by_time.insert(place, (target, onward));
        if state.targets.len() <= self.most {
            return None;
        }
        let (_, first) = state.by_time.pop_first()?;
        state.targets.remove(&first.0);
        Some(first)
    }

    /// Takes out what is due.
    pub(super) fn take_due(&self, now: Instant) -> Vec<Straggler> {
        let mut state = self.state.lock();
        let mut due = Vec::new();
        while let Some(first) = state.by_time.first_entry() {
            if first.key().0 > now {
                break;
            }
            due.push(first.remove());
        }
        for (target, _) in &due {
            state.targets.remove(target);
        }
        due
    }

    pub(super) fn take_all(&self) -> Vec<Straggler> {
        let state = std::mem::take(&mut *self.state.lock());
        state.by_time.into_values().collect()
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let state = self.state.lock();
        state.by_time.first_key_value().map(|((due, _), _)| *due)
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().targets.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn url(text: &str) -> Target {
        Target::url(text).unwrap()
    }

    fn note(stragglers: &Stragglers, text: &str, due: Instant) -> Option<Straggler> {
        stragglers.note(url(text), Onward::default(), due)
    }

    fn straggler(text: &str) -> Straggler {
        (url(text), Onward::default())
    }

    #[test]
    fn each_target_is_due_once_at_the_last_of_its_times() {
        let stragglers = Stragglers::new(10);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (text, seconds) in [("/a", 2), ("/b", 2), ("/a", 1), ("/b", 3), ("/c", 2)] {
            assert_eq!(note(&stragglers, text, at(seconds)), None);
        }
        assert_eq!(stragglers.len(), 3);
        assert_eq!(stragglers.next_due(), Some(at(2)));
        assert_eq!(stragglers.take_due(at(1)), []);
        assert_eq!(
            stragglers.take_due(at(2)),
            [straggler("/a"), straggler("/c")]
        );
        assert_eq!(stragglers.next_due(), Some(at(3)));
        assert_eq!(note(&stragglers, "/a", at(5)), None);
        assert_eq!(stragglers.take_due(at(4)), [straggler("/b")]);
        assert_eq!(stragglers.take_all(), [straggler("/a")]);
        assert_eq!((stragglers.len(), stragglers.next_due()), (0, None));
    }

    #[test]
    fn beyond_the_limit_the_first_leaves_early() {
        let stragglers = Stragglers::new(2);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(note(&stragglers, "/a", at(2)), None);
        assert_eq!(note(&stragglers, "/b", at(1)), None);
        assert_eq!(note(&stragglers, "/c", at(3)), Some(straggler("/b")));
        assert_eq!(note(&stragglers, "/a", at(4)), None);
        assert_eq!(
            stragglers.take_due(at(9)),
            [straggler("/c"), straggler("/a")]
        );
    }

    #[test]
    fn the_next_cache_is_asked_for_all_that_a_page_was_purged_for() {
        let stragglers = Stragglers::new(10);
        let start = Instant::now();
        let (page, x, y) = (
            url("/a"),
            Target::tag("x").unwrap(),
            Target::tag("y").unwrap(),
        );
        for (tag, due) in [
            (&x, start),
            (&y, start),
            (&y, start + Duration::from_secs(1)),
        ] {
            let onward = Onward::of_page(&page, tag);
            assert_eq!(stragglers.note(page.clone(), onward, due), None);
        }
        let [(target, onward)] = &stragglers.take_all()[..] else {
            panic!("one page");
        };
        assert_eq!((target, onward.is_itself()), (&page, false));
        let mut broader = onward.broader().to_vec();
        broader.sort_by_key(ToString::to_string);
        assert_eq!(broader, [x, y]);
    }
}
