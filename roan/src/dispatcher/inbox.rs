//! The outbox in memory: hooks insert targets, and the dispatcher takes them.
//!
//! A hook takes one lock, which other threads rarely hold: each thread has its own slot, and the dispatcher holds the
//! lock of a slot only to swap its batch for an empty one. A target that waits already does not take memory again.

use std::cell::Cell;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use hashbrown::DefaultHashBuilder;
use tokio::sync::Notify;

use super::batch::{Batch, Found};
use super::exit;
use crate::base::history::Because;
use crate::base::lock::Mutex;
use crate::base::origin::Origin;
use crate::base::target::TargetRef;

const SLOTS: usize = 32;

/// A batch with a larger capacity than this is not reused.
const KEPT_CAPACITY: usize = 4096;

/// Purges on their way from the hooks to the dispatcher.
#[derive(Debug)]
pub(crate) struct Inbox {
    slots: Box<[Slot]>,
    hasher: DefaultHashBuilder,
    /// Targets in all slots, and those that were taken and not yet passed on.
    waiting: AtomicUsize,
    limit: usize,
    /// The number of targets that were refused because `limit` others waited.
    too_many: AtomicU64,
    /// The number of targets that were refused because the dispatcher was shut down.
    too_late: AtomicU64,
    /// Whether the dispatcher looks into the slots without being woken.
    awake: AtomicBool,
    closed: AtomicBool,
    signal: Notify,
}

/// Padded to two cache lines, so that threads do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Slot(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    targets: Batch,
    /// The number of targets put here since the start.
    asked: u64,
}

/// The result of putting a target into the [`Inbox`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Waits,
    /// The inbox is full. Contains the number of targets refused so far for that reason.
    Full(u64),
    /// The dispatcher was shut down. Contains the number of targets refused so far for that reason.
    Closed(u64),
}

fn slot_of_this_thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SLOT: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    SLOT.with(|slot| {
        if slot.get() == usize::MAX {
            slot.set(THREADS.fetch_add(1, Ordering::Relaxed) % SLOTS);
            exit::watch_this_thread();
        }
        slot.get()
    })
}

