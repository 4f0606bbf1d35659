//! The index: which pages carry a key, and under which URLs each page has been asked for.
//!
//! It may never be behind the caches: a URL that a cache may have is in here, or its purge is on its way.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use super::asked::{Asked, has_all};
use crate::base::area::Area;
use crate::base::on_the_way::{ON_THE_WAY, Purged};
use crate::base::target::{Target, TargetKind};

/// The bounds of what is remembered.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// URLs in all. Beyond it the one that was not rendered for the longest time is purged and forgotten.
    pub(crate) pages: usize,
    /// URLs with the same path.
    pub(crate) spellings: usize,
    /// Keys of one URL.
    pub(crate) keys: usize,
    /// URLs with the same key: more are reported.
    pub(crate) pages_of_a_key: usize,
}

/// Why a page cannot be learned, so that no cache may store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Full {
    Spellings(usize),
    Keys(usize),
    /// The purge of an older page cannot be queued.
    Queue,
}

/// A URL that a cache may have.
#[derive(Debug)]
struct Page {
    url: Target,
    place: Target,
    parameters: Box<[String]>,
    keys: Arc<[Target]>,
    /// The number of its last render.
    rendered: u64,
    /// The first purge since then. A page that was not rendered yet counts as purged.
    purged: Option<Instant>,
    /// When it left for a cache for the last time. `None` if that is noted elsewhere.
    left: Option<Instant>,
    /// The number of forgettings under which the database has all of its keys.
    #[cfg(feature = "_sql")]
    recorded: Option<i64>,
}

impl Page {
    /// Until when it may be on its way, if it may still be.
    fn on_the_way(&self, now: Instant) -> Option<Instant> {
        let until = self.left? + ON_THE_WAY;
        (now < until).then_some(until)
    }
}

/// What all spellings of a URL have in common, in the order of sites and paths: so what is below a folder is together.
#[derive(Debug, Clone)]
struct Place(Target);

impl Place {
    fn order(&self) -> (Option<&str>, &str) {
        (self.0.site(), self.0.as_str())
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Place {}

/// The pages that carry one key.
#[derive(Debug, Default)]
struct Carriers {
    pages: HashSet<usize>,
    told: bool,
}

#[derive(Debug)]
pub(super) struct Index {
    limits: Limits,
    pages: Slab<Page>,
    by_url: HashMap<Target, usize>,
    by_place: BTreeMap<Place, Vec<usize>>,
    by_key: HashMap<Target, Carriers>,
    by_age: BTreeMap<u64, usize>,
    renders: u64,
}

impl Index {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            pages: Slab::new(),
            by_url: HashMap::new(),
            by_place: BTreeMap::new(),
            by_key: HashMap::new(),
            by_age: BTreeMap::new(),
            renders: 0,
        }
    }

    /// Notes that a cache may store this page from now on, and when it leaves, unless that is noted elsewhere. `purge` queues
    /// the purge of a page that is forgotten for it, which may be on its way until some time, and says whether it could.
    /// Returns a key that is on too many pages now.
    pub(super) fn learn(
        &mut self,
        asked: &Asked,
        keys: &Arc<[Target]>,
        leaves: Option<Instant>,
        mut purge: impl FnMut(&Target, Option<Instant>) -> bool,
    ) -> Result<Option<Target>, Full> {
        let id = match self.by_url.get(&asked.url) {
            Some(id) => *id,
            None => self.make_room(asked, &mut purge)?,
        };
        let page = &mut self.pages[id];
        if Arc::ptr_eq(&page.keys, keys) || page.keys == *keys {
            // The usual case, and cheap for a page with many keys.
            page.purged = None;
            page.left = leaves;
            self.touch(id);
            return Ok(None);
        }
        // Other copies, at other nodes, may still carry what this page carried before.
        let (kept, former) = match page.purged {
            Some(_) => (Arc::default(), Arc::clone(&page.keys)),
            None => (Arc::clone(&page.keys), Arc::default()),
        };
        let added: Vec<_> = {
            let known: HashSet<_> = kept.iter().collect();
            let new = keys.iter().filter(|key| !known.contains(key));
            new.cloned().collect()
        };
        if kept.len() + added.len() > self.limits.keys {
            return Err(Full::Keys(self.limits.keys));
        }
        #[cfg(feature = "_sql")]
        {
            let former: HashSet<_> = former.iter().collect();
            if added.iter().any(|key| !former.contains(key)) {
                page.recorded = None;
            }
        }
        page.keys = match kept.is_empty() {
            true => Arc::clone(keys),
            false => kept.iter().chain(&added).cloned().collect(),
        };
        page.purged = None;
        page.left = leaves;
        self.touch(id);
        let mut too_often = None;
        for key in &added {
            let carriers = self.by_key.entry(key.clone()).or_default();
            carriers.pages.insert(id);
            if carriers.pages.len() > self.limits.pages_of_a_key && !carriers.told {
                carriers.told = true;
                too_often = Some(key.clone());
            }
        }
        if !former.is_empty() {
            let added: HashSet<_> = added.into_iter().collect();
            for key in former.iter().filter(|key| !added.contains(*key)) {
                self.drop_key(key, id);
            }
        }
        Ok(too_often)
    }

