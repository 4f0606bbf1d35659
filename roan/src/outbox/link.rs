//! What hooks, handles and the dispatcher's thread share with the relay.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::request::Request;
use super::{OutboxError, Scribe};

/// See the module.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) scribe: Scribe,
    /// A write is on its way; when it commits is not known.
    expected: AtomicBool,
    /// Rows may be there that were not seen.
    poked: AtomicBool,
    stopping: AtomicBool,
    /// Looks into the database that somebody waits for, and the last of them that was made.
    looks_wanted: AtomicU64,
    looks_made: AtomicU64,
    /// Rows that waited at that look.
    waiting: AtomicU64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<Request>,
    ended: bool,
    /// Why the database cannot be used, while it cannot.
    trouble: Option<OutboxError>,
}

impl Link {
    pub(crate) fn new(scribe: Scribe) -> Self {
        Self {
            scribe,
            expected: AtomicBool::new(false),
            poked: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            looks_wanted: AtomicU64::new(0),
            looks_made: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a row is about to be committed.
    pub(crate) fn expect(&self) {
        if !self.expected.swap(true, Ordering::AcqRel) {
            self.changed.notify_one();
        }
    }

    /// Says that a row was committed.
    pub(crate) fn poke(&self) {
        if !self.poked.swap(true, Ordering::AcqRel) {
            self.changed.notify_one();
        }
    }

    pub(crate) fn is_expected(&self) -> bool {
        self.expected.load(Ordering::Acquire)
    }

    /// From now on a write wakes the relay again.
    pub(crate) fn forget_expected(&self) {
        self.expected.store(false, Ordering::Release);
    }

    pub(crate) fn take_poked(&self) -> bool {
        self.poked.swap(false, Ordering::AcqRel)
    }

    /// Asks for a look, and returns its number.
    pub(crate) fn want_look(&self) -> u64 {
        let number = self.looks_wanted.fetch_add(1, Ordering::AcqRel) + 1;
        self.changed.notify_one();
        number
    }

    pub(crate) fn wanted_look(&self) -> Option<u64> {
        let wanted = self.looks_wanted.load(Ordering::Acquire);
        (wanted > self.looks_made.load(Ordering::Acquire)).then_some(wanted)
    }

    pub(crate) fn looked(&self, number: u64, waiting: u64) {
        self.waiting.store(waiting, Ordering::Release);
        self.looks_made.store(number, Ordering::Release);
    }

    /// How many rows waited at that look or a later one; `None` when it was not made yet.
    pub(crate) fn waiting_at(&self, number: u64) -> Option<u64> {
        (self.looks_made.load(Ordering::Acquire) >= number)
            .then(|| self.waiting.load(Ordering::Acquire))
    }

    pub(crate) fn request(&self, request: Request) {
        let mut state = self.lock();
        if state.ended {
            return request.refuse(OutboxError::Unavailable("the dispatcher has ended"));
        }
        if let Some(trouble) = &state.trouble {
            return request.refuse(trouble.clone());
        }
        state.requests.push(request);
        drop(state);
        self.changed.notify_one();
    }

    pub(crate) fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.lock().requests)
    }

    /// From now on, and until it is `None`, requests are refused for this reason.
    pub(crate) fn set_trouble(&self, trouble: Option<OutboxError>) {
        let mut state = self.lock();
        if let Some(trouble) = &trouble {
            for request in std::mem::take(&mut state.requests) {
                request.refuse(trouble.clone());
            }
        }
        state.trouble = trouble;
    }

    pub(crate) fn current_error(&self) -> Option<OutboxError> {
        self.lock().trouble.clone()
    }

    /// Tells the relay to write down what is done, give back the rest and end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Nobody is there any more to answer.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        for request in std::mem::take(&mut state.requests) {
            request.refuse(OutboxError::Unavailable("the dispatcher has ended"));
        }
    }

    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
