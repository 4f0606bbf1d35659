//! What the web layer knows of the pages, as the dispatcher uses it. Without the layer it is what others know.

#[cfg(feature = "web")]
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[cfg(feature = "web")]
use crate::base::log::loudly;
use crate::base::on_the_way::Purged;
use crate::base::target::Target;
#[cfg(feature = "web")]
use crate::base::target::TargetKind;
#[cfg(all(feature = "web", feature = "_sql"))]
use crate::outbox::index::SharedIndex;
#[cfg(feature = "web")]
use crate::pages::Pages;
#[cfg(all(feature = "web", feature = "_sql"))]
use crate::pages::Released;

/// The pages of the web layer, if there is one.
#[derive(Default)]
pub(crate) struct KnownPages {
    #[cfg(feature = "web")]
    pages: Option<Arc<Pages>>,
    /// Whether some process records pages in the database of the outbox.
    recorded: AtomicBool,
}

#[cfg(feature = "web")]
impl KnownPages {
    pub(crate) fn new(pages: Arc<Pages>) -> Self {
        Self {
            pages: Some(pages),
            recorded: AtomicBool::new(false),
        }
    }

    /// Notes a purge: keeps out the pages that are being rendered, and returns the URLs under which caches may have what a
    /// target means: the spellings of a URL, and for the first cache that cannot purge its kind the pages that it means.
    pub(super) fn purge(&self, target: &Target, unable: Option<&str>) -> Purged {
        static TOLD: AtomicBool = AtomicBool::new(false);
        let Some(pages) = &self.pages else {
            return Purged::default();
        };
        let mut purged = pages.purge(target);
        let last = purged.stragglers.iter().map(|(_, due)| *due).max();
        // Together, so that the next cache is asked for the target a few times, and not once for each page.
        for (_, due) in &mut purged.stragglers {
            *due = last.unwrap_or(*due);
        }
        if target.kind() == TargetKind::Url {
            return purged;
        }
        let itself = last.map(|due| (target.clone(), due));
        let Some(cache) = unable else {
            return Purged {
                stragglers: itself.into_iter().collect(),
                ..Purged::default()
            };
        };
        // First, so that a cache that can purge it takes the pages along.
        purged.stragglers.splice(0..0, itself);
        if !self.are_recorded() && !pages.is_attached() && !TOLD.swap(true, Ordering::Relaxed) {
            loudly(format_args!(
                "{target} is purged, but {cache} cannot purge by {}, and no app is in the web layer, which would know the \
                 pages: write `router.layer(roan.web()?)`",
                target.kind()
            ));
        }
        purged
    }
}

#[cfg(not(feature = "web"))]
#[expect(clippy::unused_self, reason = "as with the web layer")]
impl KnownPages {
    pub(super) fn purge(&self, _target: &Target, _unable: Option<&str>) -> Purged {
        Purged::default()
    }
}

impl KnownPages {
    /// Whether a purge that was asked for at this time should find its page in each cache: not if the page was purged before
    /// and not rendered since, or never rendered. What other processes have rendered and purged is not known.
    pub(super) fn expect(&self, target: &Target, asked: Instant) -> bool {
        #[cfg(feature = "web")]
        if let Some(pages) = self.pages.as_ref().filter(|pages| pages.is_attached()) {
            return pages.expect(target, asked);
        }
        let _ = (target, asked);
        !self.are_recorded()
    }

    /// Whether caches that purge URLs alone can serve other kinds, because the pages that they mean are known.
    pub(super) fn are_any(&self) -> bool {
        self.has_layer() || self.are_recorded()
    }

    #[cfg_attr(
        not(feature = "web"),
        expect(clippy::unused_self, reason = "as with the web layer")
    )]
    fn has_layer(&self) -> bool {
        #[cfg(feature = "web")]
        let has_layer = self.pages.is_some();
        #[cfg(not(feature = "web"))]
        let has_layer = false;
        has_layer
    }

    pub(crate) fn are_recorded(&self) -> bool {
        self.recorded.load(Ordering::Acquire)
    }

    /// Some process records pages in the database.
    #[cfg(feature = "_sql")]
    pub(crate) fn note_recorded(&self) {
        self.recorded.store(true, Ordering::Release);
    }
}

/// The pages in the database of an outbox.
#[cfg(all(feature = "web", feature = "_sql"))]
impl KnownPages {
    /// The pages that this process renders, to be recorded in the database.
    pub(crate) fn pages(&self) -> Option<&Pages> {
        self.pages.as_deref()
    }

    fn shared(&self) -> Option<&SharedIndex> {
        self.pages()?.shared.get()
    }

    /// The relay has marked purges.
    pub(crate) fn marked(&self, number: i64) {
        if let Some(shared) = self.shared() {
            shared.marked(number);
        }
    }

    /// A look of the relay that began then has seen all purges up to this number.
    pub(crate) fn looked(&self, number: i64, began: Instant) {
        self.marked(number);
        if let Some(pages) = self.pages() {
            pages.released.looked(number, began);
        }
    }

    /// The pages that have left this process a short while ago, and the number of the last purge that it has seen.
    pub(crate) fn released(&self) -> Option<(&Released, i64)> {
        Some((&self.pages()?.released, self.shared()?.number()))
    }

    /// The number of URLs to remember, and the number of URLs with one tag beyond which that is logged.
    pub(crate) fn limits(&self) -> Option<(usize, usize)> {
        let limits = &self.pages()?.limits;
        Some((limits.pages, limits.pages_of_a_key))
    }
}

#[cfg(all(not(feature = "web"), feature = "_sql"))]
#[expect(clippy::unused_self, reason = "as with the web layer")]
impl KnownPages {
    pub(crate) fn marked(&self, _number: i64) {}

    pub(crate) fn looked(&self, _number: i64, _began: Instant) {}

    pub(crate) fn limits(&self) -> Option<(usize, usize)> {
        None
    }
}
