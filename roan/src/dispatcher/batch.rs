//! Targets that wait together, each once.

use std::hash::BuildHasher;
use std::time::Instant;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::base::history::{Because, Causes};
use crate::base::origin::Origin;
use crate::base::target::{Target, TargetRef};

/// Targets with the time of their first request, in that order. Pages that were stored together are close on the disk of
/// a cache, which so removes them faster.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Finds the position in `targets`. The hash is kept, so that growing does not read targets.
    index: HashTable<(u64, u32)>,
    targets: Vec<Waiting>,
}

/// A target that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(super) target: Target,
    pub(super) asked: Instant,
    pub(super) causes: Causes,
    pub(super) origin: Origin,
}

/// The result of [`Batch::put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    New,
    Known,
    /// It is new, but the batch is full.
    Full,
}

impl Batch {
    pub(super) fn put(
        &mut self,
        target: TargetRef<'_>,
        because: Because<'_>,
        origin: &Origin,
        hasher: &DefaultHashBuilder,
        has_room: impl FnOnce() -> bool,
    ) -> Found {
        let targets = &mut self.targets;
        let hash = hasher.hash_one(target);
        let is_it = |&(known, place): &(u64, u32)| {
            known == hash && TargetRef::from(&targets[place as usize].target) == target
        };
        let entry = self.index.entry(hash, is_it, |&(known, _)| known);
        let vacant = match entry {
            Entry::Vacant(vacant) => vacant,
            Entry::Occupied(known) => {
                let (_, place) = *known.get();
                let known = &mut targets[place as usize];
                known.causes.add(because);
                known.origin.add(origin);
                return Found::Known;
            }
        };
        match u32::try_from(targets.len()) {
            Ok(place) if has_room() => {
                vacant.insert((hash, place));
                targets.push(Waiting {
                    target: target.to_target(),
                    asked: Instant::now(),
                    causes: Causes::of(because),
                    origin: origin.clone(),
                });
                Found::New
            }
            _ => Found::Full,
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.targets.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    pub(super) fn capacity(&self) -> usize {
        self.targets.capacity()
    }

    /// Removes the targets, and keeps their memory.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Waiting> {
        self.index.clear();
        self.targets.drain(..)
    }
}
