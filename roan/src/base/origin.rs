//! The writes that a waiting purge is for, as spans of `tracing`: for the links of the requests.
//!
//! A hook makes a span for each of its targets, if somebody listens, and links it to the span in which the program writes.
//! That one ends with the program's own work, and cannot be linked to later. The span of the hook ends when the last node
//! has answered for it.
//!
//! What comes from a durable outbox has none: its hook may have been called in another process. It has the trace of the
//! [history](super::history) if that is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::spans::{Tracked, are_heard, tracked};
use super::target::TargetRef;

/// Not more than so many spans are open: each takes a kilobyte or so of the subscriber's memory. Further hooks have none.
const MOST_OPEN: usize = 10_000;

/// A purge is linked to so many writes. Those that come after them, while it waits, are not.
const MOST_LINKS: usize = 16;

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// The span of one target of a write.
#[derive(Debug)]
pub(crate) struct Write(Tracked);

impl Write {
    /// For a hook that is called now.
    fn of_hook(target: TargetRef<'_>) -> Option<Self> {
        if OPEN.fetch_add(1, Ordering::Relaxed) >= MOST_OPEN {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let span = tracked!(
            // It would keep its parent open until the purge is answered.
            parent: None,
            tracing::Level::DEBUG,
            "send",
            otel.kind = "producer",
            messaging.system = "roan",
            messaging.operation.name = "send",
            messaging.operation.type = "send",
            roan.target = %target.to_target().shown(),
        );
        span.follows_current();
        Some(Self(span))
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The writes of one target. Mostly none.
#[derive(Debug, Clone, Default)]
#[allow(
    clippy::box_collection,
    reason = "each target that waits has one, and a `Vec` is three times as large"
)]
pub(crate) struct Origin(Option<Box<Vec<Arc<Write>>>>);

impl Origin {
    /// Of a hook that is called now. If nobody listens to spans, this takes a nanosecond.
    pub(crate) fn of_hook(target: TargetRef<'_>) -> Self {
        if !are_heard() {
            return Self::default();
        }
        let write = Write::of_hook(target).filter(|write| !write.0.is_none());
        Self(write.map(|write| Box::new(vec![Arc::new(write)])))
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Adds those of another purge of the same target. Nothing is dropped, so it may be called under a lock.
    pub(crate) fn add(&mut self, other: &Self) {
        let Some(writes) = &other.0 else { return };
        let known = self.0.get_or_insert_default();
        let room = MOST_LINKS.saturating_sub(known.len());
        for write in writes.iter().take(room) {
            if !known.iter().any(|other| Arc::ptr_eq(other, write)) {
                known.push(Arc::clone(write));
            }
        }
    }

    fn writes(&self) -> impl Iterator<Item = &Write> {
        self.0
            .iter()
            .flat_map(|writes| writes.iter())
            .map(|write| &**write)
    }

    /// Links a span to the writes.
    pub(crate) fn link(&self, span: &Tracked) {
        for write in self.writes() {
            span.follows(&write.0);
        }
    }
}
