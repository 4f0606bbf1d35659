//! The dispatcher: takes purges from the inbox to the nodes of each cache, on a thread of its own.

mod builder;
#[cfg(feature = "sql")]
mod dead;
#[cfg_attr(not(feature = "sql"), path = "volatile.rs")]
mod durable;
mod ending;
mod engine;
mod global;
mod handle;
mod health;
#[cfg(feature = "sql")]
mod intake;
mod node;
mod orders;
#[cfg(feature = "sql")]
mod outbox;
mod queue;
mod settings;
mod stats;
mod telling;
mod thread;
#[cfg_attr(
    not(feature = "sql"),
    allow(dead_code, reason = "tickets come with a durable outbox")
)]
pub(crate) mod tickets;

pub use builder::Builder;
pub use global::global;
pub use handle::Roan;
#[cfg(feature = "sql")]
pub use outbox::OutboxHandle;
pub use stats::{Left, LeftAtNode, NodeStats, Stats};

#[cfg(feature = "sql")]
pub(crate) use engine::Engine;
pub(crate) use global::given_or_global;
#[cfg(feature = "sql")]
pub(crate) use settings::Policy;
pub(crate) use settings::{
    MOST_CONCURRENCY, MOST_WAITING, check_delay, check_duration, check_number,
};
