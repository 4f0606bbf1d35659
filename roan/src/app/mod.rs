//! Roan's handle, and how it is configured: in code, from a file, from the environment.

mod builder;
pub mod config;
mod early;
mod global;
mod guard;
mod handle;
#[cfg(feature = "_sql")]
mod outbox;

pub use builder::RoanBuilder;
pub use global::global;
pub use guard::ShutdownGuard;
pub use handle::Roan;
#[cfg(feature = "_sql")]
pub use outbox::OutboxHandle;

pub(crate) use global::Destination;
#[cfg(feature = "_orm")]
pub(crate) use global::given_or_global;
