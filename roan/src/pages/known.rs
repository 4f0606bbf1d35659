//! The pages of a dispatcher: what is being rendered, what was purged meanwhile, and what caches may have.

use std::sync::Arc;
#[cfg(feature = "_sql")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::asked::Asked;
use super::fence::{Fence, Start};
use super::index::{Full, Index, Limits};
#[cfg(feature = "_sql")]
use super::released::Released;
use super::sites::Hosts;
use crate::base::area::Area;
use crate::base::lock::Mutex;
use crate::base::on_the_way::Purged;
use crate::base::target::{Target, TargetError, TargetKind};
#[cfg(feature = "_sql")]
use crate::outbox::index::SharedIndex;

/// Shared by the layer, which renders, and the dispatcher, which purges.
pub(crate) struct Pages {
    pub(crate) hosts: Hosts,
    pub(super) state: Mutex<State>,
    /// Whether a service was wrapped in the layer.
    pub(crate) attached: AtomicBool,
    #[cfg(feature = "_sql")]
    pub(crate) limits: Limits,
    /// Index and fence of all processes, in the database of the outbox. It is set before the first render.
    #[cfg(feature = "_sql")]
    pub(crate) shared: OnceLock<SharedIndex>,
    /// With that, the pages that may still be on their way.
    #[cfg(feature = "_sql")]
    pub(crate) released: Released,
}

pub(super) struct State {
    pub(super) fence: Fence<Target>,
    pub(super) index: Index,
}

impl State {
    /// Whether neither the page, nor one of its keys, nor an area around it was purged since.
    pub(super) fn lets_pass(&self, start: Start, asked: &Asked, keys: &[Target]) -> bool {
        let own = keys.iter().chain([&asked.place]);
        self.fence.lets_pass(start, own)
            && (!self.fence.saw_area(start)
                || self.fence.lets_pass(start, &Area::marks_around(&asked.url)))
    }
}

/// A page that caches may store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leave {
    /// When it leaves.
    pub(crate) at: Instant,
    /// A key that is on too many pages now.
    pub(crate) too_often: Option<Target>,
}

/// Why a page must not enter a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// It, one of its keys or an area around it was purged after its render began.
    Purged,
    Full(Full),
    /// The database did not say in time that it has the page, and that nothing of it was purged.
    #[cfg(feature = "_sql")]
    Unrecorded,
}

impl Pages {
    pub(crate) fn new(hosts: Hosts, limits: &Limits) -> Self {
        Self {
            hosts,
            state: Mutex::new(State {
                fence: Fence::default(),
                index: Index::new(limits.clone()),
            }),
            attached: AtomicBool::new(false),
            #[cfg(feature = "_sql")]
            limits: limits.clone(),
            #[cfg(feature = "_sql")]
            shared: OnceLock::new(),
            #[cfg(feature = "_sql")]
            released: Released::default(),
        }
    }

    /// Begins a render. Call it before the request reaches the app. It ends with the drop.
    pub(crate) fn begin(self: &Arc<Self>) -> Render {
        Render {
            start: self.state.lock().fence.begin(),
            #[cfg(feature = "_sql")]
            since: self.shared.get().map_or(0, SharedIndex::number),
            pages: Arc::clone(self),
        }
    }

    /// Keeps out the renders that are under way of what is purged from now on, and returns the URLs that show it, as far
    /// as they were asked for: the spellings of a URL, the pages that carry a tag, or those in an area. Call it before the
    /// purge is sent.
    pub(crate) fn purge(&self, target: &Target) -> Purged {
        let target = self.hosts.canonical(target);
        if let Some(area) = Area::of(&target) {
            let mut state = self.state.lock();
            state.fence.purge_area(&area.mark());
            return state.index.purge_area(&area);
        }
        let mut state = self.state.lock();
        if target.kind() == TargetKind::Url {
            let asked = Asked::new(target.into_owned());
            state.fence.purge(&asked.place);
            state.index.purge_spellings(&asked)
        } else {
            state.fence.purge(&target);
            state.index.purge_key(&target)
        }
    }

    /// Whether the page was released to caches, and this is the first purge since, asked for at this time.
    pub(crate) fn expect(&self, url: &Target, asked: Instant) -> bool {
        self.state
            .lock()
            .index
            .expect(&self.hosts.canonical(url), asked)
    }

    /// The page of a URL that was asked for at a site.
    ///
    /// # Errors
    ///
    /// If it is a URL that cannot be purged.
    pub(crate) fn asked(url: &str, site: Option<&str>) -> Result<Asked, TargetError> {
        let url = Target::url(url)?;
        Ok(Asked::new(match site {
            Some(site) => url.at_site(site),
            None => url,
        }))
    }

    /// The URLs that carry a tag, or are in an area.
    pub(crate) fn of(&self, target: &Target) -> Vec<Target> {
        let target = self.hosts.canonical(target);
        match Area::of(&target) {
            Some(area) => self.state.lock().index.of_area(&area),
            None => self.state.lock().index.of_key(&target),
        }
    }

