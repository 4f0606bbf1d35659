//! Roan's handle, and how it is configured: in code, from a file, from the environment.

mod builder;
pub mod config;
mod early;
mod global;
mod guard;
mod handle;
#[cfg(feature = "sql")]
mod outbox;

pub use builder::RoanBuilder;
pub use global::global;
pub use guard::ShutdownGuard;
pub use handle::Roan;
#[cfg(feature = "sql")]
pub use outbox::OutboxHandle;

pub(crate) use global::Destination;
#[cfg(any(feature = "diesel", feature = "sea-orm", feature = "sql"))]
pub(crate) use global::given_or_global;
