//! The state that hooks, handles and the dispatcher's thread share with the relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use super::trigger_settings::TriggerError;
use super::{Admin, OutboxError, Scribe};
use crate::base::history::Unmarked;
use crate::base::lock::Mutex;
use crate::base::log::loudly_at_times;

/// The state that is shared with the relay.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) scribe: Scribe,
    /// For requests of the program, which must not keep the relay from its work.
    pub(crate) admin: Arc<Admin>,
    /// Such a request has put rows back into the queue.
    renewed: AtomicBool,
    /// A write has begun; the time of its commit is unknown.
    expected: AtomicBool,
    /// There may be rows that the relay has not seen.
    poked: AtomicBool,
    stopping: AtomicBool,
    /// The number of the last look that a caller waits for, and of the last look that was made.
    looks_wanted: AtomicU64,
    looks_made: AtomicU64,
    /// The number of rows that waited at that look.
    waiting: AtomicU64,
    state: Mutex<State>,
    changed: Notify,
}

/// The number of purges that may wait to be marked. Further ones are sent at once.
const UNMARKED: usize = 100_000;

#[derive(Debug, Default)]
struct State {
    ended: bool,
    /// The error of the database, while it cannot be used.
    trouble: Option<OutboxError>,
    /// What the last look at the triggers has found.
    trigger_errors: Vec<TriggerError>,
    /// Purges that are not in the outbox, and are marked before they are sent.
    unmarked: Vec<Unmarked>,
    /// The number of those for which there was no room.
    sent_unmarked: u64,
}

impl Link {
    pub(crate) fn new(scribe: Scribe, admin: Admin) -> Self {
        Self {
            scribe,
            admin: Arc::new(admin),
            renewed: AtomicBool::new(false),
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

    /// Announces a row that will be committed soon.
    pub(crate) fn expect(&self) {
        if !self.expected.swap(true, Ordering::AcqRel) {
            self.changed.notify_one();
        }
    }

    /// Announces a row that was committed.
    pub(crate) fn poke(&self) {
        if !self.poked.swap(true, Ordering::AcqRel) {
            self.changed.notify_one();
        }
    }

    pub(crate) fn is_expected(&self) -> bool {
        self.expected.load(Ordering::Acquire)
    }

    /// Lets writes wake the relay again.
    pub(crate) fn forget_expected(&self) {
        self.expected.store(false, Ordering::Release);
    }

    pub(crate) fn take_poked(&self) -> bool {
        self.poked.swap(false, Ordering::AcqRel)
    }

    /// Requests a look, and returns its number.
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

    /// The number of rows that waited at that look or a later one. `None` before that look.
    pub(crate) fn waiting_at(&self, number: u64) -> Option<u64> {
        (self.looks_made.load(Ordering::Acquire) >= number)
            .then(|| self.waiting.load(Ordering::Acquire))
    }

    /// Announces rows that are in the queue again, or a node that was paused or resumed.
    pub(crate) fn renew(&self) {
        self.renewed.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    pub(crate) fn take_renewed(&self) -> bool {
        self.renewed.swap(false, Ordering::AcqRel)
    }

    /// Sets the error with which requests are refused. `None` accepts requests again.
    pub(crate) fn set_trouble(&self, trouble: Option<OutboxError>) {
        self.state.lock().trouble = trouble;
    }

    /// Takes a purge that is not in the outbox, for the relay to mark and send. Returns it if it is to be sent at once: while
    /// the database cannot be used. It is then sent once more when that can be used, to pages that only the database knows.
    pub(crate) fn mark_first(&self, purge: Unmarked) -> Option<Unmarked> {
        let mut state = self.state.lock();
        if state.ended {
            return Some(purge);
        }
        if state.unmarked.len() >= UNMARKED {
            state.sent_unmarked += 1;
            let count = state.sent_unmarked;
            drop(state);
            let target = &purge.target;
            loudly_at_times(
                count,
                format_args!(
                    "{} is sent without a mark in the database (number {count}), because too many purges wait for the \
                     database: other processes may store a stale page",
                    target.shown()
                ),
                || tracing::error!(target: "roan", %target, "sent without a mark in the database"),
            );
            return Some(purge);
        }
        let at_once = state.trouble.is_some().then(|| purge.clone());
        state.unmarked.push(purge);
        drop(state);
        self.changed.notify_one();
        at_once
    }

    pub(crate) fn take_unmarked(&self) -> Vec<Unmarked> {
        std::mem::take(&mut self.state.lock().unmarked)
    }

    pub(crate) fn put_unmarked_back(&self, targets: Vec<Unmarked>) {
        self.state.lock().unmarked.splice(0..0, targets);
    }

    pub(crate) fn unmarked(&self) -> Vec<Unmarked> {
        self.state.lock().unmarked.clone()
    }

    pub(crate) fn unmarked_count(&self) -> usize {
        self.state.lock().unmarked.len()
    }

    pub(crate) fn current_error(&self) -> Option<OutboxError> {
        self.state.lock().trouble.clone()
    }

    pub(crate) fn set_trigger_errors(&self, errors: &[TriggerError]) {
        self.state.lock().trigger_errors = errors.to_vec();
    }

    pub(crate) fn trigger_errors(&self) -> Vec<TriggerError> {
        self.state.lock().trigger_errors.clone()
    }

    /// Makes the relay record finished rows, return the others and end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Notes that the relay has ended.
    pub(crate) fn end(&self) {
        self.state.lock().ended = true;
    }

    /// Why no request can be made, if so.
    pub(crate) fn refusal(&self) -> Option<OutboxError> {
        let state = self.state.lock();
        let ended = state.ended.then(Self::has_ended);
        ended.or_else(|| state.trouble.clone())
    }

    pub(crate) fn has_ended() -> OutboxError {
        OutboxError::Unavailable("the dispatcher has ended")
    }

    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
