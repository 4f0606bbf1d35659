//! What the web layer knows of the pages, as the dispatcher uses it. Without the layer it is nothing.

#[cfg(feature = "web")]
use std::sync::Arc;
#[cfg(feature = "web")]
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "web")]
use crate::base::log::loudly;
use crate::base::target::Target;
#[cfg(feature = "web")]
use crate::base::target::TargetKind;
#[cfg(feature = "web")]
use crate::pages::Pages;

/// The pages of the web layer, if there is one.
#[derive(Default)]
pub(crate) struct KnownPages {
    #[cfg(feature = "web")]
    pages: Option<Arc<Pages>>,
}

#[cfg(feature = "web")]
impl KnownPages {
    pub(crate) fn new(pages: Arc<Pages>) -> Self {
        Self { pages: Some(pages) }
    }

    /// Whether caches without tags can serve tags, because the pages that carry them are known.
    pub(super) fn serve_tags(&self) -> bool {
        self.pages.is_some()
    }

    /// Keeps out the pages that are being rendered, and returns the URLs under which caches may have what a target means:
    /// the spellings of a URL, and for the first cache without tags the pages that carry a tag.
    pub(super) fn urls(&self, target: &Target, without_tags: Option<&str>) -> Vec<Target> {
        static TOLD: AtomicBool = AtomicBool::new(false);
        let Some(pages) = &self.pages else {
            return Vec::new();
        };
        let urls = pages.purge(target);
        match (target.kind(), without_tags) {
            (TargetKind::Url, _) => return urls,
            (TargetKind::Tag, None) => return Vec::new(),
            (TargetKind::Tag, Some(cache)) => {
                if !pages.is_attached() && !TOLD.swap(true, Ordering::Relaxed) {
                    loudly(format_args!(
                        "{target} is purged, but {cache} does not know tags, and no app is in the web layer, which would \
                         know the pages: write `router.layer(roan.web()?)`"
                    ));
                }
            }
        }
        urls
    }

    /// Keeps out the pages that are being rendered of what is sent to one node again.
    #[cfg(feature = "_sql")]
    pub(super) fn sent_again(&self, target: &Target) {
        if let Some(pages) = &self.pages {
            pages.purge_again(target);
        }
    }
}

#[cfg(not(feature = "web"))]
#[expect(clippy::unused_self, reason = "as with the web layer")]
impl KnownPages {
    pub(super) fn serve_tags(&self) -> bool {
        false
    }

    pub(super) fn urls(&self, _target: &Target, _without_tags: Option<&str>) -> Vec<Target> {
        Vec::new()
    }

    #[cfg(feature = "_sql")]
    pub(super) fn sent_again(&self, _target: &Target) {}
}
