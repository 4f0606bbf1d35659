//! What the handles ask of the dispatcher's thread.

use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::oneshot;

use super::stats::Left;

/// See the module.
pub(super) enum Order {
    /// Answer once nothing waits, or at the deadline.
    Flush(Flush),
    /// Report what waits as abandoned, and end.
    End { reply: oneshot::Sender<Left> },
    /// End as soon as nothing waits: the last handle is gone.
    Close,
    /// Do this then; sooner, if the dispatcher ends before.
    #[cfg_attr(
        not(any(feature = "diesel", feature = "sea-orm")),
        expect(dead_code, reason = "hooks of these libraries ask for it")
    )]
    Later(Later),
}

/// Something to do at a time, if nobody has made it needless before.
pub(super) struct Later {
    pub(super) due: Instant,
    /// Gone when it is needless.
    pub(super) needed: Weak<()>,
    pub(super) work: Box<dyn FnOnce() + Send>,
}

/// Somebody waits until nothing waits.
pub(super) struct Flush {
    pub(super) deadline: Instant,
    /// Whether rebounds are waited for, too.
    pub(super) rebounds: bool,
    /// The number of a look into the database, for this.
    pub(super) look: Option<u64>,
    pub(super) reply: oneshot::Sender<Left>,
}

impl Order {
    /// Answers the order, if it wants an answer. Whoever gave it may have gone.
    pub(super) fn answer(self, left: &Left) {
        if let Self::Flush(Flush { reply, .. }) | Self::End { reply } = self {
            let _ = reply.send(left.clone());
        }
    }
}

/// Orders that the thread has not seen.
pub(super) struct Orders(Mutex<State>);

enum State {
    Taken(Vec<Order>),
    /// The thread has ended, and this was left.
    Ended(Left),
}

impl Orders {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State::Taken(Vec::new())))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After the end the order is answered at once.
    pub(super) fn push(&self, order: Order) {
        match &mut *self.lock() {
            State::Taken(orders) => orders.push(order),
            State::Ended(left) => order.answer(left),
        }
    }

    pub(super) fn take(&self) -> Vec<Order> {
        match &mut *self.lock() {
            State::Taken(orders) => std::mem::take(orders),
            State::Ended(_) => Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match &*self.lock() {
            State::Taken(orders) => orders.is_empty(),
            State::Ended(_) => true,
        }
    }

    /// Answers what was not seen, and from now on everything at once. Does nothing the second time.
    pub(super) fn close(&self, left: Left) {
        let mut state = self.lock();
        if let State::Taken(orders) = &mut *state {
            for order in std::mem::take(orders) {
                order.answer(&left);
            }
            *state = State::Ended(left);
        }
    }
}