    /// The tags of a page, under whatever spelling it carries them.
    pub(crate) fn tags_of(&self, url: &Target) -> Vec<Target> {
        let url = self.hosts.canonical(url).into_owned();
        self.state.lock().index.keys_of(&Asked::new(url))
    }

    /// What the page under this URL is known to carry, if it is that.
    pub(crate) fn known_keys(
        &self,
        asked: &Asked,
        is: impl FnOnce(&[Target]) -> bool,
    ) -> Option<Arc<[Target]>> {
        let state = self.state.lock();
        let keys = state.index.keys(asked)?;
        is(keys).then(|| Arc::clone(keys))
    }

    /// The number of URLs in the index.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().index.len()
    }

    pub(crate) fn is_attached(&self) -> bool {
        self.attached.load(Ordering::Relaxed)
    }
}

/// A page that is being rendered.
pub(crate) struct Render {
    pub(super) pages: Arc<Pages>,
    pub(super) start: Start,
    /// The last purge of any process that this one had seen.
    #[cfg(feature = "_sql")]
    pub(super) since: i64,
}

impl Render {
    /// Notes that caches may store the page from now on, with these keys, each at the one site of its host. `purge` queues the
    /// purge of a page that is forgotten for it, and may be on its way until a time.
    ///
    /// With an outbox it waits until what is noted would survive the program. The fence is asked after that, so that nothing
    /// can be purged between the two.
    ///
    /// # Errors
    ///
    /// Why no cache may store the page.
    #[cfg_attr(
        not(feature = "_sql"),
        expect(
            clippy::unused_async,
            reason = "an index in a database is waited for here"
        )
    )]
    pub(crate) async fn release(
        &self,
        asked: &Asked,
        keys: &Arc<[Target]>,
        purge: impl FnMut(&Target, Option<Instant>) -> bool,
    ) -> Result<Leave, Held> {
        #[cfg(feature = "_sql")]
        if let Some(shared) = self.pages.shared.get() {
            return self.release_recorded(shared, asked, keys).await;
        }
        let mut state = self.pages.state.lock();
        if !state.lets_pass(self.start, asked, keys) {
            return Err(Held::Purged);
        }
        let at = Instant::now();
        let learned = state.index.learn(asked, keys, Some(at), purge);
        let too_often = learned.map_err(Held::Full)?;
        Ok(Leave { at, too_often })
    }

    /// Notes that the end of the page's body leaves now.
    pub(crate) fn leaves(&self, asked: &Asked, keys: &[Target]) {
        #[cfg(feature = "_sql")]
        if self.pages.shared.get().is_some() {
            return self.leaves_recorded(asked, keys);
        }
        let _ = keys;
        self.pages.state.lock().index.leaves(asked, Instant::now());
    }

    /// Whether it, one of its keys or an area around it was purged since the render began, as far as this process knows.
    pub(crate) fn is_purged(&self, asked: &Asked, keys: &[Target]) -> bool {
        !self.pages.state.lock().lets_pass(self.start, asked, keys)
    }
}

