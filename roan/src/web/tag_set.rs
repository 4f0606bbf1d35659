//! The tags of a page, each once, in the order in which they were added: renders of one page mostly add them in one order.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::base::target::{Target, TargetRef};

#[derive(Debug, Default)]
pub(super) struct TagSet {
    tags: Vec<Target>,
    /// Of the tags, in their order.
    hashes: Vec<u64>,
    /// Their places, by their hashes, if they are [`MANY`].
    places: HashTable<usize>,
}

/// To go through fewer hashes takes less time than a table.
const MANY: usize = 64;

/// One for all sets: to make one takes as long as a tag.
static HASHER: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

impl TagSet {
    pub(super) fn insert(&mut self, tag: TargetRef<'_>) {
        let hash = HASHER.hash_one(tag);
        if self.contains(tag, hash) {
            return;
        }
        if self.tags.is_empty() {
            self.tags.reserve(8);
            self.hashes.reserve(8);
        }
        self.tags.push(tag.to_target());
        self.hashes.push(hash);
        let hashes = &self.hashes;
        let first = match hashes.len() {
            ..MANY => return,
            MANY => 0,
            count => count - 1,
        };
        for place in first..hashes.len() {
            let hash_of = |place: &usize| hashes[*place];
            self.places.insert_unique(hashes[place], place, hash_of);
        }
    }

    fn contains(&self, tag: TargetRef<'_>, hash: u64) -> bool {
        let is_tag = |place: &usize| TargetRef::from(&self.tags[*place]) == tag;
        if self.hashes.len() >= MANY {
            return self.places.find(hash, is_tag).is_some();
        }
        let mut hashes = self.hashes.iter().enumerate();
        hashes.any(|(place, known)| *known == hash && is_tag(&place))
    }

    /// Adds those of another set.
    pub(super) fn extend(&mut self, others: Self) {
        if self.tags.is_empty() {
            *self = others;
            return;
        }
        for tag in &others.tags {
            self.insert(TargetRef::from(tag));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<Target> {
        self.tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_is_there_once_in_the_order_of_its_first_use() {
        let set = |names: &[usize]| {
            let mut set = TagSet::default();
            for name in names {
                let tag = Target::tag(format!("tag-{name}")).unwrap();
                set.insert(TargetRef::from(&tag));
            }
            set
        };
        let names = |set: TagSet| -> Vec<String> {
            let tags = set.into_vec();
            tags.iter().map(|tag| tag.as_str().to_owned()).collect()
        };
        let many: Vec<usize> = (0..1000).rev().chain(0..1000).collect();
        let expected: Vec<_> = (0..1000).rev().map(|name| format!("tag-{name}")).collect();
        assert_eq!(names(set(&many)), expected);
        let mut all = set(&[2, 1]);
        all.extend(set(&[1, 3]));
        assert_eq!(names(all), ["tag-2", "tag-1", "tag-3"]);
    }
}
