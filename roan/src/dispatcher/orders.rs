//! What the handles ask of the dispatcher's thread.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::stats::Left;

/// See the module.
pub(super) enum Order {
    /// Answer once nothing waits, or at the deadline.
    Flush {
        deadline: Instant,
        /// Whether rebounds are waited for, too.
        rebounds: bool,
        reply: oneshot::Sender<Left>,
    },
    /// Report what waits as abandoned, and end.
    End { reply: oneshot::Sender<Left> },
    /// End as soon as nothing waits: the last handle is gone.
    Close,
}

/// Orders that the thread has not seen; `None` once it has ended.
pub(super) struct Orders(Mutex<Option<Vec<Order>>>);

impl Orders {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Order>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After the end the order is dropped, and whoever waits for its reply learns so.
    pub(super) fn push(&self, order: Order) {
        if let Some(orders) = self.lock().as_mut() {
            orders.push(order);
        }
    }

    pub(super) fn take(&self) -> Vec<Order> {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().as_ref().is_none_or(Vec::is_empty)
    }

    pub(super) fn close(&self) {
        *self.lock() = None;
    }
}
