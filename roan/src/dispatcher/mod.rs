//! The dispatcher: takes purges from the inbox to the nodes of each cache, on a thread of its own.

mod builder;
mod ending;
mod engine;
mod global;
mod handle;
mod health;
mod node;
mod orders;
mod queue;
mod settings;
mod stats;
mod thread;

pub use builder::Builder;
pub use global::global;
pub use handle::Roan;
pub use stats::{Left, LeftAtNode, NodeStats, Stats};

pub(crate) use global::given_or_global;
pub(crate) use settings::{
    MOST_CONCURRENCY, MOST_WAITING, check_delay, check_duration, check_number,
};
