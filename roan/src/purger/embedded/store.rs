//! The store: the pages, and the coordination of purges, fills and evictions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;

use super::index::{Index, Indexed, PageId};
use super::label::Label;
use super::page::Page;
use super::tags::{strings, tags};
use super::variant::Variant;
use crate::pages::{Fence, Sharing, Start};
use crate::purger::tag_header::CACHE_GROUPS;

/// Lookups do not take a lock. Storing and purging take the lock of the books, so that a page cannot be stored between the
/// check of the fence and the purge of the cache.
pub(super) struct Store {
    pages: moka::sync::Cache<Label, Arc<Page>>,
    books: Mutex<Books>,
    gone: Arc<Mutex<Vec<Gone>>>,
}

#[derive(Debug, Default)]
struct Books {
    index: Index,
    fence: Fence<Label>,
    last_id: PageId,
}

/// A page that has left the cache and must leave the index. The cache reports it from any thread and call, also under the
/// lock of the books, so it waits here for the next use of the books.
type Gone = (Indexed, Arc<[Label]>);

impl Store {
    /// Creates a store for at most `capacity` bytes of pages.
    pub(super) fn new(capacity: u64) -> Self {
        let gone = Arc::<Mutex<Vec<Gone>>>::default();
        let told = Arc::clone(&gone);
        let pages = moka::sync::Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, page: &Arc<Page>| page.weight())
            .eviction_listener(move |key: Arc<Label>, page, _| {
                let mut gone = told.lock().unwrap_or_else(PoisonError::into_inner);
                gone.push((page.indexed(&key), Arc::clone(&page.labels)));
            })
            .build();
        Self {
            pages,
            books: Mutex::default(),
            gone,
        }
    }

    pub(super) fn get(&self, key: &Label) -> Option<Arc<Page>> {
        self.pages.get(key)
    }

    /// Removes every page with `label`, or in the area that it is, and keeps out those that are being rendered. Returns whether there was one.
    pub(super) fn purge(&self, label: &Label) -> bool {
        let mut books = self.books();
        let keys = match label.as_area() {
            None => {
                books.fence.purge(label);
                books.index.keys(label)
            }
            Some(area) => {
                books.fence.purge_area(&area.mark());
                let keys = self.pages.iter().map(|(key, _)| key);
                let inside = keys.filter(|key| area.covers(key));
                inside.map(|key| Label::clone(&key)).collect()
            }
        };
        let mut removed = false;
        for key in keys {
            removed |= self.pages.remove(&key).is_some();
        }
        self.tidy(&mut books);
        removed
    }

    /// Begins a fill. Call it before the request reaches the app. The fill ends when it is dropped.
    pub(super) fn begin_fill(self: &Arc<Self>, host: &str, url: &str, key: Label) -> Fill {
        Fill {
            store: Arc::clone(self),
            start: self.books().fence.begin(),
            host: host.into(),
            labels: vec![key.clone(), Label::url(Label::ANY_HOST, url)],
            key,
        }
    }

    fn store(&self, fill: &Fill, request: &HeaderMap, variant: Variant) -> bool {
        let labels = fill.labels.clone();
        let mut books = self.books();
        let fence = &books.fence;
        let passes = fence.lets_pass(fill.start, &labels)
            && (!fence.saw_area(fill.start)
                || fence.lets_pass(fill.start, &fill.key.areas_around()));
        if !passes {
            return false;
        }
        books.last_id += 1;
        let former = self.pages.get(&fill.key);
        let page = Page::new(books.last_id, labels, variant, request, former.as_deref());
        books.index.add(&page.indexed(&fill.key), &page.labels);
        self.pages.insert(fill.key.clone(), Arc::new(page));
        self.tidy(&mut books);
        true
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the pages that have left the cache from the index.
    fn tidy(&self, books: &mut Books) {
        let gone = std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner));
        for (page, labels) in gone {
            books.index.remove(&page, &labels);
        }
    }

    /// Whether no fill is in progress, so that no purge is remembered.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> bool {
        self.books().fence.is_at_rest()
    }

    /// The number of pages, their bytes, and the number of labels in the index, after all pending work.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (u64, u64, usize) {
        self.pages.run_pending_tasks();
        let mut books = self.books();
        self.tidy(&mut books);
        let pages = (self.pages.entry_count(), self.pages.weighted_size());
        (pages.0, pages.1, books.index.labels())
    }
}

/// A page that is being rendered.
pub(super) struct Fill {
    store: Arc<Store>,
    start: Start,
    host: Box<str>,
    key: Label,
    /// What purges the page.
    labels: Vec<Label>,
}

impl Fill {
    /// Notes the tags of the response. Returns `None` if they cannot be read, so that nothing would purge the page.
    pub(super) fn carries(&mut self, head: &HeaderMap, sharing: Option<&Sharing>) -> Option<()> {
        let groups = strings(head, &CACHE_GROUPS)?;
        let groups = groups.iter().map(|group| &**group);
        for tag in tags(head).chain(groups) {
            self.labels.push(Label::tag(Label::ANY_HOST, tag));
            self.labels.push(Label::tag(&self.host, tag));
        }
        for (host, tag) in sharing.into_iter().flat_map(|sharing| sharing.tags.iter()) {
            self.labels.push(Label::of(tag, Label::ANY_HOST));
            self.labels.push(Label::of(tag, host));
        }
        Some(())
    }

    /// Stores the page, unless it was purged meanwhile.
    pub(super) fn store(self, request: &HeaderMap, variant: Variant) -> bool {
        self.store.store(&self, request, variant)
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.store.books().fence.end();
    }
}
