//! The dispatcher: sends purges from the inbox to the nodes of each cache, on its own thread.

mod batch;
mod blame;
mod bucket;
mod command;
#[cfg(feature = "_sql")]
mod dead;
mod engine;
mod exit;
mod handover;
mod health;
mod history;
mod inbox;
mod invalid;
mod known;
#[cfg(feature = "metrics")]
mod measure;
mod node;
mod origins;
mod pace;
mod pause;
mod plan;
mod policy;
mod queue;
#[cfg(any(feature = "_sql", feature = "agent"))]
mod relayed;
mod report;
mod sending;
mod sites;
mod source;
mod start;
mod stats;
mod stragglers;
mod thread;
mod throttle;
#[cfg_attr(
    not(feature = "_sql"),
    allow(dead_code, reason = "only a durable outbox uses all of it")
)]
pub(crate) mod tickets;
mod tiers;
mod trace;

pub use pause::PauseError;
pub use stats::{NodeRemaining, NodeStats, Remaining, Stats};

#[cfg(feature = "_orm")]
pub(crate) use command::Later;
pub(crate) use command::{Command, Flush};
#[cfg(feature = "_sql")]
pub(crate) use dead::Dead;
pub(crate) use engine::Engine;
pub(crate) use invalid::InvalidTargets;
pub(crate) use known::KnownPages;
#[cfg(any(feature = "_sql", feature = "doctor"))]
pub(crate) use node::Node;
pub(crate) use node::connect;
pub use plan::Way;
#[cfg(any(feature = "_sql", feature = "embedded", feature = "nats"))]
pub(crate) use policy::duration;
pub(crate) use policy::{LONGEST, Policy, SETTINGS};
#[cfg(feature = "_sql")]
pub(crate) use queue::LONGEST_RETRY_AFTER;
#[cfg(any(feature = "web", feature = "_sql", feature = "agent"))]
pub(crate) use queue::Onward;
pub(crate) use sites::Sites;
pub(crate) use source::Source;
#[cfg(any(feature = "_sql", feature = "agent"))]
pub(crate) use source::Working;
pub(crate) use thread::{is_starting, start};
