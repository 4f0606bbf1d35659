//! Pages that have left this process for a cache a short while ago, where the purges of all processes are in the database. The
//! relay looks there whether one of them was purged, by whomever, while it may have been on its way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::base::lock::Mutex;
use crate::base::on_the_way::ON_THE_WAY;
use crate::base::target::Target;
use crate::outbox::index::Key;
use crate::outbox::store::Checked;

/// The pages in the order in which they left.
#[derive(Debug, Default)]
pub(crate) struct Released {
    pages: Mutex<VecDeque<Page>>,
    /// Whether a cache needs it.
    is_needed: AtomicBool,
}

#[derive(Debug)]
struct Page {
    url: Target,
    keys: Arc<[Key]>,
    left: Instant,
    /// No key was purged after its render began, up to this number.
    number: i64,
}

/// A page that was purged while it may have been on its way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Straggler {
    pub(crate) url: Target,
    /// Tags by which it was purged.
    pub(crate) tags: Vec<Target>,
    /// Whether it was purged by nothing else.
    pub(crate) is_by_tags: bool,
    /// When it is to be purged once more.
    pub(crate) due: Instant,
}

impl Released {
    /// The most pages that are remembered. Further ones are not stored, so none is forgotten too early.
    const MOST: usize = 100_000;

    /// From now on pages are remembered.
    pub(crate) fn remember(&self) {
        self.is_needed.store(true, Ordering::Relaxed);
    }

    /// Notes a page that leaves, none of whose keys was purged up to this number. Returns whether there was room.
    pub(super) fn note(&self, url: &Target, keys: &Arc<[Key]>, number: i64, now: Instant) -> bool {
        if !self.is_needed.load(Ordering::Relaxed) {
            return true;
        }
        let mut pages = self.pages.lock();
        let has_room = pages.len() < Self::MOST;
        if has_room {
            pages.push_back(Page {
                url: url.clone(),
                keys: Arc::clone(keys),
                left: now,
                number,
            });
        }
        has_room
    }

    /// A look that began then has seen all purges up to this number. A purge that comes later is after the arrival of a page
    /// that had left so long before, and so finds it.
    pub(crate) fn looked(&self, number: i64, began: Instant) {
        let mut pages = self.pages.lock();
        pages.retain(|page| page.number < number || page.is_on_the_way(began));
    }

    /// The number after which purges are to be looked for, if there were any up to this number, or if nobody has looked for
    /// long.
    pub(crate) fn unchecked(&self, number: i64, now: Instant) -> Option<i64> {
        let pages = self.pages.lock();
        let is_waiting = |page: &Page| page.left + 2 * ON_THE_WAY < now;
        let is_urgent = pages.front().is_some_and(is_waiting);
        let least = pages.iter().map(|page| page.number).min()?;
        (is_urgent || least < number).then_some(least)
    }

    /// The pages that were purged, by all purges since [`unchecked`](Self::unchecked) that were there when the check began.
    pub(crate) fn checked(&self, checked: &Checked, began: Instant) -> Vec<Straggler> {
        let mut stragglers = Vec::new();
        self.pages.lock().retain_mut(|page| {
            stragglers.extend(page.purged(checked));
            page.number = page.number.max(checked.epoch.number);
            page.is_on_the_way(began)
        });
        stragglers
    }
}

impl Page {
    fn is_on_the_way(&self, now: Instant) -> bool {
        now < self.left + ON_THE_WAY
    }

