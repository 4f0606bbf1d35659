//! What purges name and pages carry.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::base::target::{Target, TargetKind};
use crate::base::target_json;
#[cfg(feature = "web")]
use crate::outbox::stored_target;

/// What a page carries, and what a purge names: a tag, or the URL of a page. Index and fence know its hash alone, so
/// there may be other kinds.
///
/// Two keys of one hash are one key: a purge of either purges the pages of both. That costs a miss, and is rarer than a
/// broken disk.
#[derive(Debug, Clone)]
pub struct Key {
    hash: i64,
    /// Of a tag, to be shown.
    tag: Option<Arc<str>>,
}

impl Key {
    /// The key of a tag, or of a page under this URL.
    #[must_use]
    pub fn of(target: &Target) -> Self {
        let is_tag = target.kind() == TargetKind::Tag;
        Self {
            hash: hash(target),
            tag: is_tag.then(|| target_json::encode_target(target).into()),
        }
    }

    /// A key with another hash, for tests of collisions.
    #[must_use]
    pub fn with_hash(mut self, hash: i64) -> Self {
        self.hash = hash;
        self
    }

    /// Its identity.
    #[must_use]
    pub fn hash(&self) -> i64 {
        self.hash
    }

    pub(crate) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The tag as a target.
    #[cfg(feature = "web")]
    pub(crate) fn target(&self) -> Option<Target> {
        stored_target::read_target(self.tag()?).ok()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

/// The same in each build and version of the program, because the database has it. Visitors choose URLs, so it must be
/// hard to find a URL with the hash of another one.
fn hash(target: &Target) -> i64 {
    let kind = match target.kind() {
        TargetKind::Url => 1,
        TargetKind::Tag => 2,
        TargetKind::Prefix => 3,
        TargetKind::Host => 4,
        TargetKind::Everything => 5,
    };
    let site = target.site().unwrap_or_default();
    let digest = Sha256::new()
        .chain_update([kind])
        .chain_update((site.len() as u64).to_be_bytes())
        .chain_update(site)
        .chain_update(target.as_str())
        .finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        let hash = |target: Result<Target, _>| Key::of(&target.unwrap()).hash();
        // From the SHA-256 of 01, eight zeros and `/posts`, and of 02, eight zeros and `a`.
        assert_eq!(hash(Target::url("/posts")), 3_387_475_430_446_205_882);
        assert_eq!(hash(Target::tag("a")), -3_726_677_399_655_556_638);
    }

    #[test]
    fn kind_site_and_each_byte_of_the_text_tell_keys_apart() {
        let url = |text: &str| Target::url(text).unwrap();
        let tag = |text: &str| Target::tag(text).unwrap();
        let targets = [
            url("/a"),
            url("/A"),
            url("/a/"),
            url("//a"),
            url("/a?"),
            url("/a?utm_source=x"),
            url("/a%2F"),
            url("/a%2f"),
            tag("/a"),
            tag("a"),
            url("/a").at_site("b"),
            url("/a").at_site("b/"),
            tag("a").at_site("b"),
        ];
        let mut hashes: Vec<i64> = targets
            .iter()
            .map(|target| Key::of(target).hash())
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), targets.len());
    }
}
