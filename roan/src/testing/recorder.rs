//! A cache that records purges.

use std::sync::Arc;

use super::Purges;
use crate::base::lock::Mutex;
use crate::base::target::{Target, TargetKind};
use crate::purger::{Answer, Cache, Limits, PurgeRequest, Purger};

/// A cache with one node that records each purge and answers that the page is purged. It supports targets of all
/// kinds. Clones share their records.
///
/// Call [`Roan::flush`](crate::Roan::flush) before you read them. [`testing`](crate::testing) has an example.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    name: Option<Arc<str>>,
    purged: Arc<Mutex<Vec<Target>>>,
}

impl Recorder {
    /// Creates an empty recorder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty recorder with a name, for a test with several caches.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Returns the targets that were purged, each once.
    #[must_use]
    pub fn purges(&self) -> Purges {
        let mut targets = self.requests();
        targets.sort_by_key(ToString::to_string);
        targets.dedup();
        Purges::new(targets, Vec::new())
    }

    /// Returns every purge in the order of arrival, rebounds included.
    #[must_use]
    pub fn requests(&self) -> Vec<Target> {
        self.purged.lock().clone()
    }

    /// Deletes the records.
    pub fn clear(&self) {
        self.purged.lock().clear();
    }
}

impl Purger for Recorder {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        self.purged.lock().extend_from_slice(request.targets());
        Answer::purged().verified()
    }
}

impl From<Recorder> for Cache {
    fn from(recorder: Recorder) -> Self {
        let name = recorder.name.clone();
        Self::new(name.as_deref().unwrap_or("recorder"))
            .purges(TargetKind::ALL, Limits::new())
            .node("recorder", recorder)
    }
}
