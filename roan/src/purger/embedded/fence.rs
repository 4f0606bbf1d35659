//! The fence: a page whose rendering began before a purge is not stored after it.

use std::collections::HashMap;

use super::label::Label;

/// Counts purges, and remembers recent ones while a fill is in progress that may have begun before them.
#[derive(Debug, Default)]
pub(super) struct Fence {
    /// The number of purges so far.
    now: u64,
    /// The number of fills in progress.
    fills: usize,
    /// The number of the last purge of each label.
    purged: HashMap<Label, u64>,
    /// The number of the last purge that was forgotten.
    forgotten: u64,
}

/// The time at which a fill began, as a number of purges.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start(u64);

impl Fence {
    /// The maximum number of purges to remember. Beyond it all are forgotten, and the fills in progress are not stored: that
    /// costs a render, and never leaves a stale page.
    const REMEMBERED: usize = 10_000;

    /// Begins a fill. Called before the request reaches the app, so before the app reads a row.
    pub(super) fn begin(&mut self) -> Start {
        self.fills += 1;
        Start(self.now)
    }

    /// Ends a fill, successful or not.
    pub(super) fn end(&mut self) {
        self.fills -= 1;
        if self.fills == 0 {
            self.purged.clear();
        }
    }

    pub(super) fn purge(&mut self, label: &Label) {
        self.now += 1;
        if self.fills == 0 {
            return;
        }
        if self.purged.len() >= Self::REMEMBERED {
            self.purged.clear();
            self.forgotten = self.now;
        }
        self.purged.insert(label.clone(), self.now);
    }

    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> bool {
        self.fills == 0 && self.purged.is_empty()
    }

    /// Whether none of these labels was purged since.
    pub(super) fn lets_pass(&self, start: Start, labels: &[Label]) -> bool {
        let is_older = |purge: &u64| *purge <= start.0;
        is_older(&self.forgotten)
            && labels
                .iter()
                .all(|label| self.purged.get(label).is_none_or(is_older))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(url: &str) -> Label {
        Label::url("h", url)
    }

    #[test]
    fn only_a_purge_of_the_page_after_the_start_keeps_it_out() {
        let mut fence = Fence::default();
        let before = fence.begin();
        fence.purge(&label("/a"));
        let after = fence.begin();
        assert!(!fence.lets_pass(before, &[label("/a")]));
        assert!(!fence.lets_pass(before, &[label("/b"), label("/a")]));
        assert!(fence.lets_pass(before, &[label("/b")]));
        assert!(fence.lets_pass(after, &[label("/a")]));
    }

    #[test]
    fn nothing_is_remembered_when_no_fill_is_under_way() {
        let mut fence = Fence::default();
        fence.purge(&label("/a"));
        assert!(fence.purged.is_empty());
        fence.begin();
        fence.purge(&label("/a"));
        assert_eq!(fence.purged.len(), 1);
        fence.end();
        assert!(fence.purged.is_empty());
    }

    #[test]
    fn with_too_many_purges_the_fills_under_way_are_not_stored() {
        let mut fence = Fence::default();
        let start = fence.begin();
        for number in 0..=Fence::REMEMBERED {
            fence.purge(&label(&format!("/{number}")));
        }
        assert!(fence.purged.len() <= Fence::REMEMBERED);
        assert!(!fence.lets_pass(start, &[label("/other")]));
        let later = fence.begin();
        assert!(fence.lets_pass(later, &[label("/other")]));
    }
}