    /// Makes it the page that was rendered last.
    fn touch(&mut self, id: usize) {
        let page = &mut self.pages[id];
        self.by_age.remove(&page.rendered);
        self.renders += 1;
        page.rendered = self.renders;
        self.by_age.insert(self.renders, id);
    }

    fn make_room(
        &mut self,
        asked: &Asked,
        purge: &mut dyn FnMut(&Target, Option<Instant>) -> bool,
    ) -> Result<usize, Full> {
        let spellings = self.spellings(asked);
        // There are two plain ones at most. A flood of others must not keep them out.
        if spellings.len() >= self.limits.spellings && !asked.is_plain() {
            // No cache has what was purged and not rendered again, so it may be forgotten.
            let gone = spellings
                .iter()
                .find(|id| self.pages[**id].purged.is_some());
            let gone = *gone.ok_or(Full::Spellings(self.limits.spellings))?;
            self.forget(gone);
        }
        while self.pages.len() >= self.limits.pages {
            let Some((_, oldest)) = self.by_age.first_key_value() else {
                break;
            };
            let oldest = *oldest;
            let page = &self.pages[oldest];
            if page.purged.is_none() && !purge(&page.url, page.on_the_way(Instant::now())) {
                return Err(Full::Queue);
            }
            self.forget(oldest);
        }
        self.renders += 1;
        let id = self.pages.insert(Page {
            url: asked.url.clone(),
            place: asked.place.clone(),
            parameters: asked.parameters.clone(),
            keys: Arc::default(),
            rendered: self.renders,
            purged: Some(Instant::now()),
            left: None,
            #[cfg(feature = "_sql")]
            recorded: None,
        });
        self.by_age.insert(self.renders, id);
        self.by_url.insert(asked.url.clone(), id);
        self.by_place
            .entry(Place(asked.place.clone()))
            .or_default()
            .push(id);
        Ok(id)
    }

    fn spellings(&self, asked: &Asked) -> &[usize] {
        let ids = self.by_place.get(&Place(asked.place.clone()));
        ids.map_or(&[], |ids| ids)
    }

    fn forget(&mut self, id: usize) {
        let page = self.pages.remove(id);
        self.by_url.remove(&page.url);
        self.by_age.remove(&page.rendered);
        let place = Place(page.place);
        if let Some(spellings) = self.by_place.get_mut(&place) {
            spellings.retain(|other| *other != id);
            if spellings.is_empty() {
                self.by_place.remove(&place);
            }
        }
        for key in &*page.keys {
            self.drop_key(key, id);
        }
    }

    fn drop_key(&mut self, key: &Target, id: usize) {
        if let Some(carriers) = self.by_key.get_mut(key) {
            carriers.pages.remove(&id);
            if carriers.pages.is_empty() {
                self.by_key.remove(key);
            }
        }
    }

    /// The URLs that show the page of `asked`: those of its path that have its parameters and perhaps more. They are purged.
    pub(super) fn purge_spellings(&mut self, asked: &Asked) -> Purged {
        let mut ids = self.spellings(asked).to_vec();
        ids.retain(|id| has_all(&self.pages[*id].parameters, &asked.parameters));
        self.purge(ids)
    }

    /// The URLs that carry a key. They are purged.
    pub(super) fn purge_key(&mut self, key: &Target) -> Purged {
        let carriers = self.by_key.get(key);
        let ids = carriers.map_or_else(Vec::new, |carriers| {
            carriers.pages.iter().copied().collect()
        });
        self.purge(ids)
    }

