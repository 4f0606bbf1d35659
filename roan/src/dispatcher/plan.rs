//! What the dispatcher would do with a target.

use std::sync::Arc;

use super::engine::Engine;
use crate::base::outcome::Refusal;
use crate::base::target::{Target, TargetKind};

/// How a cache gets rid of the pages that a target means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Way {
    /// The cache purges targets of this kind.
    Itself,
    /// The cache does not know the kind. Roan purges the URL of each page that it means, which the web layer has learned.
    LearnedUrls,
    /// The cache does not purge it.
    Not,
}

/// What would happen to a target.
pub(crate) struct Plan {
    /// Why it is not purged at all.
    pub(crate) refusal: Option<Refusal>,
    /// The address of its site, if it is configured.
    pub(crate) site: Option<String>,
    /// Each cache that has nodes, in the order of purging.
    pub(crate) caches: Vec<(Arc<str>, Way)>,
    /// The other spellings of its URL, which are purged with it.
    pub(crate) spellings: Vec<Target>,
    /// Whether the spellings that visitors have asked for are purged, too.
    pub(crate) learns_spellings: bool,
}

impl Engine {
    /// What [`accept`](Self::accept) would do with a target.
    pub(crate) fn plan(&self, target: &Target) -> Plan {
        let kind = target.kind();
        let refusal = self.cannot_serve(kind, target.site());
        let site = match target.site() {
            Some(name) => self.sites.named.get(name),
            None => self.sites.default.as_ref(),
        };
        let is_url = kind == TargetKind::Url;
        let mut caches = Vec::new();
        for (tier, can) in self.tiers.iter().enumerate() {
            let Some(node) = self.nodes.iter().find(|node| node.tier == tier) else {
                continue;
            };
            let way = if refusal.is_some() {
                Way::Not
            } else if can.can_purge(kind) {
                Way::Itself
            } else if can.can_purge(TargetKind::Url) && self.known.are_any() {
                Way::LearnedUrls
            } else {
                Way::Not
            };
            caches.push((Arc::clone(&node.cache), way));
        }
        Plan {
            site: site
                .filter(|_| kind != TargetKind::Everything)
                .map(ToString::to_string),
            spellings: target.other_spellings(self.spellings),
            learns_spellings: is_url && self.known.are_any(),
            refusal,
            caches,
        }
    }
}
