#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod __private;
mod app;
mod base;
mod dispatcher;
mod error;
mod hooks;
mod link;
mod model;
#[cfg(feature = "_orm")]
pub mod orm;
#[cfg(feature = "_sql")]
pub mod outbox;
pub mod purger;
mod registry;
#[cfg(feature = "_sql")]
mod relay;
pub mod testing;
#[cfg(feature = "_sql")]
pub mod triggers;

#[cfg(feature = "_sql")]
pub use app::OutboxHandle;
pub use app::{Roan, RoanBuilder, ShutdownGuard, config, global};
pub use base::cause::Cause;
pub use base::encode;
pub use base::event::{Event, Events};
pub use base::outcome::{Failure, Outcome, Refusal};
pub use base::report::{Report, Reports};
pub use base::rule::{Rule, RuleTarget};
pub use base::site::{Site, SiteError};
pub use base::spelling::Spellings;
pub use base::target::{Target, TargetError, TargetKind};
pub use dispatcher::{NodeRemaining, NodeStats, Remaining, Stats};
pub use error::ConfigError;
pub use hooks::scope::{discard_scope, in_scope, in_scope_blocking, scope, scope_blocking};
pub use hooks::{created, deleted, saved, updated};
pub use model::{External, Model};
#[cfg(feature = "_sql")]
pub use outbox::DeadPurge;
#[cfg(feature = "embedded")]
pub use purger::embedded::{self, Embedded};
pub use purger::{Cache, Nginx};
pub use registry::rules;
pub use registry::run_time::{Purge, purge};
#[cfg(feature = "sea-orm")]
pub use roan_macros::hooks;
pub use roan_macros::purge_on;
