//! The dispatcher: takes purges from the inbox to the nodes of each cache, on a thread of its own.

mod batch;
mod command;
#[cfg(feature = "_sql")]
mod dead;
mod engine;
mod exit;
mod health;
mod inbox;
mod node;
mod policy;
mod queue;
mod report;
mod source;
mod start;
mod stats;
mod thread;
#[cfg_attr(
    not(feature = "_sql"),
    allow(dead_code, reason = "tickets come with a durable outbox")
)]
pub(crate) mod tickets;

pub use stats::{NodeRemaining, NodeStats, Remaining, Stats};

#[cfg(any(feature = "diesel", feature = "sea-orm"))]
pub(crate) use command::Later;
pub(crate) use command::{Command, Flush};
#[cfg(feature = "_sql")]
pub(crate) use dead::Dead;
pub(crate) use engine::{Engine, Sites};
#[cfg(feature = "_sql")]
pub(crate) use node::Node;
pub(crate) use node::connect;
#[cfg(feature = "_sql")]
pub(crate) use policy::duration;
pub(crate) use policy::{LONGEST, Policy, SETTINGS};
pub(crate) use source::Source;
#[cfg(feature = "_sql")]
pub(crate) use source::Working;
pub(crate) use thread::{is_starting, start};
