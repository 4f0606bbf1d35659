//! How a request ended: its log line and its report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::node::Node;
use super::queue::Job;
use crate::announce::loudly;
use crate::outcome::Outcome;
use crate::report::Report;

/// See the module.
pub(super) struct Ending<'a> {
    pub(super) node: &'a Node,
    pub(super) job: &'a Job,
    pub(super) outcome: Outcome,
    pub(super) status: Option<u16>,
    pub(super) verified: bool,
    /// Whether a person must be told: see [`Node::count`].
    pub(super) first_of_a_run: bool,
    pub(super) now: Instant,
}

impl Ending<'_> {
    fn waited(&self) -> Duration {
        self.job.started.saturating_duration_since(self.job.asked)
    }

    fn took(&self) -> Duration {
        self.now.saturating_duration_since(self.job.started)
    }

    pub(super) fn into_report(self) -> Report {
        Report {
            target: self.job.target.clone(),
            cache: Arc::clone(&self.node.cache),
            node: Arc::clone(&self.node.name),
            status: self.status,
            verified: self.verified,
            rebound: self.job.rebound,
            attempts: self.job.attempts,
            waited: self.waited(),
            took: self.took(),
            outcome: self.outcome,
        }
    }

    pub(super) fn log(&self) {
        macro_rules! event {
            ($level:ident) => {
                tracing::event!(
                    target: "roan",
                    tracing::Level::$level,
                    target = %self.job.target,
                    cache = %self.node.cache,
                    node = %self.node.name,
                    outcome = %self.outcome,
                    status = self.status,
                    verified = self.verified,
                    rebound = self.job.rebound,
                    attempts = self.job.attempts,
                    waited_us = microseconds(self.waited()),
                    took_us = microseconds(self.took()),
                    "purge"
                )
            };
        }
        match self.outcome {
            Outcome::Purged | Outcome::NotCached => event!(DEBUG),
            Outcome::Failed(_) => event!(WARN),
            _ if self.first_of_a_run && !tracing::dispatcher::has_been_set() => {
                let (target, cache, node) = (&self.job.target, &self.node.cache, &self.node.name);
                loudly(format_args!("{target} at {cache} {node}: {}", self.outcome));
            }
            _ if self.first_of_a_run => event!(ERROR),
            _ => event!(WARN),
        }
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
