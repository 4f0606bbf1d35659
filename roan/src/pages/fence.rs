//! The fence: a page whose rendering began before a purge does not enter a cache after it.

use std::collections::HashMap;
use std::hash::Hash;

/// Counts purges, and remembers recent ones while a render is in progress that may have begun before them. A key is what
/// can be purged: a page, or what it carries.
#[derive(Debug)]
pub(crate) struct Fence<K> {
    /// The number of purges so far.
    now: u64,
    /// The number of renders in progress.
    renders: usize,
    /// The number of the last purge of each key.
    purged: HashMap<K, u64>,
    /// The number of the last purge that was forgotten.
    forgotten: u64,
    /// The number of the last purge of an area.
    areas: u64,
}

/// The time at which a render began, as a number of purges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start(u64);

impl<K> Default for Fence<K> {
    fn default() -> Self {
        Self {
            now: 0,
            renders: 0,
            purged: HashMap::new(),
            forgotten: 0,
            areas: 0,
        }
    }
}

impl<K: Clone + Eq + Hash> Fence<K> {
    /// The maximum number of purges to remember. Beyond it all are forgotten, and the renders in progress are kept out: that
    /// costs a render, and never leaves a stale page.
    const REMEMBERED: usize = 10_000;

    /// Begins a render. Called before the request reaches the app, so before the app reads a row.
    pub(crate) fn begin(&mut self) -> Start {
        self.renders += 1;
        Start(self.now)
    }

    /// The start of a render that begins now.
    #[cfg(feature = "embedded")]
    pub(crate) fn now(&self) -> Start {
        Start(self.now)
    }

    /// Ends a render, successful or not.
    pub(crate) fn end(&mut self) {
        self.renders -= 1;
        if self.renders == 0 {
            self.purged.clear();
        }
    }

    pub(crate) fn purge(&mut self, key: &K) {
        self.now += 1;
        if self.renders == 0 {
            return;
        }
        if self.purged.len() >= Self::REMEMBERED {
            self.purged.clear();
            self.forgotten = self.now;
        }
        self.purged.insert(key.clone(), self.now);
    }

    /// Notes the purge of an area, which pages are in without carrying it. So a page has to look for its areas only if
    /// [`saw_area`](Self::saw_area).
    pub(crate) fn purge_area(&mut self, mark: &K) {
        self.purge(mark);
        self.areas = self.now;
    }

    /// Whether an area was purged since.
    pub(crate) fn saw_area(&self, start: Start) -> bool {
        self.areas > start.0
    }

    #[cfg(all(test, feature = "embedded"))]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.renders == 0 && self.purged.is_empty()
    }

    /// Whether none of these keys was purged since.
    pub(crate) fn lets_pass<'k>(&self, start: Start, keys: impl IntoIterator<Item = &'k K>) -> bool
    where
        K: 'k,
    {
        if start.0 == self.now {
            return true;
        }
        let is_older = |purge: &u64| *purge <= start.0;
        let mut keys = keys.into_iter();
        is_older(&self.forgotten) && keys.all(|key| self.purged.get(key).is_none_or(is_older))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_purge_of_the_page_after_the_start_keeps_it_out() {
        let mut fence = Fence::default();
        let before = fence.begin();
        fence.purge(&"/a");
        let after = fence.begin();
        assert!(!fence.lets_pass(before, &["/a"]));
        assert!(!fence.lets_pass(before, &["/b", "/a"]));
        assert!(fence.lets_pass(before, &["/b"]));
        assert!(fence.lets_pass(after, &["/a"]));
    }

    #[test]
    fn nothing_is_remembered_when_no_fill_is_under_way() {
        let mut fence = Fence::default();
        fence.purge(&"/a");
        assert!(fence.purged.is_empty());
        fence.begin();
        fence.purge(&"/a");
        assert_eq!(fence.purged.len(), 1);
        fence.end();
        assert!(fence.purged.is_empty());
    }

    #[test]
    fn with_too_many_purges_the_fills_under_way_are_not_stored() {
        let mut fence = Fence::default();
        let start = fence.begin();
        for number in 0..=Fence::<String>::REMEMBERED {
            fence.purge(&format!("/{number}"));
        }
        assert!(fence.purged.len() <= Fence::<String>::REMEMBERED);
        assert!(!fence.lets_pass(start, &["/other".to_owned()]));
        let later = fence.begin();
        assert!(fence.lets_pass(later, &["/other".to_owned()]));
    }
}
