//! `roan outbox`.

mod args;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod dead;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod node;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod open;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod replay;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod status;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub(crate) mod words;

pub(crate) use args::{DatabaseArgs, OutboxArgs, time};

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
pub(crate) use open::{failure, run, said_to_wait, with_admin};

/// Without a database.
#[cfg(not(any(feature = "mysql", feature = "postgres", feature = "sqlite")))]
pub(crate) fn run(
    _: &OutboxArgs,
    _: &crate::output::Output,
) -> Result<crate::exit::Exit, crate::exit::Failure> {
    Err(no_database())
}

#[cfg(not(any(feature = "mysql", feature = "postgres", feature = "sqlite")))]
pub(crate) fn no_database() -> crate::exit::Failure {
    crate::exit::Failure::bad_input(
        "this `roan` was installed without a database: install it again with that of the app, as in \
         `cargo install --path roan --features cli,postgres` (or `sqlite`, `mysql`, or several)",
    )
}
