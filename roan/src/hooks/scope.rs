//! Scopes: hold purges until a piece of work is over.

use std::mem;
use std::sync::Arc;

use hashbrown::HashMap;

use super::current::{current, enter, within};
use crate::app::{Destination, Roan};
use crate::base::history::{Because, Causes, Fired};
use crate::base::lock::Mutex;
use crate::base::target::{Target, TargetRef};
use crate::model::InvalidTarget;

/// Holds the purges of all hooks that fire in `work`, and sends each of them once when the work is over.
///
/// Put it around a transaction, so that purges leave after the commit. They also leave after an error, a panic or a
/// cancellation, because a write may have committed before: one purge too many costs a cache miss, one too few leaves
/// a stale page. If you know that nothing was written, drop them with [`discard_scope`].
///
/// The scope holds each target once, in memory and without a limit. Split a bulk import into several scopes.
///
/// A nested scope passes its purges to the outer scope. A task or thread that `work` starts is outside of the scope,
/// unless you wrap it in [`in_scope`] or [`in_scope_blocking`].
///
/// ```
/// # use roan::purge_on;
/// # #[purge_on(save, url = "/posts/{0}")]
/// # struct Post(u32);
/// # async fn transaction() -> Result<(), &'static str> {
/// roan::scope(async {
///     // begin ...
///     roan::saved(&Post(1));
///     roan::saved(&Post(2));
///     // ... commit
///     Ok(())
/// })
/// .await
/// # }
/// ```
pub async fn scope<F: Future>(work: F) -> F::Output {
    let scope = Over(Scope::inside(Scope::current(), Kind::Sending));
    within(&scope.0, work).await
}

/// As [`scope`], for work without a runtime.
///
/// ```
/// # use roan::purge_on;
/// # #[purge_on(save, url = "/posts/{0}")]
/// # struct Post(u32);
/// # roan::testing::record_blocking(|| {
/// let written = roan::scope_blocking(|| {
///     roan::saved(&Post(1));
///     2 + 2
/// });
/// # });
/// ```
pub fn scope_blocking<T>(work: impl FnOnce() -> T) -> T {
    let scope = Over(Scope::inside(Scope::current(), Kind::Sending));
    enter(&scope.0, work)
}

/// Keeps `work` in the current scope. Wrap the future of a task in it before you spawn the task.
///
/// The purges of `work` are held until it is over, and then passed to the scope. If the scope has ended by then, they
/// are sent.
///
/// ```
/// # use roan::purge_on;
/// # #[purge_on(save, url = "/posts/{0}")]
/// # struct Post(u32);
/// # async fn work() {
/// roan::scope(async {
///     let other = tokio::spawn(roan::in_scope(async { roan::saved(&Post(2)) }));
///     roan::saved(&Post(1));
///     other.await
/// })
/// .await;
/// # }
/// ```
pub fn in_scope<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    let outer = Scope::current();
    async move {
        let scope = Over(Scope::inside(outer, Kind::Sending));
        within(&scope.0, work).await
    }
}

/// As [`in_scope`], for a closure that you run on another thread.
pub fn in_scope_blocking<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let outer = Scope::current();
    move || {
        let scope = Over(Scope::inside(outer, Kind::Sending));
        enter(&scope.0, work)
    }
}

/// Drops the purges that the innermost current scope holds so far. Use it if you know that nothing was written, as
/// after a rollback. Outside a scope it does nothing.
pub fn discard_scope() {
    if let Some(scope) = Scope::current() {
        scope.held.lock().drops();
    }
}

/// The purges that a scope holds.
pub(crate) struct Scope {
    held: Mutex<Held>,
    outer: Option<Arc<Self>>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sends what it holds when it ends.
    Sending,
    /// Keeps it, for a test to look at.
    Recording,
}

#[derive(Default)]
struct Held {
    ended: bool,
    /// For the global dispatcher.
    global: HashMap<Target, Causes>,
    /// For other dispatchers. They are few, so they are searched one by one.
    others: Vec<(Roan, HashMap<Target, Causes>)>,
    refused: Vec<InvalidTarget>,
}

