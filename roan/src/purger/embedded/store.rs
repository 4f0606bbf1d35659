//! The store: the pages, and the coordination of purges, fills and evictions.

use std::sync::Arc;

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::collapse::{ALONE, Ended, Flights, Lead, MOST_ALONE, Waiting};
use super::index::{Index, Indexed, PageId};
use super::label::Label;
use super::lookup::Lookup;
use super::page::Page;
use super::tags::{strings, tags};
use super::variant::Variant;
use crate::base::lock::Mutex;
use crate::pages::{Fence, Sharing, Start};
use crate::purger::tag_header::CACHE_GROUPS;

/// Lookups do not take a lock. Storing and purging take the lock of the books, so that a page cannot be stored between the
/// check of the fence and the purge of the cache.
pub(super) struct Store {
    pages: moka::sync::Cache<Label, Arc<Page>>,
    books: Mutex<Books>,
    gone: Arc<Mutex<Vec<Gone>>>,
    /// Pages that nobody waits for.
    alone: moka::sync::Cache<Label, ()>,
}

#[derive(Debug, Default)]
struct Books {
    index: Index,
    fence: Fence<Label>,
    flights: Flights,
    last_id: PageId,
}

/// Whether neither a page, nor one of its labels, nor an area around it was purged since.
fn lets_pass(fence: &Fence<Label>, start: Start, key: &Label, labels: &[Label]) -> bool {
    fence.lets_pass(start, labels)
        && (!fence.saw_area(start) || fence.lets_pass(start, &key.areas_around()))
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
                let mut gone = told.lock();
                gone.push((page.indexed(&key), Arc::clone(&page.labels)));
            })
            .build();
        Self {
            pages,
            books: Mutex::default(),
            gone,
            alone: moka::sync::Cache::builder()
                .max_capacity(MOST_ALONE)
                .time_to_live(ALONE)
                .build(),
        }
    }

    pub(super) fn get(&self, key: &Label) -> Option<Arc<Page>> {
        self.pages.get(key)
    }

    /// Removes every page with `label`, or in the area that it is, and keeps out those that are being rendered. Returns whether
    /// there was one.
    pub(super) fn purge(&self, label: &Label) -> bool {
        let mut books = self.books.lock();
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

    /// Begins a fill, or waits for another one that is under way. Call it before the request reaches the app. The fill ends
    /// when it is dropped.
    ///
    /// `varying`: the values of the headers by which requests for the page differ. `longest`: how long others may wait
    /// for it.
    pub(super) fn begin(
        self: &Arc<Self>,
        page: Lookup<'_>,
        varying: Vec<HeaderValue>,
        longest: Duration,
        collapse: Collapse,
    ) -> Begun {
        let Lookup { host, url, key } = page;
        let labels = vec![key.clone(), Label::url(Label::ANY_HOST, url)];
        let is_led =
            collapse != Collapse::Never && !longest.is_zero() && !self.alone.contains_key(&key);
        let mut books = self.books.lock();
        let mut lead = None;
        if is_led {
            let flight = (key.clone(), varying);
            let fence = &books.fence;
            let is_useful = |start| lets_pass(fence, start, &key, &labels);
            match books.flights.join(&flight, longest, is_useful) {
                Some(waiting) if collapse == Collapse::Wait => return Begun::Wait(waiting),
                // It is led already.
                Some(_) => {}
                None => {
                    let start = books.fence.now();
                    lead = Some(books.flights.lead(flight, start));
                }
            }
        }
        let start = books.fence.begin();
        drop(books);
        Begun::Fill(Fill {
            store: Arc::clone(self),
            start,
            host: host.into(),
            labels,
            key,
            lead,
        })
    }

    fn store(&self, fill: &Fill, request: &HeaderMap, variant: Variant) -> bool {
        let labels = fill.labels.clone();
        let mut books = self.books.lock();
        if !lets_pass(&books.fence, fill.start, &fill.key, &labels) {
            return false;
        }
        books.last_id += 1;
        let former = self.pages.get(&fill.key);
        let page = Page::new(books.last_id, labels, variant, request, former.as_deref());
        books.index.add(&page.indexed(&fill.key), &page.labels);
        self.pages.insert(fill.key.clone(), Arc::new(page));
        self.tidy(&mut books);
        drop(books);
        self.alone.invalidate(&fill.key);
        fill.end(Ended::Stored);
        true
    }

    /// Removes the pages that have left the cache from the index.
    fn tidy(&self, books: &mut Books) {
        let gone = std::mem::take(&mut *self.gone.lock());
        for (page, labels) in gone {
            books.index.remove(&page, &labels);
        }
    }

    /// Whether no fill is in progress, so that no purge is remembered.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> bool {
        self.books.lock().fence.is_at_rest()
    }

    /// The number of pages, their bytes, and the number of labels in the index, after all pending work.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (u64, u64, usize) {
        self.pages.run_pending_tasks();
        let mut books = self.books.lock();
        self.tidy(&mut books);
        let pages = (self.pages.entry_count(), self.pages.weighted_size());
        (pages.0, pages.1, books.index.labels())
    }
}

/// Whether a request waits for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collapse {
    Wait,
    /// It does not wait any more.
    NoMore,
    /// Nor do others wait for it.
    Never,
}

pub(super) enum Begun {
    Fill(Fill),
    Wait(Waiting),
}

/// A page that is being rendered.
pub(super) struct Fill {
    store: Arc<Store>,
    start: Start,
    host: Box<str>,
    key: Label,
    /// What purges the page.
    labels: Vec<Label>,
    /// If others wait for it.
    lead: Option<Lead>,
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

    /// The answer cannot be stored. Those who wait for it go on by themselves.
    pub(super) fn refuse(self) {
        self.store.alone.insert(self.key.clone(), ());
        self.end(Ended::NotForOthers);
    }

    fn end(&self, ended: Ended) {
        if let Some(lead) = &self.lead {
            lead.end(ended);
        }
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        let mut books = self.store.books.lock();
        books.fence.end();
        if let Some(lead) = &self.lead {
            books.flights.leave(lead);
        }
    }
}
