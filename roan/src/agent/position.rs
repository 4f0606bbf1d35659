//! Where an agent stands in the stream: what it has taken, what it has acknowledged, and what it can never get.
//!
//! The server's own acknowledged floor is not a proof: it also moves over messages that have expired while they were pending.
//! So the agent counts for itself. The consumer has no filter, and the sequence numbers of a stream have no holes but for
//! messages that were removed; each number that does not come is missed here, until it comes or is known to be gone.

use std::collections::{BTreeMap, BTreeSet};

/// The position of an agent. Numbers are those of the stream.
#[derive(Debug)]
pub(super) struct Position {
    /// The highest number that has come, or the one before the first that the consumer delivers.
    taken: u64,
    /// What has come, and is not acknowledged.
    open: BTreeSet<u64>,
    /// The first and the last number of each range that has not come. The server delivers it again if it was lost on the way.
    missing: BTreeMap<u64, u64>,
    /// Everything up to this number is acknowledged. It never falls.
    acknowledged: u64,
}

/// What the servers know of the consumer and its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The server's acknowledged floor.
    pub(super) floor: u64,
    /// The first and the last message of the stream, asked for after `floor`.
    pub(super) first: u64,
    pub(super) last: u64,
    /// What the agent had taken when it asked.
    pub(super) taken: u64,
    /// The first and the last number of messages that the agent lacked when it asked, and that the stream does not have.
    pub(super) gone: Option<(u64, u64)>,
}

/// Why the cache cannot be known to be clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// The stream does not have these messages any more, and the agent never had them.
    Gap { from: u64, to: u64 },
    /// The stream ends before what the agent has taken.
    Shorter { last: u64, taken: u64 },
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gap { from, to } => write!(
                f,
                "the stream has dropped the messages {from} to {to} before this agent could take them"
            ),
            Self::Shorter { last, taken } => write!(
                f,
                "the stream ends with message {last}, but this agent has taken message {taken}: it is another stream, or an \
                 old copy"
            ),
        }
    }
}

impl Position {
    /// Of a consumer that begins after this message, at a cache that has all purges up to it.
    pub(super) fn after(last: u64) -> Self {
        Self {
            taken: last,
            open: BTreeSet::new(),
            missing: BTreeMap::new(),
            acknowledged: last,
        }
    }

    /// A message has come.
    pub(super) fn took(&mut self, number: u64) {
        if number > self.taken {
            if number > self.taken + 1 {
                self.missing.insert(self.taken + 1, number - 1);
            }
            self.taken = number;
        } else {
            self.found(number);
        }
        self.open.insert(number);
    }

