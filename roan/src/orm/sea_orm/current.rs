//! Which dispatcher the hooks speak to.

use crate::app::{Roan, given_or_global};

tokio::task_local! {
    static GIVEN: Roan;
}

/// Lets the hooks of SeaORM that fire in `work` speak to this dispatcher, and not to the global one:
/// for tests, and for programs with several.
///
/// A task that `work` spawns is outside.
pub async fn with_dispatcher<F: Future>(roan: &Roan, work: F) -> F::Output {
    GIVEN.scope(roan.clone(), work).await
}

/// `None` was told already.
pub(super) fn dispatcher() -> Option<Roan> {
    let given = GIVEN.try_with(Clone::clone).ok();
    given_or_global(given.as_ref()).cloned()
}
