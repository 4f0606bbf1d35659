//! Pages: everything stored under one key.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::index::{Indexed, PageId};
use super::label::Label;
use super::variant::Variant;

/// A page with its variants. It is never changed, only replaced.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) id: PageId,
    /// The labels that purge it; its key is one of them.
    pub(super) labels: Arc<[Label]>,
    variants: Vec<Arc<Variant>>,
    weight: u32,
}

impl Page {
    /// The maximum number of variants. Further variants replace the oldest.
    const VARIANTS: usize = 16;

    /// A page with this variant, and those variants of the `former` page under the same key that answer other requests.
    pub(super) fn new(
        id: PageId,
        mut labels: Vec<Label>,
        variant: Variant,
        request: &HeaderMap,
        former: Option<&Self>,
    ) -> Self {
        let mut variants = Vec::new();
        if let Some(former) = former {
            let others = former.variants.iter();
            variants.extend(others.filter(|other| !other.matches(request)).cloned());
            if variants.len() >= Self::VARIANTS {
                variants.remove(0);
            }
            if !variants.is_empty() {
                labels.extend(former.labels.iter().cloned());
            }
        }
        variants.push(Arc::new(variant));
        labels.sort_unstable();
        labels.dedup();
        // The index also contains the label, and may hold its only other copy.
        let labelled: usize = labels.iter().map(|label| 2 * label.len() + 128).sum();
        let bodies: usize = variants.iter().map(|variant| variant.weight()).sum();
        let weight = 256 + labelled + bodies;
        Self {
            id,
            labels: labels.into(),
            variants,
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
        }
    }

    /// The answer to a request with these headers.
    pub(super) fn variant(&self, request: &HeaderMap) -> Option<&Arc<Variant>> {
        self.variants
            .iter()
            .find(|variant| variant.matches(request))
    }

    /// The headers of a request by which the answers differ, as far as one of them says.
    pub(super) fn varying(&self, request: &HeaderMap) -> Vec<HeaderValue> {
        let last = self.variants.last();
        last.map_or_else(Vec::new, |variant| variant.varying(request))
    }

    /// Its approximate size in memory, in bytes.
    pub(super) fn weight(&self) -> u32 {
        self.weight
    }

    pub(super) fn indexed(&self, key: &Label) -> Indexed {
        Indexed {
            key: key.clone(),
            id: self.id,
        }
    }
}