impl Inbox {
    /// Creates an inbox for at most `limit` waiting targets.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            slots: (0..SLOTS).map(|_| Slot::default()).collect(),
            waiting: AtomicUsize::new(0),
            limit,
            too_many: AtomicU64::new(0),
            too_late: AtomicU64::new(0),
            awake: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            signal: Notify::new(),
        }
    }

    /// Puts a target in and wakes the dispatcher if it sleeps.
    pub(crate) fn put(&self, target: TargetRef<'_>, because: Because<'_>, origin: &Origin) -> Put {
        let mut slot = self.slots[slot_of_this_thread()].0.lock();
        // Under the lock: `close` takes each lock once, so nothing is inserted after it.
        if self.closed.load(Ordering::Acquire) {
            return Put::Closed(self.too_late.fetch_add(1, Ordering::Relaxed) + 1);
        }
        slot.asked += 1;
        let has_room = || self.waiting.load(Ordering::Relaxed) < self.limit;
        match slot
            .targets
            .put(target, because, origin, &self.hasher, has_room)
        {
            Found::New => _ = self.waiting.fetch_add(1, Ordering::Relaxed),
            Found::Known => {}
            Found::Full => return Put::Full(self.too_many.fetch_add(1, Ordering::Relaxed) + 1),
        }
        drop(slot);
        self.wake();
        Put::Waits
    }

    /// Wakes the dispatcher, so that it looks at the slots and at its commands.
    pub(crate) fn wake(&self) {
        if !self.awake.load(Ordering::Acquire) && !self.awake.swap(true, Ordering::AcqRel) {
            self.signal.notify_one();
        }
    }

    /// Takes the targets out of slot after slot. `spare` is an empty batch, or one from the call
    /// before, whose memory is used again.
    pub(crate) fn take(&self, number: usize, spare: &mut Batch) {
        if spare.capacity() > KEPT_CAPACITY {
            *spare = Batch::default();
        }
        mem::swap(&mut self.slots[number].0.lock().targets, spare);
    }

    /// A target that was taken waits elsewhere now. Not before, so that each is seen at all times.
    pub(crate) fn passed_on(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// The number of slots to [`take`](Self::take) from.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Lets each [`put`](Self::put) wake the dispatcher from now on. The dispatcher must look once more before it sleeps: the
    /// locks of the slots order earlier insertions before this.
    pub(crate) fn doze(&self) {
        self.awake.store(false, Ordering::Release);
    }

    /// Whether the inbox is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots
            .iter()
            .all(|slot| slot.0.lock().targets.is_empty())
    }

    /// Ends when something wakes the dispatcher.
    pub(crate) async fn woken(&self) {
        self.signal.notified().await;
    }

    /// Lets insertions not wake the dispatcher from now on.
    pub(crate) fn rouse(&self) {
        self.awake.store(true, Ordering::Release);
    }

    /// Refuses targets from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for slot in &self.slots {
            drop(slot.0.lock());
        }
    }

    /// The number of waiting targets.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The number of targets put in.
    pub(crate) fn asked(&self) -> u64 {
        self.slots.iter().map(|slot| slot.0.lock().asked).sum()
    }

    /// The number of targets refused.
    pub(crate) fn dropped(&self) -> u64 {
        self.too_many.load(Ordering::Relaxed) + self.too_late.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::target::{Target, TargetKind};

    fn url(text: &str) -> TargetRef<'_> {
        TargetRef::new(TargetKind::Url, text, 0)
    }

    #[test]
    fn a_target_waits_once_however_often_it_is_put() {
        let inbox = Inbox::new(10);
        for _ in 0..1000 {
            assert_eq!(
                inbox.put(url("/a"), Because::Unsaid, &Origin::default()),
                Put::Waits
            );
        }
        assert_eq!((inbox.waiting(), inbox.asked()), (1, 1000));
        let mut taken = Batch::default();
        let number = slot_of_this_thread();
        inbox.take(number, &mut taken);
        assert_eq!((taken.len(), inbox.waiting()), (1, 1));
        inbox.passed_on();
        assert_eq!(inbox.waiting(), 0);
        assert!(inbox.is_empty());
    }

    #[test]
    fn targets_are_taken_in_the_order_in_which_they_were_first_put() {
        let inbox = Inbox::new(1000);
        let urls: Vec<_> = (0..1000).map(|number| format!("/{number}")).collect();
        for text in urls.iter().chain(urls.iter().rev()) {
            assert_eq!(
                inbox.put(url(text), Because::Unsaid, &Origin::default()),
                Put::Waits
            );
        }
        let mut taken = Batch::default();
        inbox.take(slot_of_this_thread(), &mut taken);
        let taken: Vec<_> = taken.drain().map(|waiting| waiting.target).collect();
        assert!(taken.iter().map(Target::as_str).eq(&urls));
    }

    #[test]
    fn the_limit_keeps_new_targets_out_and_lets_known_ones_in() {
        let inbox = Inbox::new(1);
        assert_eq!(
            inbox.put(url("/a"), Because::Unsaid, &Origin::default()),
            Put::Waits
        );
        assert_eq!(
            inbox.put(url("/b"), Because::Unsaid, &Origin::default()),
            Put::Full(1)
        );
        assert_eq!(
            inbox.put(url("/a"), Because::Unsaid, &Origin::default()),
            Put::Waits
        );
        assert_eq!(inbox.dropped(), 1);
    }

    #[test]
    fn nothing_is_let_in_after_the_close() {
        let inbox = Inbox::new(1);
        inbox.close();
        assert_eq!(
            inbox.put(url("/a"), Because::Unsaid, &Origin::default()),
            Put::Closed(1)
        );
        assert!(inbox.is_empty());
    }
}
