//! For your tests: what does a piece of code purge?
//!
//! [`record`] and [`record_blocking`] catch the purges of one piece of code. Tests that run side by
//! side do not disturb each other:
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
//! A [`Recorder`] is a cache that only notes what it is asked to purge, for tests of a whole
//! program: give it to [`RoanBuilder::cache`](crate::RoanBuilder::cache) in place of the real one.

mod recorder;

pub use recorder::Recorder;

use std::fmt;

use crate::base::target::{Target, TargetError};
use crate::hooks::scope::Recording;

/// Catches the purges of all hooks that fire in `work`. None is sent.
pub async fn record<F: Future>(work: F) -> Purges {
    let recording = Recording::new();
    recording.run(work).await;
    Purges::new(recording.end())
}

/// As [`record`], for work without a runtime.
pub fn record_blocking<T>(work: impl FnOnce() -> T) -> Purges {
    let recording = Recording::new();
    recording.run_blocking(work);
    Purges::new(recording.end())
}

/// What was asked to be purged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purges {
    targets: Vec<Target>,
    refused: Vec<TargetError>,
}

impl Purges {
    fn new((targets, refused): (Vec<Target>, Vec<TargetError>)) -> Self {
        let mut purges = Self { targets, refused };
        purges
            .targets
            .sort_by(|a, b| (a.site(), a.as_str()).cmp(&(b.site(), b.as_str())));
        purges
    }

    /// The targets, each once, in the order of site and text.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Why rules could make no target of a row.
    #[must_use]
    pub fn refused(&self) -> &[TargetError] {
        &self.refused
    }

    /// Whether `target` is among them.
    ///
    /// # Panics
    ///
    /// When `target` is a text that can be no URL: the question is a mistake then.
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

/// One target a line.
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
/// When it is not; the message lists what was purged.
#[macro_export]
macro_rules! assert_purged {
    ($purges:expr, $target:expr $(,)?) => {
        match (&$purges, $target) {
            (purges, target) => assert!(
                purges.contains(target),
                "{} was not purged; what was:\n{}",
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
                "{} was purged, among:\n{}",
                stringify!($target),
                purges,
            ),
        }
    };
}
