//! A page whose head has left, and that caches may store when its body has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;

use super::WebLayer;
use super::page::Page;
use crate::base::history::{Because, By};
use crate::base::target::{Target, TargetRef};
use crate::pages::{Asked, Render};

/// What is to be done before the end of a body leaves.
pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A page whose head has left. Until it is dropped, the fence knows its render.
///
/// The head was checked against the purges until then. A purge that came since and its rebound may both have come before
/// the cache stores the page, so the page is checked again when its body ends.
pub(super) struct Sent(Option<Open>);

struct Open {
    layer: WebLayer,
    page: Page,
    render: Render,
    asked: Asked,
    keys: Arc<[Target]>,
    since: Instant,
}

impl Sent {
    /// `since`: when the head leaves.
    pub(super) fn new(
        layer: WebLayer,
        page: Page,
        render: Render,
        asked: Asked,
        keys: Arc<[Target]>,
        since: Instant,
    ) -> Self {
        Self(Some(Open {
            layer,
            page,
            render,
            asked,
            keys,
            since,
        }))
    }

    /// The body is complete, and its end may leave after this work. It is purged from then on if it is stale or lacks a tag.
    pub(super) fn end(&mut self) -> Option<Work> {
        self.0.take()?.end()
    }

    /// The body has failed. A server that does not know its length, such as nginx with HTTP/1.0, takes it for complete.
    pub(super) fn break_off(&mut self) {
        if let Some(open) = self.0.take() {
            open.page.is_over(&open.layer, &open.asked.url);
            open.render.leaves(&open.asked, &open.keys);
            open.layer.purge_again(&open.asked.url);
        }
    }
}

/// The visitor has gone, or the server knows by the length that the body is complete.
impl Drop for Sent {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let runtime = Handle::try_current();
        let url = runtime.is_err().then(|| open.asked.url.clone());
        let layer = open.layer.clone();
        if let Some(work) = open.end() {
            match (runtime, url) {
                (Ok(runtime), _) => drop(runtime.spawn(work)),
                (Err(_), Some(url)) => layer.purge_again(&url),
                (Err(_), None) => {}
            }
        }
    }
}

impl Open {
    fn end(self) -> Option<Work> {
        let is_late = self.page.is_over(&self.layer, &self.asked.url);
        if !is_late && self.is_before_rebound() {
            return None;
        }
        self.render.leaves(&self.asked, &self.keys);
        #[cfg(feature = "_sql")]
        if self.layer.pages().shared.get().is_some() {
            return Some(Box::pin(self.end_recorded(is_late)));
        }
        if is_late || self.render.is_purged(&self.asked, &self.keys) {
            self.layer.purge_again(&self.asked.url);
        }
        None
    }

    /// Whether the rebound of each purge since the head is still to come.
    fn is_before_rebound(&self) -> bool {
        let rebound = self.layer.rebound();
        rebound.is_some_and(|rebound| 2 * self.since.elapsed() <= rebound)
    }

    /// The row of the purge is there before the end of the body, so that a crash between the two loses neither.
    #[cfg(feature = "_sql")]
    async fn end_recorded(self, is_late: bool) {
        let (pages, url) = (self.layer.pages(), &self.asked.url);
        let Some(shared) = pages.shared.get() else {
            return;
        };
        let (asked, keys) = (&self.asked, &self.keys);
        let is_stale = is_late
            || self.render.is_purged(asked, keys)
            || self.render.is_purged_by_any(shared, asked, keys).await;
        if !is_stale {
            return;
        }
        match shared.purge(url.clone()).await {
            Ok(()) => drop(self.layer.engine().want_look()),
            // Its reason was logged.
            Err(_) => self.layer.purge_again(url),
        }
    }
}

impl WebLayer {
    /// Purges a page that a cache has stored meanwhile, or is about to.
    pub(super) fn purge_again(&self, url: &Target) {
        let because = Because::Of(By::Unknown);
        self.engine().put(TargetRef::from(url), because);
    }
}