impl Held {
    fn drops(&mut self) {
        self.global.clear();
        self.others.clear();
    }

    fn of(&mut self, roan: Option<&Roan>) -> &mut HashMap<Target, Causes> {
        let Some(roan) = roan else {
            return &mut self.global;
        };
        let number = self.others.iter().position(|(other, _)| other.is(roan));
        let number = number.unwrap_or_else(|| {
            self.others.push((roan.clone(), HashMap::new()));
            self.others.len() - 1
        });
        &mut self.others[number].1
    }
}

impl Scope {
    pub(crate) fn current() -> Option<Arc<Self>> {
        current()
    }

    fn inside(outer: Option<Arc<Self>>, kind: Kind) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::default(),
            outer,
            kind,
        })
    }

    pub(crate) fn hold(&self, roan: Option<&Roan>, target: TargetRef<'_>, because: Because<'_>) {
        let mut held = self.held.lock();
        if held.ended {
            drop(held);
            return self.hand_over(roan, target, because);
        }
        let targets = held.of(roan);
        match targets.get_mut(&target) {
            Some(causes) => causes.add(because),
            None => _ = targets.insert(target.to_target(), Causes::of(because)),
        }
    }

    pub(crate) fn refused(&self, roan: Option<&Roan>, invalid: InvalidTarget) {
        if self.kind == Kind::Recording {
            self.held.lock().refused.push(invalid);
        } else if let Some(outer) = &self.outer {
            outer.refused(roan, invalid);
        } else if let Some(destination) = Destination::of(roan) {
            destination.invalid(&invalid);
        }
    }

    fn hand_over(&self, roan: Option<&Roan>, target: TargetRef<'_>, because: Because<'_>) {
        match (self.kind, &self.outer) {
            (Kind::Recording, _) => {}
            (Kind::Sending, Some(outer)) => outer.hold(roan, target, because),
            (Kind::Sending, None) => {
                if let Some(destination) = Destination::of(roan) {
                    destination.put(target, because);
                }
            }
        }
    }

    fn end(&self) {
        let held = {
            let mut held = self.held.lock();
            held.ended = true;
            mem::take(&mut held.global)
                .into_iter()
                .map(|held| (None, held))
                .chain(
                    mem::take(&mut held.others)
                        .into_iter()
                        .flat_map(|(roan, targets)| {
                            targets
                                .into_iter()
                                .map(move |held| (Some(roan.clone()), held))
                        }),
                )
        };
        for (roan, (target, causes)) in held {
            let because = Because::All(&causes);
            self.hand_over(roan.as_ref(), TargetRef::from(&target), because);
        }
    }
}

/// Ends the scope when dropped: at the end of the work, its panic or its cancellation.
struct Over(Arc<Scope>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A scope that keeps what it holds, for [`testing`](crate::testing).
pub(crate) struct Recording(Arc<Scope>);

impl Recording {
    pub(crate) fn new() -> Self {
        Self(Scope::inside(None, Kind::Recording))
    }

    pub(crate) async fn run<F: Future>(&self, work: F) -> F::Output {
        within(&self.0, work).await
    }

    pub(crate) fn run_blocking<T>(&self, work: impl FnOnce() -> T) -> T {
        enter(&self.0, work)
    }

    /// The recorded targets, and the invalid ones.
    pub(crate) fn end(self) -> (Vec<Fired>, Vec<InvalidTarget>) {
        let mut held = self.0.held.lock();
        held.ended = true;
        let global = mem::take(&mut held.global);
        let others = mem::take(&mut held.others)
            .into_iter()
            .flat_map(|(_, targets)| targets);
        (
            global
                .into_iter()
                .chain(others)
                .map(|(target, causes)| Fired { target, causes })
                .collect(),
            mem::take(&mut held.refused),
        )
    }
}
