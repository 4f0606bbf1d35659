//! What the next cache is asked for after an answer.
//!
//! At a cache that knows URLs alone, a tag becomes the URLs of its pages. At a later cache that knows tags these URLs would be
//! as many requests, which have a rate there, and perhaps a price. So a URL remembers the broader targets for which it is
//! purged, and after its answer the next cache is asked for those in its place. Such asks merge, and those that others
//! will follow are gathered: see [`GATHERING`].

use std::collections::HashMap;
use std::time::Duration;

use super::Queue;
use super::covered::covers;
use crate::base::target::{Target, TargetKind};

/// A target waits so long for the other pages that it means: each answer for one of them asks for it again. Without others it
/// does not wait. The pages of a large tag take longer, and some of them are fresh meanwhile.
pub(crate) const GATHERING: Duration = Duration::from_secs(1);

/// A URL remembers so many broader targets. With more of them the next cache is asked for the URL itself.
const MOST: usize = 8;

/// What the next cache is asked for after an answer for a target: the target itself, or the broader ones that it is purged for
/// here, or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Onward {
    itself: bool,
    /// Not empty, or it is the target itself.
    broader: Vec<Target>,
}

/// The target itself, and nothing else.
pub(crate) static ITSELF: Onward = Onward {
    itself: true,
    broader: Vec::new(),
};

impl Default for Onward {
    fn default() -> Self {
        ITSELF.clone()
    }
}

impl Onward {
    /// For a page that is purged because of this target. A cache compares prefixes with the URLs that it has, so a page under
    /// another spelling is asked for itself.
    pub(crate) fn of_page(page: &Target, target: &Target) -> Self {
        let is_served = match target.kind() {
            TargetKind::Url => false,
            TargetKind::Tag => true,
            TargetKind::Prefix | TargetKind::Host | TargetKind::Everything => covers(target, page),
        };
        if is_served {
            Self {
                itself: false,
                broader: vec![target.clone()],
            }
        } else {
            ITSELF.clone()
        }
    }

    /// What the next cache is asked for after an answer for this target. Without anything it is the target itself.
    #[cfg(feature = "_sql")]
    pub(crate) fn from_targets(target: &Target, mut all: Vec<Target>) -> Self {
        let count = all.len();
        all.retain(|other| other != target);
        Self::from_parts(all.len() < count, all)
    }

    /// The opposite of [`from_targets`](Self::from_targets).
    #[cfg(any(test, feature = "_sql"))]
    pub(crate) fn targets<'a>(&'a self, target: &'a Target) -> impl Iterator<Item = &'a Target> {
        self.broader.iter().chain(self.itself.then_some(target))
    }

    /// The same from its parts. Without any it is the target itself.
    pub(crate) fn from_parts(itself: bool, broader: Vec<Target>) -> Self {
        Self {
            itself: itself || broader.is_empty(),
            broader,
        }
    }

    /// Whether the next cache is asked for the target itself, perhaps besides others.
    pub(crate) fn is_itself(&self) -> bool {
        self.itself
    }

    /// The broader targets that the next cache is asked for.
    pub(crate) fn broader(&self) -> &[Target] {
        &self.broader
    }

    /// Whether the target is purged for this broader one, and not for itself: then what it means has become stale by the broader
    /// one alone.
    pub(super) fn is_for(&self, broader: &Target) -> bool {
        !self.itself && self.broader == std::slice::from_ref(broader)
    }

    /// The target was asked for once more.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.itself |= other.itself;
        for target in &other.broader {
            if self.broader.contains(target) {
                continue;
            }
            if self.broader.len() < MOST {
                self.broader.push(target.clone());
            } else {
                self.itself = true;
            }
        }
    }
}

/// For each broader target, how many of its pages will be answered soon: for the first time, and for the second.
#[derive(Debug, Default)]
pub(super) struct Awaited(HashMap<Target, [usize; 2]>);

impl Awaited {
    #[cfg(test)]
    pub(super) fn counts(&self) -> &HashMap<Target, [usize; 2]> {
        &self.0
    }

    fn add(&mut self, target: &Target, is_rebound: bool) {
        if let Some(counts) = self.0.get_mut(target) {
            counts[usize::from(is_rebound)] += 1;
        } else {
            let counts = [usize::from(!is_rebound), usize::from(is_rebound)];
            self.0.insert(target.clone(), counts);
        }
    }

    fn remove(&mut self, target: &Target, is_rebound: bool) {
        let Some(counts) = self.0.get_mut(target) else {
            debug_assert!(false, "a page that was not counted");
            return;
        };
        counts[usize::from(is_rebound)] -= 1;
        if *counts == [0, 0] {
            self.0.remove(target);
        }
    }
}

impl Queue {
    /// Whether pages of a broader target will be answered here soon, for the first time or the second. What has failed may
    /// take long.
    pub(in crate::dispatcher) fn awaits(&self, broader: &Target, rebounds: bool) -> bool {
        let counts = self.awaited.0.get(broader);
        self.answers_soon() && counts.is_some_and(|counts| counts[usize::from(rebounds)] > 0)
    }

    /// Whether pages of a broader target wait or are in flight here, and have not failed.
    pub(super) fn has_pages_of(&self, broader: &Target) -> bool {
        self.awaited.0.contains_key(broader)
    }

    /// Counts an entry for [`Queue::awaits`], after it has changed.
    pub(super) fn count(&mut self, place: u32) {
        let entry = &mut self.entries[place as usize];
        if entry.failed || entry.onward.broader.is_empty() {
            return;
        }
        let is_rebound = !entry.is_fresh();
        entry.counted = Some(is_rebound);
        for target in &entry.onward.broader {
            self.awaited.add(target, is_rebound);
        }
    }

    /// Before an entry changes.
    pub(super) fn uncount(&mut self, place: u32) {
        let entry = &mut self.entries[place as usize];
        if let Some(is_rebound) = entry.counted.take() {
            for target in &entry.onward.broader {
                self.awaited.remove(target, is_rebound);
            }
        }
    }
}
