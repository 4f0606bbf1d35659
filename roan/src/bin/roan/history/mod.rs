//! `roan why` and `roan watch`: what was purged, why, and how the nodes answered.

mod args;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod lines;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod watch;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod why;

pub(crate) use args::{WatchArgs, WhyArgs};

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub(crate) use {watch::run as watch, why::run as why};

/// Without a database.
#[cfg(not(any(feature = "mysql", feature = "postgres", feature = "sqlite")))]
pub(crate) fn why(
    _: &WhyArgs,
    _: &crate::output::Output,
) -> Result<crate::exit::Exit, crate::exit::Failure> {
    Err(crate::outbox::no_database())
}

/// Without a database.
#[cfg(not(any(feature = "mysql", feature = "postgres", feature = "sqlite")))]
pub(crate) fn watch(
    _: &WatchArgs,
    _: &crate::output::Output,
) -> Result<crate::exit::Exit, crate::exit::Failure> {
    Err(crate::outbox::no_database())
}