    fn purge(&mut self, ids: Vec<usize>) -> Purged {
        let now = Instant::now();
        let mut purged = Purged::default();
        for id in ids {
            let page = &mut self.pages[id];
            page.purged.get_or_insert(now);
            if let Some(until) = page.on_the_way(now) {
                purged.stragglers.push((page.url.clone(), until));
            }
            purged.urls.push(page.url.clone());
        }
        purged
    }

    /// The end of the page's body leaves.
    pub(super) fn leaves(&mut self, asked: &Asked, now: Instant) {
        if let Some(id) = self.by_url.get(&asked.url) {
            self.pages[*id].left = Some(now);
        }
    }

    /// Whether the page was rendered, and its first purge since is the one that was asked for at this time.
    pub(super) fn expect(&self, url: &Target, asked: Instant) -> bool {
        let page = self.by_url.get(url).map(|id| &self.pages[*id]);
        // One that was asked for and one that is noted after it may be the same.
        page.is_some_and(|page| page.purged.is_some_and(|first| asked <= first))
    }

    /// The URLs in an area. They are purged.
    pub(super) fn purge_area(&mut self, area: &Area) -> Purged {
        let ids = self.in_area(area);
        self.purge(ids)
    }

    pub(super) fn of_area(&self, area: &Area) -> Vec<Target> {
        let ids = self.in_area(area).into_iter();
        ids.map(|id| self.pages[id].url.clone()).collect()
    }

    fn in_area(&self, area: &Area) -> Vec<usize> {
        let target = area.target();
        let from = match target.kind() {
            TargetKind::Everything => Bound::Unbounded,
            _ => Bound::Included(Place(target.clone())),
        };
        let places = self.by_place.range((from, Bound::Unbounded));
        let is_inside = |place: &Place| match target.kind() {
            TargetKind::Everything => true,
            _ => target.site() == place.0.site() && place.0.as_str().starts_with(target.as_str()),
        };
        let inside = places.take_while(|(place, _)| is_inside(place));
        // The page of the folder itself has the place without its slash, as that of a page beside the folder.
        let itself = target.as_str().strip_suffix('/');
        let itself = itself.map(|path| Place(target.with_text(path)));
        let itself = itself.and_then(|place| self.by_place.get(&place));
        let ids = inside.map(|(_, ids)| ids).chain(itself).flatten().copied();
        ids.filter(|id| area.covers(&self.pages[*id].url)).collect()
    }

    pub(super) fn of_key(&self, key: &Target) -> Vec<Target> {
        let pages = self.by_key.get(key).map(|carriers| &carriers.pages);
        let urls = pages
            .into_iter()
            .flatten()
            .map(|id| self.pages[*id].url.clone());
        urls.collect()
    }

    /// The keys of a page under all of its URLs.
    pub(super) fn keys_of(&self, asked: &Asked) -> Vec<Target> {
        let ids = self.spellings(asked).iter();
        let keys = ids.flat_map(|id| self.pages[*id].keys.iter().cloned());
        Target::sorted(keys.collect::<HashSet<_>>())
    }

    /// What the page under this URL carries.
    pub(super) fn keys(&self, asked: &Asked) -> Option<&Arc<[Target]>> {
        let id = self.by_url.get(&asked.url)?;
        Some(&self.pages[*id].keys)
    }

    /// The keys that the database has to record before the page may enter a cache. `None` if it has them all.
    #[cfg(feature = "_sql")]
    pub(super) fn unrecorded(&self, asked: &Asked, forgets: i64) -> Option<Arc<[Target]>> {
        let page = self.by_url.get(&asked.url).map(|id| &self.pages[*id])?;
        (page.recorded != Some(forgets)).then(|| Arc::clone(&page.keys))
    }

    /// Notes that the database has these keys. Another render may have added more meanwhile.
    #[cfg(feature = "_sql")]
    pub(super) fn recorded(&mut self, asked: &Asked, keys: &[Target], forgets: i64) {
        if let Some(id) = self.by_url.get(&asked.url) {
            let page = &mut self.pages[*id];
            if *page.keys == *keys || page.keys.iter().all(|key| keys.contains(key)) {
                page.recorded = Some(forgets);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }
}

#[cfg(test)]
mod tests;
