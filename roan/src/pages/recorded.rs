//! Pages that the database of the outbox knows, for all processes and over restarts. Why this is sound is in
//! `outbox/index/mod.rs`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::asked::Asked;
use super::known::{Held, Leave, Pages, Render};
use crate::base::area::Area;
use crate::base::target::Target;
use crate::outbox::OutboxError;
use crate::outbox::index::{Key, SharedIndex};

/// The number of times a page is recorded if the database forgets pages meanwhile.
const ATTEMPTS: usize = 2;

impl Render {
    /// Records a page that is not known yet, and looks whether anything of it was purged since its render began. A known page
    /// costs one small query.
    ///
    /// # Errors
    ///
    /// Why no cache may store the page.
    pub(super) async fn release_recorded(
        &self,
        shared: &SharedIndex,
        asked: &Asked,
        keys: &Arc<[Target]>,
    ) -> Result<Leave, Held> {
        let checked = checked(asked, keys);
        let mut too_often = None;
        for _ in 0..ATTEMPTS {
            let forgets = shared.forgets();
            let unrecorded = {
                let mut state = self.pages.state.lock();
                // Pages that leave the memory stay in the database, so nothing has to be purged for them.
                let told = state.index.learn(asked, keys, None, |_, _| true);
                too_often = too_often.or(told.map_err(Held::Full)?);
                state.index.unrecorded(asked, forgets)
            };
            if let Some(keys) = unrecorded {
                let mut carried: Vec<Key> = keys.iter().map(Key::of).collect();
                if asked.place != asked.url {
                    carried.push(Key::of(&asked.place));
                }
                let learning = shared.learn(asked.url.clone(), carried.into());
                // Not in time, or another page has its place.
                if !learning.await.is_ok_and(|is_there| is_there) {
                    return Err(Held::Unrecorded);
                }
                self.pages
                    .state
                    .lock()
                    .index
                    .recorded(asked, &keys, forgets);
            }
            let checking = shared.check(Arc::clone(&checked), self.since);
            let release = checking.await.map_err(|_| Held::Unrecorded)?;
            if release.is_purged {
                return Err(Held::Purged);
            }
            if release.forgets == forgets {
                // A purge that could not be written into the database is at least known here.
                if !self.pages.state.lock().lets_pass(self.start, asked, keys) {
                    return Err(Held::Purged);
                }
                let at = Instant::now();
                let is_noted = self.note_leaving(asked, &checked, release.number, at);
                let leave = is_noted.then_some(Leave { at, too_often });
                return leave.ok_or(Held::Unrecorded);
            }
        }
        Err(Held::Unrecorded)
    }

    /// Whether it, one of its keys or an area around it was purged by any process since the render began, or may have been.
    pub(crate) async fn is_purged_by_any(
        &self,
        shared: &SharedIndex,
        asked: &Asked,
        keys: &[Target],
    ) -> bool {
        let checked = shared.check(checked(asked, keys), self.since).await;
        checked.map_or(true, |release| release.is_purged)
    }

    /// Notes that the end of the page's body leaves.
    pub(super) fn leaves_recorded(&self, asked: &Asked, keys: &[Target]) {
        // What was purged since the head left is purged again anyway.
        self.note_leaving(asked, &checked(asked, keys), self.since, Instant::now());
    }

    fn note_leaving(&self, asked: &Asked, keys: &Arc<[Key]>, number: i64, now: Instant) -> bool {
        self.pages.released.note(&asked.url, keys, number, now)
    }
}

/// The keys by whose purges a page is kept out.
fn checked(asked: &Asked, keys: &[Target]) -> Arc<[Key]> {
    let areas = Area::marks_around(&asked.url);
    let all = keys.iter().chain([&asked.place]).chain(&areas);
    all.map(Key::of).collect()
}

impl Pages {
    /// The URLs that carry a tag, or are in an area, by the database, in no order.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub(crate) async fn recorded_of(
        &self,
        shared: &SharedIndex,
        target: &Target,
    ) -> Result<Vec<Target>, OutboxError> {
        let target = self.hosts.canonical(target);
        match Area::of(&target) {
            Some(area) => shared.pages_in(area.target()).await,
            None => shared.pages_of(&Key::of(&target)).await,
        }
    }

    /// The tags of a page by the database, under whatever spelling it carries them, sorted.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked.
    pub(crate) async fn recorded_tags_of(
        &self,
        shared: &SharedIndex,
        url: &Target,
    ) -> Result<Vec<Target>, OutboxError> {
        let asked = Asked::new(self.hosts.canonical(url).into_owned());
        let mut pages = shared.pages_of(&Key::of(&asked.place)).await?;
        pages.push(asked.place);
        let tags: HashSet<_> = shared.tags_of(&pages).await?.into_iter().collect();
        Ok(Target::sorted(tags))
    }
}
