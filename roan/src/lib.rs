#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod __private;
mod announce;
pub mod config;
mod dispatcher;
pub mod encode;
mod error;
mod event;
mod hook;
mod http;
mod model;
#[cfg(any(feature = "diesel", feature = "sea-orm", feature = "sql"))]
pub mod orm;
#[cfg(not(feature = "sql"))]
mod outbox;
#[cfg(feature = "sql")]
pub mod outbox;
mod outcome;
mod purger;
mod registration;
mod registry;
#[cfg(feature = "sql")]
mod relay;
mod report;
mod retry;
mod rule;
mod scope;
mod site;
mod target;
pub mod testing;
#[cfg(feature = "sql")]
pub mod triggers;

#[cfg(feature = "sql")]
pub use dispatcher::OutboxHandle;
pub use dispatcher::{Builder, Left, LeftAtNode, NodeStats, Roan, Stats, global};
pub use error::ConfigError;
pub use event::{Event, Events};
pub use hook::{created, deleted, saved, updated};
pub use model::{Foreign, Model};
pub use outcome::{Failure, Outcome, Refusal};
#[cfg(feature = "embedded")]
pub use purger::embedded::{self, Embedded};
pub use purger::{Cache, Nginx};
pub use registration::{Purge, purge};
pub use registry::rules;
#[cfg(feature = "sql")]
pub use relay::DeadPurge;
pub use report::{Report, Reports};
#[cfg(feature = "sea-orm")]
pub use roan_macros::hooks;
pub use roan_macros::purge_on;
pub use rule::{Rule, Template};
pub use scope::{discard, in_scope, in_scope_blocking, scope, scope_blocking};
pub use site::{Site, SiteError};
pub use target::{Target, TargetError, TargetKind};