impl Drop for Render {
    fn drop(&mut self) {
        self.pages.state.lock().fence.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::on_the_way::ON_THE_WAY;

    fn pages() -> Arc<Pages> {
        let default = "www.example.org".parse().unwrap();
        let shop = ("shop".to_owned(), "shop.example.org".parse().unwrap());
        let hosts = Hosts::new(Some(&default), [(&shop.0, &shop.1)].into_iter());
        let limits = Limits {
            pages: 100,
            spellings: 10,
            keys: 10,
            pages_of_a_key: 10,
        };
        Arc::new(Pages::new(hosts, &limits))
    }

    fn url(text: &str) -> Target {
        Target::url(text).unwrap()
    }

    fn prefix(text: &str) -> Target {
        Target::prefix(text).unwrap()
    }

    fn tag(text: &str) -> Target {
        Target::tag(text).unwrap()
    }

    async fn release(render: &Render, url: &str, keys: &[Target]) -> Result<(), Held> {
        let asked = Pages::asked(url, None).unwrap();
        let keys = &keys.into();
        render.release(&asked, keys, |_, _| true).await.map(|_| ())
    }

    #[tokio::test]
    async fn a_page_that_was_purged_while_it_was_rendered_is_not_learned() {
        let pages = pages();
        for purge in [url("/a"), tag("x"), url("/a?q=1"), prefix("/a/")] {
            let before = pages.begin();
            assert!(pages.purge(&purge).urls.is_empty());
            let after = pages.begin();
            let spelling = "//a/?q=1";
            let held = release(&before, spelling, &[tag("x")]).await;
            assert_eq!(held, Err(Held::Purged), "{purge}");
            assert_eq!(pages.of(&tag("x")), []);
            assert_eq!(release(&before, "/b", &[tag("y")]).await, Ok(()));
            assert_eq!(release(&after, spelling, &[tag("x")]).await, Ok(()));
            assert_eq!(pages.purge(&purge).urls, [url(spelling)], "{purge}");
            drop((before, after));
            pages.state.lock().index = Index::new(Limits {
                pages: 100,
                spellings: 10,
                keys: 10,
                pages_of_a_key: 10,
            });
        }
    }

    #[tokio::test]
    async fn a_purge_of_an_area_keeps_out_what_is_in_it_alone() {
        let pages = pages();
        let before = pages.begin();
        pages.purge(&prefix("/docs/v1/"));
        pages.purge(&Target::host().at_site("shop"));
        for (url, held) in [
            ("/docs/v1/", true),
            ("/docs//v1/a?x", true),
            ("/docs/v1", false),
            ("/docs/v10/a", false),
            ("/", false),
        ] {
            let released = release(&before, url, &[]).await;
            assert_eq!(released.is_err(), held, "{url}");
        }
        let at_shop = Pages::asked("/", Some("shop")).unwrap();
        let held = before.release(&at_shop, &Arc::from([]), |_, _| true).await;
        assert_eq!(held, Err(Held::Purged));
        let after = pages.begin();
        assert_eq!(release(&after, "/docs/v1/a", &[]).await, Ok(()));
        // A prefix of more folders than a page looks for.
        let deep = "/x".repeat(40);
        pages.purge(&prefix(&format!("{deep}/")));
        let held = release(&after, &format!("{deep}/y"), &[]).await;
        assert_eq!(held, Err(Held::Purged));
    }

    #[tokio::test]
    async fn an_area_reaches_the_pages_in_it() {
        let pages = pages();
        let render = pages.begin();
        let shop = url("/docs/v1/a").at_site("shop");
        for asked in [
            "/docs/v1/a",
            "/docs/v1/?x=1",
            "/docs/v1/",
            "//docs/v1//b",
            "/docs/v1",
            "/docs/v1-2/a",
            "/docs/v10/a",
            "/docs",
            "/e",
        ] {
            release(&render, asked, &[tag("x")]).await.unwrap();
        }
        let at_shop = Pages::asked("/docs/v1/a", Some("shop")).unwrap();
        let released = render.release(&at_shop, &Arc::from([]), |_, _| true).await;
        assert!(released.is_ok_and(|leave| leave.too_often.is_none()));
        let purged = |target: &Target| {
            let known = Target::sorted(pages.of(target));
            let purged = Target::sorted(pages.purge(target).urls);
            assert_eq!(known, purged);
            purged
        };
        assert_eq!(
            purged(&prefix("/docs/v1/")),
            [
                url("//docs/v1//b"),
                url("/docs/v1/"),
                url("/docs/v1/?x=1"),
                url("/docs/v1/a"),
            ]
        );
        assert_eq!(purged(&prefix("/docs/")).len(), 7);
        assert_eq!(
            purged(&prefix("/docs/").at_site("shop")),
            std::slice::from_ref(&shop)
        );
        assert!(purged(&prefix("/e/")).is_empty());
        assert_eq!(purged(&Target::host()).len(), 9);
        assert_eq!(purged(&Target::host().at_site("shop")), [shop]);
        assert_eq!(purged(&Target::everything()).len(), 10);
    }

    #[tokio::test]
    async fn a_tag_reaches_the_pages_of_every_site() {
        let pages = pages();
        let render = pages.begin();
        let asked = Pages::asked("/a", Some("shop")).unwrap();
        let released = render
            .release(&asked, &Arc::from([tag("x")]), |_, _| true)
            .await;
        assert!(released.is_ok_and(|leave| leave.too_often.is_none()));
        assert_eq!(pages.purge(&tag("x")).urls, [url("/a").at_site("shop")]);
        assert!(pages.purge(&url("/a")).urls.is_empty());
        assert_eq!(
            pages.purge(&url("/a").at_site("shop")).urls,
            [url("/a").at_site("shop")]
        );
    }

    #[tokio::test]
    async fn a_page_that_has_just_left_may_be_on_its_way_to_its_cache_when_it_is_purged() {
        for purge in [url("/a"), tag("x"), Target::host(), Target::everything()] {
            let pages = pages();
            let render = pages.begin();
            let before = Instant::now();
            release(&render, "/a?utm_source=x", &[tag("x")])
                .await
                .unwrap();
            let after = Instant::now();
            let purged = pages.purge(&purge);
            let [(straggler, due)] = &purged.stragglers[..] else {
                panic!("{purge}: {purged:?}");
            };
            assert_eq!(*straggler, url("/a?utm_source=x"));
            assert!((before + ON_THE_WAY..=after + ON_THE_WAY).contains(due));
            // One that was held has not left.
            let held = release(&render, "/a", &[tag("x")]).await;
            assert_eq!(held, Err(Held::Purged));
            assert_eq!(pages.purge(&purge).stragglers.len(), 1);
        }
    }
}
