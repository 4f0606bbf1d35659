//! The tags of a page, each once, in the order in which they were added: renders of one page mostly add them in one order.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::base::target::{Target, TargetKind, TargetRef};

/// Nothing as long as it is empty. It is moved at each `show`, so it is small.
#[derive(Debug, Default)]
pub(super) struct TagSet(Option<Box<Filled>>);

/// The tags as one text: a page that is known already does not need them one by one.
#[derive(Debug, Default)]
struct Filled {
    text: String,
    tags: Vec<Tag>,
    /// The places of the tags, by their hashes, if they are [`MANY`].
    places: HashTable<usize>,
}

/// A tag that ends at this byte of the text.
#[derive(Debug)]
struct Tag {
    hash: u64,
    end: usize,
    site_len: usize,
}

/// To go through fewer hashes takes less time than a table.
const MANY: usize = 64;

/// One for all sets: to make one takes as long as a tag.
static HASHER: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

impl TagSet {
    pub(super) fn insert(&mut self, tag: TargetRef<'_>) {
        self.0.get_or_insert_default().insert(tag);
    }

    /// Adds those of another set.
    pub(super) fn extend(&mut self, others: Self) {
        if self.is_empty() {
            *self = others;
            return;
        }
        for tag in others.iter() {
            self.insert(tag);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn iter(&self) -> impl Iterator<Item = TargetRef<'_>> {
        self.0.iter().flat_map(|filled| filled.iter())
    }

    /// Whether they are these targets, in this order.
    pub(super) fn are(&self, targets: &[Target]) -> bool {
        self.iter().eq(targets.iter().map(TargetRef::from))
    }

    pub(super) fn to_vec(&self) -> Vec<Target> {
        self.iter().map(TargetRef::to_target).collect()
    }
}

impl Filled {
    fn insert(&mut self, tag: TargetRef<'_>) {
        let hash = HASHER.hash_one(tag);
        if self.contains(tag, hash) {
            return;
        }
        let (text, site_len) = tag.parts();
        if self.tags.is_empty() {
            self.tags.reserve(8);
            self.text.reserve(8 * text.len());
        }
        self.text.push_str(text);
        self.tags.push(Tag {
            hash,
            end: self.text.len(),
            site_len,
        });
        let tags = &self.tags;
        let first = match tags.len() {
            ..MANY => return,
            MANY => 0,
            count => count - 1,
        };
        for place in first..tags.len() {
            let hash_of = |place: &usize| tags[*place].hash;
            self.places.insert_unique(tags[place].hash, place, hash_of);
        }
    }

    fn contains(&self, tag: TargetRef<'_>, hash: u64) -> bool {
        if self.tags.len() >= MANY {
            let is_tag = |place: &usize| self.get(*place) == tag;
            return self.places.find(hash, is_tag).is_some();
        }
        let mut tags = self.tags.iter().enumerate();
        tags.any(|(place, known)| known.hash == hash && self.get(place) == tag)
    }

    fn get(&self, place: usize) -> TargetRef<'_> {
        let before = place.checked_sub(1);
        let start = before.map_or(0, |before| self.tags[before].end);
        let Tag { end, site_len, .. } = self.tags[place];
        TargetRef::new(TargetKind::Tag, &self.text[start..end], site_len)
    }

    fn iter(&self) -> impl Iterator<Item = TargetRef<'_>> {
        (0..self.tags.len()).map(|place| self.get(place))
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
            let tags = set.to_vec();
            assert!(set.are(&tags));
            tags.iter().map(|tag| tag.as_str().to_owned()).collect()
        };
        let many: Vec<usize> = (0..1000).rev().chain(0..1000).collect();
        let expected: Vec<_> = (0..1000).rev().map(|name| format!("tag-{name}")).collect();
        assert_eq!(names(set(&many)), expected);
        let mut all = set(&[2, 1]);
        all.extend(set(&[1, 3]));
        assert_eq!(names(all), ["tag-2", "tag-1", "tag-3"]);
    }

    #[test]
    fn tags_of_sites_are_others() {
        let tag = |text| Target::tag(text).unwrap();
        let tags = [tag("ba"), tag("a").at_site("b"), tag("b"), tag("a")];
        let mut set = TagSet::default();
        assert!(set.is_empty() && set.are(&[]));
        for tag in tags.iter().chain(&tags) {
            set.insert(TargetRef::from(tag));
        }
        assert_eq!(set.to_vec(), tags);
        assert!(set.are(&tags) && !set.is_empty());
        assert!(!set.are(&tags[1..]) && !set.are(&[]));
        assert!(!set.are(&[
            tags[1].clone(),
            tags[0].clone(),
            tags[2].clone(),
            tags[3].clone()
        ]));
    }
}
