//! A cache that notes what it is asked to purge.

use std::sync::{Arc, Mutex, PoisonError};

use super::Purges;
use crate::base::target::Target;
use crate::purger::{Answer, Cache, PurgeRequest, Purger};

/// A cache of one node that notes each purge and answers that the page is gone. It knows tags.
/// Clones share their notes.
///
/// Wait with [`Roan::flush`](crate::Roan::flush) before you look at them. See [`Roan`](crate::Roan)
/// for an example.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    name: Option<Arc<str>>,
    purged: Arc<Mutex<Vec<Target>>>,
}

impl Recorder {
    /// With no notes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With no notes, and under a name of its own, for a test with several caches.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// The targets that were purged, each once.
    #[must_use]
    pub fn purges(&self) -> Purges {
        let mut targets = self.requests();
        targets.sort_by_key(ToString::to_string);
        targets.dedup();
        Purges::new((targets, Vec::new()))
    }

    /// Every purge, in the order in which they came, rebounds included.
    #[must_use]
    pub fn requests(&self) -> Vec<Target> {
        self.purged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Forgets what was purged.
    pub fn clear(&self) {
        self.purged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

impl Purger for Recorder {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        self.purged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request.target().clone());
        Answer::purged().verified()
    }
}

impl From<Recorder> for Cache {
    fn from(recorder: Recorder) -> Self {
        let name = recorder.name.clone();
        Self::new(name.as_deref().unwrap_or("recorder"))
            .purges_tags()
            .node("recorder", recorder)
    }
}
