//! Roan's handle, and its configuration in code, from a file and from the environment.

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

#[cfg(feature = "_orm")]
pub(crate) use global::given_or_global;
pub(crate) use global::{Destination, installed};