    fn purged(&self, checked: &Checked) -> Option<Straggler> {
        if checked.epoch.number < self.number {
            // It has left since the check.
            return None;
        }
        let is_unknown = checked.is_unknown(self.number);
        let is_purged = |key: &&Key| checked.is_purged([key.hash()], self.number);
        let purged: Vec<_> = match is_unknown {
            // Its tags may be too many for a cache.
            true => Vec::new(),
            false => self.keys.iter().filter(is_purged).collect(),
        };
        let tags: Vec<_> = purged.iter().filter_map(|key| key.target()).collect();
        (is_unknown || !purged.is_empty()).then(|| Straggler {
            url: self.url.clone(),
            is_by_tags: !is_unknown && tags.len() == purged.len(),
            tags,
            due: self.left + ON_THE_WAY,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outbox::store::Epoch;

    const SECOND: Duration = Duration::from_secs(1);

    fn url(text: &str) -> Target {
        Target::url(text).unwrap()
    }

    fn tag(text: &str) -> Target {
        Target::tag(text).unwrap()
    }

    /// Two pages, of which the second left a second later.
    fn released(start: Instant) -> Released {
        let released = Released::default();
        released.remember();
        let keys = |url: &Target| [tag("x"), tag("y").at_site("shop"), url.clone()];
        for (page, number, left) in [(url("/a"), 10, start), (url("/b"), 20, start + SECOND)] {
            let keys = keys(&page);
            let keys = keys.iter().map(Key::of).collect();
            assert!(released.note(&page, &keys, number, left));
        }
        released
    }

    fn checked(number: i64, purged: &[(&Target, i64)]) -> Checked {
        let purged = purged.iter();
        let purged = purged.map(|(key, number)| (Key::of(key).hash(), *number));
        Checked::new(Epoch::at(number), purged.collect())
    }

    fn straggler(page: &str, tags: &[Target], is_by_tags: bool, due: Instant) -> Straggler {
        Straggler {
            url: url(page),
            tags: tags.to_vec(),
            is_by_tags,
            due,
        }
    }

    #[test]
    fn a_page_that_was_purged_after_it_left_is_a_straggler_once() {
        let start = Instant::now();
        let (due_a, due_b) = (start + ON_THE_WAY, start + SECOND + ON_THE_WAY);
        let released = released(start);
        assert_eq!(released.unchecked(10, start), None);
        assert_eq!(released.unchecked(15, start), Some(10));
        // `/b` has left after the check.
        let found = released.checked(&checked(15, &[(&tag("x"), 15)]), start + SECOND);
        assert_eq!(found, [straggler("/a", &[tag("x")], true, due_a)]);
        assert_eq!(released.unchecked(15, start), None);
        let shop = tag("y").at_site("shop");
        let found = checked(30, &[(&tag("x"), 15), (&shop, 30), (&url("/b"), 25)]);
        let found = released.checked(&found, start + SECOND);
        let tags = std::slice::from_ref(&shop);
        let expected = [
            straggler("/a", tags, true, due_a),
            straggler("/b", tags, false, due_b),
        ];
        assert_eq!(found, expected);
        let nothing = checked(40, &[(&tag("other"), 40)]);
        assert_eq!(released.checked(&nothing, start + SECOND), []);
        assert_eq!(released.unchecked(40, start), None);
    }

    #[test]
    fn a_page_is_forgotten_when_a_look_after_its_way_has_found_nothing() {
        let start = Instant::now();
        let released = released(start);
        let late = start + 5 * SECOND;
        let left = || released.unchecked(i64::MAX, start);
        // What was purged is to be found first.
        released.looked(25, late);
        assert_eq!(left(), Some(10));
        released.looked(10, start + SECOND);
        assert_eq!(left(), Some(10));
        let found = checked(21, &[(&url("/a"), 21)]);
        assert_eq!(released.checked(&found, start + 2 * SECOND).len(), 1);
        assert_eq!(left(), Some(21));
        released.looked(21, late);
        assert_eq!(left(), None);
    }

    #[test]
    fn pages_do_not_wait_for_a_look_that_does_not_come() {
        let start = Instant::now();
        let released = released(start);
        assert_eq!(released.unchecked(10, start + 4 * SECOND), None);
        let late = start + 5 * SECOND;
        assert_eq!(released.unchecked(10, late), Some(10));
        assert_eq!(released.checked(&checked(20, &[]), late), []);
        assert_eq!(released.unchecked(10, late), None);
    }

    #[test]
    fn if_it_is_not_known_what_was_purged_all_pages_are_stragglers() {
        let start = Instant::now();
        let released = released(start);
        let mut unknown = checked(30, &[]);
        unknown.forget();
        let found = released.checked(&unknown, start + 5 * SECOND);
        let expected = [
            straggler("/a", &[], false, start + ON_THE_WAY),
            straggler("/b", &[], false, start + SECOND + ON_THE_WAY),
        ];
        assert_eq!(found, expected);
        assert_eq!(released.unchecked(i64::MAX, start), None);
    }

    #[test]
    fn no_page_is_forgotten_for_another() {
        let released = Released::default();
        let keys = Arc::from([]);
        let start = Instant::now();
        let note = || released.note(&url("/a"), &keys, 1, start);
        assert!(note());
        assert_eq!(released.unchecked(i64::MAX, start), None, "nobody needs it");
        released.remember();
        assert!((0..Released::MOST).all(|_| note()));
        assert!(!note());
    }
}