    /// The highest number that has come.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether it has come, and is not acknowledged.
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.open.contains(&number)
    }

    /// A missing message has come.
    fn found(&mut self, number: u64) {
        let Some((first, last)) = self.missing.range(..=number).next_back() else {
            return;
        };
        let (first, last) = (*first, *last);
        if number > last {
            return;
        }
        self.missing.remove(&first);
        if first < number {
            self.missing.insert(first, number - 1);
        }
        if number < last {
            self.missing.insert(number + 1, last);
        }
    }

    /// A message was acknowledged.
    pub(super) fn acknowledged_one(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Everything up to this number is acknowledged.
    pub(super) fn acknowledged(&mut self) -> u64 {
        let open = self.open.first().copied();
        let missing = self.missing.first_key_value().map(|(first, _)| *first);
        let first = [open, missing].into_iter().flatten().min();
        let floor = first.map_or(self.taken, |first| first - 1);
        self.acknowledged = self.acknowledged.max(floor);
        self.acknowledged
    }

    /// Of an agent that consumes: whether another one of the same name has acknowledged messages that did not come here.
    pub(super) fn was_passed(&self, known: Known) -> Option<u64> {
        (known.floor > self.taken).then_some(known.floor)
    }

    /// The lowest number that has not come.
    pub(super) fn lacks(&self) -> u64 {
        let missing = self.missing.first_key_value();
        missing.map_or(self.taken + 1, |(first, _)| *first)
    }

    /// Whether some have not come that were before others.
    pub(super) fn has_missing(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Compares with what the servers know. Messages that are open have come, so it does not matter if they expire.
    pub(super) fn compare(&self, known: Known) -> Option<Lost> {
        let Known {
            floor,
            first,
            last,
            taken,
            gone,
        } = known;
        if last < taken {
            return Some(Lost::Shorter { last, taken });
        }
        if first > self.taken + 1 {
            return Some(Lost::Gap {
                from: self.taken + 1,
                to: first - 1,
            });
        }
        // It came since then, or somebody has removed it.
        if let Some((from, to)) = gone.filter(|(from, _)| self.lacks() == *from) {
            return Some(Lost::Gap { from, to });
        }
        // It has expired, or was removed: the server's floor is not an acknowledgement of this agent.
        let is_lost = |(from, _): &(&u64, &u64)| first > **from || floor >= **from;
        let (from, to) = self.missing.iter().find(is_lost)?;
        Some(Lost::Gap {
            from: *from,
            to: *to,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(floor: u64, first: u64, last: u64) -> Known {
        Known {
            floor,
            first,
            last,
            taken: 0,
            gone: None,
        }
    }

    #[test]
    fn the_floor_is_what_is_acknowledged_without_a_hole() {
        let mut position = Position::after(10);
        for number in 11..=14 {
            position.took(number);
        }
        assert_eq!(position.acknowledged(), 10);
        position.acknowledged_one(12);
        assert_eq!(position.acknowledged(), 10);
        position.acknowledged_one(11);
        assert_eq!(position.acknowledged(), 12);
        position.acknowledged_one(13);
        position.acknowledged_one(14);
        assert_eq!(position.acknowledged(), 14);
        // It comes again, since its acknowledgement was lost.
        position.took(13);
        assert!(position.is_open(13));
        assert_eq!(position.acknowledged(), 14);
    }

    #[test]
    fn what_was_lost_on_the_way_comes_again_and_is_not_a_gap() {
        let mut position = Position::after(0);
        position.took(1);
        position.took(5);
        position.acknowledged_one(1);
        position.acknowledged_one(5);
        assert_eq!(position.acknowledged(), 1);
        assert_eq!(position.compare(known(1, 1, 5)), None);
        for number in [3, 2, 4] {
            position.took(number);
            position.acknowledged_one(number);
        }
        assert_eq!(position.acknowledged(), 5);
    }

    #[test]
    fn what_has_expired_before_it_came_is_a_gap() {
        let mut position = Position::after(0);
        position.took(1);
        position.took(5);
        position.acknowledged_one(1);
        // The server's floor has moved over 2 to 4, which have expired.
        let gap = Some(Lost::Gap { from: 2, to: 4 });
        assert_eq!(position.compare(known(4, 5, 5)), gap);
        assert_eq!(position.compare(known(4, 3, 5)), gap);
        // Nothing has come since.
        let position = Position::after(7);
        assert_eq!(position.compare(known(7, 8, 7)), None);
        assert_eq!(position.compare(known(7, 8, 9)), None);
        let gap = Some(Lost::Gap { from: 8, to: 9 });
        assert_eq!(position.compare(known(9, 10, 9)), gap);
        // Single ones were removed.
        let mut position = Position::after(0);
        position.took(1);
        position.took(3);
        let gap = Some(Lost::Gap { from: 2, to: 2 });
        assert_eq!(position.compare(known(0, 1, 3)), None);
        assert_eq!(position.compare(known(3, 1, 3)), gap);
    }

    #[test]
    fn what_the_stream_does_not_have_is_a_gap_before_anything_is_acknowledged() {
        let mut position = Position::after(7);
        assert_eq!(position.lacks(), 8);
        let removed = Known {
            gone: Some((8, 9)),
            ..known(7, 1, 10)
        };
        let gap = Some(Lost::Gap { from: 8, to: 9 });
        assert_eq!(position.compare(removed), gap);
        position.took(10);
        assert!(position.has_missing());
        assert_eq!(position.compare(removed), gap);
        // It has come since the look, and was removed then.
        position.took(8);
        assert_eq!((position.lacks(), position.compare(removed)), (9, None));
    }

    #[test]
    fn what_has_come_may_expire() {
        let mut position = Position::after(0);
        position.took(1);
        position.took(2);
        assert_eq!(position.compare(known(2, 3, 2)), None);
        assert_eq!(position.acknowledged(), 0);
    }

    #[test]
    fn a_stream_that_is_shorter_is_another_one() {
        let position = Position::after(10);
        let shorter = Some(Lost::Shorter { last: 4, taken: 10 });
        let known = Known {
            taken: position.taken(),
            ..known(0, 1, 4)
        };
        assert_eq!(position.compare(known), shorter);
    }
}
