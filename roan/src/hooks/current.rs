//! The scope of the running code.

use std::sync::Arc;

use super::scope::Scope;
use crate::base::within::{self, Current, Within};

thread_local! {
    static CURRENT: Current<Scope> = const { within::nothing() };
}

pub(super) fn current() -> Option<Arc<Scope>> {
    within::current(&CURRENT)
}

/// Runs `work` in a scope.
pub(super) fn enter<T>(scope: &Arc<Scope>, work: impl FnOnce() -> T) -> T {
    within::enter(&CURRENT, scope, work)
}

/// Polls and drops `work` in a scope.
pub(super) fn within<F>(scope: &Arc<Scope>, work: F) -> Within<Scope, F> {
    Within::new(&CURRENT, scope, work)
}
