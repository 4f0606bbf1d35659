//! A value that code finds while a piece of work runs: in its polls, and in nothing that it spawns.

use std::cell::RefCell;
use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::LocalKey;

use pin_project_lite::pin_project;

/// The value of the running work, in a `thread_local!` of each type of value.
///
/// It does not have a destructor, so a thread still has it while its destructors run (on platforms with native
/// thread-local storage; elsewhere work ends before that). [`Entered`] restores the previous value, so a value is never
/// left in it.
pub(crate) type Current<T> = RefCell<ManuallyDrop<Option<Arc<T>>>>;

/// Nothing yet.
pub(crate) const fn nothing<T>() -> Current<T> {
    RefCell::new(ManuallyDrop::new(None))
}

pub(crate) fn current<T>(key: &'static LocalKey<Current<T>>) -> Option<Arc<T>> {
    key.try_with(|current| Option::clone(&current.borrow()))
        .ok()
        .flatten()
}

/// Runs `work` with this value.
pub(crate) fn enter<T, R>(
    key: &'static LocalKey<Current<T>>,
    value: &Arc<T>,
    work: impl FnOnce() -> R,
) -> R {
    let mut entered = Entered {
        key,
        other: Some(Arc::clone(value)),
    };
    entered.swap();
    work()
}

/// The previous value, which becomes current again after the drop.
struct Entered<T: 'static> {
    key: &'static LocalKey<Current<T>>,
    other: Option<Arc<T>>,
}

impl<T> Entered<T> {
    fn swap(&mut self) {
        // Fails if the thread has lost it: the work then runs without a value.
        let _ = self
            .key
            .try_with(|current| mem::swap(&mut **current.borrow_mut(), &mut self.other));
    }
}

impl<T> Drop for Entered<T> {
    fn drop(&mut self) {
        self.swap();
    }
}

pin_project! {
    /// Polls and drops `work` with a value.
    pub(crate) struct Within<T: 'static, F> {
        key: &'static LocalKey<Current<T>>,
        value: Arc<T>,
        #[pin]
        work: Option<F>,
    }

    impl<T: 'static, F> PinnedDrop for Within<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            enter(this.key, this.value, || this.work.set(None));
        }
    }
}

impl<T: 'static, F> Within<T, F> {
    pub(crate) fn new(key: &'static LocalKey<Current<T>>, value: &Arc<T>, work: F) -> Self {
        Self {
            key,
            value: Arc::clone(value),
            work: Some(work),
        }
    }
}

impl<T: 'static, F: Future> Future for Within<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(work) = this.work.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let poll = enter(this.key, this.value, || work.poll(context));
        if poll.is_ready() {
            enter(this.key, this.value, || this.work.set(None));
        }
        poll
    }
}
