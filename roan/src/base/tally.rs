//! Counts of what is logged now and then.

use std::hash::Hash;

use hashbrown::HashMap;

use super::lock::Mutex;

/// Counts each kind on its own, so that many of one kind do not hide the first of another.
#[derive(Debug)]
pub(crate) struct Tally<K>(Mutex<Counts<K>>);

#[derive(Debug)]
struct Counts<K> {
    of_kinds: HashMap<K, u64>,
    /// Of the kinds for which there is no room.
    others: u64,
}

impl<K: Eq + Hash> Tally<K> {
    /// More kinds than this are counted together: a value of a row may make kinds up.
    const MOST: usize = 1000;

    /// Counts one, and returns how many of its kind there were, with this one.
    pub(crate) fn add(&self, kind: K) -> u64 {
        let mut counts = self.0.lock();
        let has_room = counts.of_kinds.len() < Self::MOST || counts.of_kinds.contains_key(&kind);
        let count = match has_room {
            true => counts.of_kinds.entry(kind).or_default(),
            false => &mut counts.others,
        };
        *count += 1;
        *count
    }

    /// The number of all.
    pub(crate) fn total(&self) -> u64 {
        let counts = self.0.lock();
        counts.of_kinds.values().sum::<u64>() + counts.others
    }
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Mutex::new(Counts {
            of_kinds: HashMap::new(),
            others: 0,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_count_and_too_many_share_one() {
        let tally = Tally::default();
        assert_eq!(tally.add(0), 1);
        for kind in 1..Tally::<usize>::MOST {
            assert_eq!(tally.add(kind), 1, "{kind}");
        }
        assert_eq!(tally.add(0), 2);
        assert_eq!(tally.add(Tally::<usize>::MOST), 1);
        assert_eq!(tally.add(Tally::<usize>::MOST + 1), 2);
        assert_eq!(tally.add(0), 3);
        assert_eq!(tally.total(), Tally::<usize>::MOST as u64 + 4);
    }
}
