//! The scope of the running code.

use std::cell::RefCell;
use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::scope::Scope;

thread_local! {
    /// It does not have a destructor, so a thread still has it while its destructors run (on platforms with native
    /// thread-local storage; elsewhere scopes end before that). [`Entered`] restores the previous value, so a scope is never
    /// left in it.
    static CURRENT: RefCell<ManuallyDrop<Option<Arc<Scope>>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

pub(super) fn current() -> Option<Arc<Scope>> {
    CURRENT
        .try_with(|current| Option::clone(&current.borrow()))
        .ok()
        .flatten()
}

/// Runs `work` in a scope.
pub(super) fn enter<T>(scope: &Arc<Scope>, work: impl FnOnce() -> T) -> T {
    let mut entered = Entered(Some(Arc::clone(scope)));
    entered.swap();
    work()
}

/// The previous scope, which becomes current again after the drop.
struct Entered(Option<Arc<Scope>>);

impl Entered {
    fn swap(&mut self) {
        // Fails if the thread has lost it: the work then runs without a scope.
        let _ = CURRENT.try_with(|current| mem::swap(&mut **current.borrow_mut(), &mut self.0));
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.swap();
    }
}

pin_project! {
    /// Polls and drops `work` in a scope.
    pub(super) struct Within<F> {
        scope: Arc<Scope>,
        #[pin]
        work: Option<F>,
    }

    impl<F> PinnedDrop for Within<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            enter(this.scope, || this.work.set(None));
        }
    }
}

impl<F> Within<F> {
    pub(super) fn new(scope: &Arc<Scope>, work: F) -> Self {
        Self {
            scope: Arc::clone(scope),
            work: Some(work),
        }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(work) = this.work.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        let poll = enter(this.scope, || work.poll(context));
        if poll.is_ready() {
            enter(this.scope, || this.work.set(None));
        }
        poll
    }
}
