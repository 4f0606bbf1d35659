//! What a node has not answered yet, and is to be asked for again.
//!
//! An app with a durable outbox keeps such purges in its database. An agent keeps them here: their messages are not
//! acknowledged, so the stream has them, too.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::base::target::Target;
use crate::dispatcher::Onward;

/// A cache and one of its nodes.
pub(super) type Place = (Arc<str>, Arc<str>);

/// A purge of one target at one node.
#[derive(Debug)]
pub(super) struct Purge {
    /// The message that asks for it.
    pub(super) message: i64,
    pub(super) target: Target,
    pub(super) onward: Onward,
    pub(super) attempts: u32,
}

/// The purges that wait, for each node.
#[derive(Debug, Default)]
pub(super) struct Held {
    nodes: HashMap<Place, Waiting>,
    last: u64,
    count: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Not sent yet: the node was down or busy.
    unsent: VecDeque<Purge>,
    /// By the time of the next attempt, and a number that no other has.
    failed: BTreeMap<(Instant, u64), Purge>,
    /// Whether the node has come back, so that what has failed need not wait any longer.
    is_back: bool,
}

impl Held {
    pub(super) fn unsent(&mut self, place: Place, purge: Purge) {
        self.count += 1;
        self.nodes.entry(place).or_default().unsent.push_back(purge);
    }

    pub(super) fn failed(&mut self, place: Place, purge: Purge, due: Instant) {
        self.count += 1;
        self.last += 1;
        let node = self.nodes.entry(place).or_default();
        node.failed.insert((due, self.last), purge);
    }

    /// The node answers again.
    pub(super) fn back(&mut self, place: &Place) {
        if let Some(node) = self.nodes.get_mut(place) {
            node.is_back = !node.failed.is_empty();
        }
    }

    /// The nodes for which some wait.
    pub(super) fn places(&self) -> Vec<Place> {
        self.nodes.keys().cloned().collect()
    }

    /// Whether some for this node were not sent yet.
    pub(super) fn has_unsent(&self, place: &Place) -> bool {
        let node = self.nodes.get(place);
        node.is_some_and(|node| !node.unsent.is_empty())
    }

    /// Takes so many out, for one node: of those that were not sent, and of those that have failed and are due.
    pub(super) fn take(&mut self, place: &Place, room: (usize, usize), now: Instant) -> Vec<Purge> {
        let Some(node) = self.nodes.get_mut(place) else {
            return Vec::new();
        };
        let (unsent, failed) = room;
        let unsent = unsent.min(node.unsent.len());
        let mut taken: Vec<_> = node.unsent.drain(..unsent).collect();
        for _ in 0..failed {
            let Some(first) = node.failed.first_entry() else {
                break;
            };
            if first.key().0 > now && !node.is_back {
                break;
            }
            taken.push(first.remove());
        }
        if node.failed.is_empty() {
            node.is_back = false;
        }
        if node.failed.is_empty() && node.unsent.is_empty() {
            self.nodes.remove(place);
        }
        self.count -= taken.len();
        taken
    }

    /// When the first of those that have failed is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let first = |node: &Waiting| node.failed.first_key_value().map(|((due, _), _)| *due);
        self.nodes.values().filter_map(first).min()
    }

    /// Whether some wait for nothing but room at their node.
    pub(super) fn wants_room(&self, now: Instant) -> bool {
        let waits = |node: &Waiting| {
            let first = node.failed.first_key_value();
            let is_due = first.is_some_and(|((due, _), _)| node.is_back || *due <= now);
            is_due || !node.unsent.is_empty()
        };
        self.nodes.values().any(waits)
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn purge(message: i64) -> Purge {
        Purge {
            message,
            target: Target::url("/a").unwrap(),
            onward: Onward::default(),
            attempts: 1,
        }
    }

    fn place() -> Place {
        ("nginx".into(), "a".into())
    }

    fn messages(taken: &[Purge]) -> Vec<i64> {
        taken.iter().map(|purge| purge.message).collect()
    }

    #[test]
    fn what_has_failed_waits_until_it_is_due_or_the_node_is_back() {
        let mut held = Held::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(9);
        held.unsent(place(), purge(1));
        held.unsent(place(), purge(2));
        held.failed(place(), purge(3), now);
        held.failed(place(), purge(4), later);
        assert_eq!((held.len(), held.next_due()), (4, Some(now)));
        assert!(held.wants_room(now));
        assert_eq!(messages(&held.take(&place(), (1, 9), now)), [1, 3]);
        assert_eq!(messages(&held.take(&place(), (9, 9), now)), [2]);
        assert!(!held.wants_room(now));
        assert_eq!(held.next_due(), Some(later));
        held.back(&place());
        assert!(held.wants_room(now));
        assert_eq!(messages(&held.take(&place(), (0, 9), now)), [4]);
        assert_eq!((held.len(), held.places().len()), (0, 0));
    }
}
