//! What was purged, why, and how each node answered.
//!
//! A purge has [causes](Causes): the rule that asked for it, or the line of the program, with the event of the row, and
//! the [trace](Trace) of the request that wrote it. [`Report::causes`](crate::Report::causes) has them for each answer, and
//! [`Roan::history`](crate::Roan::history) for the newest purges:
//!
//! ```
//! use std::time::Duration;
//! use roan::history::Filter;
//! use roan::testing::Recorder;
//! use roan::{Roan, Target, purge_on};
//!
//! #[purge_on(save, delete, url = "/posts/{0}")]
//! struct Post(u32);
//!
//! let roan = Roan::builder().cache(Recorder::new()).build()?;
//! roan.saved(&Post(1));
//! roan.flush_blocking(Duration::from_secs(5));
//!
//! let purges = roan.history(&Filter::new().target(Target::url("/posts/1")?));
//! let cause = &purges[0].causes[0];
//! assert_eq!(cause.model(), Some("Post"));
//! assert_eq!(cause.rule().unwrap().file(), file!());
//! assert_eq!(purges[0].answers[0].result.to_string(), "purged");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Without a durable outbox these are the newest 1,000 ([`RoanBuilder::history`](crate::RoanBuilder::history)), while the
//! program runs. A durable outbox keeps them with its rows: see its page of the [guide](crate::guide), and
//! `roan.outbox().history(...)`.
//!
//! With the feature `serde`, a purge becomes JSON: that of `roan why` and of the dashboard, which the
//! [guide](crate::guide::command#json) lists.

mod cause;
mod causes;
mod filter;
mod record;
#[cfg(feature = "serde")]
mod serialize;
mod trace;
mod underway;

pub use cause::{CauseKind, PurgeCause};
pub use causes::Causes;
pub use filter::Filter;
pub use record::{AnswerKind, NodeAnswer, PurgeRecord, PurgeState};
pub use trace::{Trace, TraceError, set_trace_source};

pub(crate) use causes::{Because, By, Fired, RunTimeRule};
pub(crate) use filter::Finder;
pub(crate) use record::add;
#[cfg(feature = "web")]
pub(crate) use trace::{Traced, within};
pub(crate) use underway::{Asking, Record, Unmarked};
