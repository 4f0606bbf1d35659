//! Tests of your app: check what a piece of code purges, without a cache.
//!
//! A missing rule or hook shows only later, as a stale page. A test shows it at once. [`record`] and
//! [`record_blocking`] catch the purges of one piece of code instead of sending them. Parallel tests do not affect each
//! other:
//!
//! ```
//! use roan::{assert_not_purged, assert_purged, purge_on};
//!
//! #[purge_on(save, delete, url = "/posts/{slug}")]
//! struct Post { slug: String }
//!
//! let purges = roan::testing::record_blocking(|| {
//!     roan::saved(&Post { slug: "a b".to_owned() });
//! });
//! assert_purged!(purges, "/posts/a%20b");
//! assert_not_purged!(purges, "/posts");
//! ```
//!
//! [`assert_routes!`](crate::assert_routes) checks that each URL of the rules is a route of an axum `Router`, without a row and
//! without a server.
//!
//! For tests of a whole program, use a [`Recorder`] in place of the real cache. It records every purge that the
//! dispatcher sends:
//!
//! ```
//! use std::time::Duration;
//! use roan::{Roan, testing::Recorder};
//!
//! let recorder = Recorder::new();
//! let roan = Roan::builder().cache(recorder.clone()).build()?; // or `install()`, for the global hooks
//! roan.purge("/posts")?;
//! roan.flush_blocking(Duration::from_secs(5));
//! roan::assert_purged!(recorder.purges(), "/posts");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod recorder;
mod routes;

pub use recorder::Recorder;
#[doc(hidden)]
pub use routes::{Probe, RouteProbe, unrouted};

use std::fmt;

use crate::base::history::Fired;
use crate::base::target::{Target, TargetError, TargetKind};
use crate::hooks::scope::Recording;
use crate::model::InvalidTarget;

/// Runs `work` and returns the purges of all hooks that fire in it. None of them is sent.
pub async fn record<F: Future>(work: F) -> Purges {
    let recording = Recording::new();
    recording.run(work).await;
    Purges::of(recording.end())
}

/// As [`record`], for work without a runtime.
pub fn record_blocking<T>(work: impl FnOnce() -> T) -> Purges {
    let recording = Recording::new();
    recording.run_blocking(work);
    Purges::of(recording.end())
}

/// Recorded purges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purges {
    targets: Vec<Target>,
    refused: Vec<TargetError>,
}

fn place(target: &Target) -> (Option<&str>, &str, TargetKind) {
    (target.site(), target.as_str(), target.kind())
}

impl Purges {
    fn of((fired, invalid): (Vec<Fired>, Vec<InvalidTarget>)) -> Self {
        let targets = fired.into_iter().map(|fired| fired.target).collect();
        Self::new(targets, invalid)
    }

    fn new(targets: Vec<Target>, invalid: Vec<InvalidTarget>) -> Self {
        let refused = invalid.into_iter().map(|invalid| invalid.error).collect();
        let mut purges = Self { targets, refused };
        purges.targets.sort_by(|a, b| place(a).cmp(&place(b)));
        purges
    }

    /// Returns the targets, each once, sorted by site and text.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Returns the errors of rules that could not make a valid target from a row.
    #[must_use]
    pub fn refused(&self) -> &[TargetError] {
        &self.refused
    }

    /// Returns `true` if `target` was purged.
    ///
    /// # Panics
    ///
    /// If `target` is a text that is not a valid URL.
    #[must_use]
    #[track_caller]
    #[expect(clippy::panic, reason = "an assertion of a test")]
    pub fn contains<T>(&self, target: T) -> bool
    where
        T: TryInto<Target, Error: Into<TargetError>>,
    {
        match target.try_into().map_err(Into::into) {
            Ok(target) => self.targets.contains(&target),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes one target per line.
impl fmt::Display for Purges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.targets.is_empty() && self.refused.is_empty() {
            return f.write_str("  nothing");
        }
        for target in &self.targets {
            writeln!(f, "  {target}")?;
        }
        for error in &self.refused {
            writeln!(f, "  refused: {error}")?;
        }
        Ok(())
    }
}

/// Asserts that a target is among recorded [`Purges`](crate::testing::Purges).
///
/// The target is a URL as text, or a [`Target`](crate::Target).
///
/// # Panics
///
/// If it is not. The message lists the recorded purges.
#[macro_export]
macro_rules! assert_purged {
    ($purges:expr, $target:expr $(,)?) => {
        match (&$purges, $target) {
            (purges, target) => assert!(
                purges.contains(target),
                "{} was not purged. Purged were:\n{}",
                stringify!($target),
                purges,
            ),
        }
    };
}

/// Asserts that a target is not among recorded [`Purges`](crate::testing::Purges). As
/// [`assert_purged!`](crate::assert_purged).
#[macro_export]
macro_rules! assert_not_purged {
    ($purges:expr, $target:expr $(,)?) => {
        match (&$purges, $target) {
            (purges, target) => assert!(
                !purges.contains(target),
                "{} was purged. Purged were:\n{}",
                stringify!($target),
                purges,
            ),
        }
    };
}
