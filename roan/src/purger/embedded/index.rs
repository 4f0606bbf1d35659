//! From a label to the pages that carry it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::label::Label;

/// Distinguishes pages that were stored under the same key.
pub(super) type PageId = u64;

/// A page that is or was in the cache.
#[derive(Debug, Clone)]
pub(super) struct Indexed {
    pub(super) key: Label,
    pub(super) id: PageId,
}

/// The index from labels to pages.
#[derive(Debug, Default)]
pub(super) struct Index {
    pages: HashMap<Label, HashMap<Label, PageId>>,
}

impl Index {
    pub(super) fn add(&mut self, page: &Indexed, labels: &[Label]) {
        for label in labels {
            let pages = self.pages.entry(label.clone()).or_default();
            pages.insert(page.key.clone(), page.id);
        }
    }

    /// Removes a page, but not one that replaced it under the same key.
    pub(super) fn remove(&mut self, page: &Indexed, labels: &[Label]) {
        for label in labels {
            let Entry::Occupied(mut entry) = self.pages.entry(label.clone()) else {
                continue;
            };
            let pages = entry.get_mut();
            if pages.get(&page.key) == Some(&page.id) {
                pages.remove(&page.key);
            }
            if pages.is_empty() {
                entry.remove();
            }
        }
    }

    /// The keys of the pages that carry `label`.
    pub(super) fn keys(&self, label: &Label) -> Vec<Label> {
        let pages = self.pages.get(label);
        pages.map_or_else(Vec::new, |pages| pages.keys().cloned().collect())
    }

    #[cfg(test)]
    pub(super) fn labels(&self) -> usize {
        self.pages.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_was_replaced_does_not_take_its_successor_with_it() {
        let key = Label::url("h", "/p");
        let page = |id| Indexed {
            key: key.clone(),
            id,
        };
        let [a, b, c] = ["a", "b", "c"].map(|tag| Label::tag("h", tag));
        let mut index = Index::default();
        index.add(&page(1), &[a.clone(), b.clone()]);
        index.add(&page(2), &[b.clone(), c.clone()]);
        index.remove(&page(1), &[a.clone(), b.clone()]);
        assert!(index.keys(&a).is_empty());
        assert_eq!(index.keys(&b), std::slice::from_ref(&key));
        index.remove(&page(2), &[b, c]);
        assert_eq!(index.labels(), 0);
    }
}
