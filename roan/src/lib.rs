//! Roan keeps pages in the HTTP cache until the data they show changes.
//!
//! Annotate a model with the URLs that display it, and call a hook after each write. Roan checks the URLs at
//! compile time, and purges those pages from nginx, or from the [embedded cache][embedded], whenever a row changes.
//!
//! ```
//! use roan::purge_on;
//!
//! #[purge_on(save, delete, url = "/posts")]
//! #[purge_on(save, delete, url = "/posts/{slug}")]
//! struct Post { id: i64, slug: String, title: String }
//!
//! fn rename(post: &Post, title: &str) {
//!     let new = Post { id: post.id, slug: post.slug.clone(), title: title.to_owned() };
//!     // ... write `new` to the database, then:
//!     roan::updated(post, &new);
//! }
//! # let post = Post { id: 1, slug: "a".to_owned(), title: "A".to_owned() };
//! # let purges = roan::testing::record_blocking(|| rename(&post, "B"));
//! # roan::assert_purged!(purges, "/posts/a");
//! ```
//!
//! - [`purge_on`] is the attribute: its page describes rules and templates.
//! - [`created`], [`updated`], [`saved`] and [`deleted`] are the hooks; [`scope`](scope()) holds their purges until a
//!   transaction is over. Modules of `roan::orm` connect sqlx, SeaORM and Diesel.
//! - [`Roan`] is the dispatcher, which sends purges in the background. [`RoanBuilder`] configures it.
//! - [`roan::outbox`][outbox] stores purges in the transaction of the write.
//! - [`testing`] shows what your code purges.
//!
//! The [guide](guide) explains each part, from a first site on axum to operations. The repository's README has the
//! cargo features, the nginx configuration, and what is promised.
//!
#![cfg_attr(feature = "_sql", doc = "[outbox]: crate::outbox")]
#![cfg_attr(
    not(feature = "_sql"),
    doc = "[outbox]: https://docs.rs/roan/latest/roan/outbox/"
)]
#![cfg_attr(feature = "embedded", doc = "[embedded]: crate::embedded")]
#![cfg_attr(
    not(feature = "embedded"),
    doc = "[embedded]: https://docs.rs/roan/latest/roan/embedded/"
)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod __private;
#[cfg(feature = "agent")]
#[cfg_attr(docsrs, doc(cfg(feature = "agent")))]
pub mod agent;
mod app;
mod base;
#[cfg(feature = "dashboard")]
#[cfg_attr(docsrs, doc(cfg(feature = "dashboard")))]
pub mod dashboard;
mod dispatcher;
#[cfg(feature = "doctor")]
#[cfg_attr(docsrs, doc(cfg(feature = "doctor")))]
pub mod doctor;
mod error;
#[cfg(feature = "nats")]
#[cfg_attr(docsrs, doc(cfg(feature = "nats")))]
pub mod fleet;
pub mod guide;
mod hooks;
mod link;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub mod metrics;
mod model;
#[cfg(feature = "_orm")]
pub mod orm;
#[cfg(feature = "_sql")]
pub mod outbox;
#[cfg(any(feature = "web", feature = "embedded", feature = "_sql"))]
mod pages;
pub mod purger;
mod registry;
#[cfg(feature = "_sql")]
mod relay;
pub mod testing;
#[cfg(feature = "_sql")]
pub mod triggers;
#[cfg(feature = "web")]
pub mod web;

#[cfg(feature = "_sql")]
pub use app::OutboxHandle;
pub use app::{Roan, RoanBuilder, ShutdownGuard, config, global};
pub use base::cause::Cause;
pub use base::encode;
pub use base::event::{Event, Events};
pub use base::history;
pub use base::outcome::{Failure, Outcome, Refusal};
pub use base::report::{Report, Reports};
pub use base::rule::{Rule, RuleTarget};
pub use base::site::{Site, SiteError};
pub use base::spelling::Spellings;
pub use base::target::{Target, TargetError, TargetKind};
pub use dispatcher::{NodeRemaining, NodeStats, PauseError, Remaining, Stats};
pub use error::ConfigError;
pub use hooks::scope::{discard_scope, in_scope, in_scope_blocking, scope, scope_blocking};
pub use hooks::{created, deleted, explain, saved, updated};
pub use model::{External, Model};
#[cfg(feature = "_sql")]
pub use outbox::DeadPurge;
#[cfg(feature = "nats")]
#[cfg_attr(docsrs, doc(cfg(feature = "nats")))]
pub use purger::Fleet;
#[cfg(all(unix, feature = "nginx-files"))]
pub use purger::NginxFiles;
#[cfg(feature = "embedded")]
pub use purger::embedded::{self, Embedded};
pub use purger::{Cache, Nginx, Squid, TrafficServer, Varnish};
pub use registry::run_time::{Purge, purge};
pub use registry::{Rules, rules};
#[cfg(feature = "sea-orm")]
pub use roan_macros::hooks;
pub use roan_macros::purge_on;

/// The code of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
