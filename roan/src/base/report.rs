//! Reports: the result of each purge.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::base::history::Causes;
use crate::base::outcome::Outcome;
use crate::base::target::Target;

/// The result of one purge at one node, or of one attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What was purged.
    pub target: Target,
    /// The name of the cache. Empty if the purge was not sent to any cache.
    pub cache: Arc<str>,
    /// The name of the node. Empty if the purge was not sent to any node.
    pub node: Arc<str>,
    /// The result.
    pub outcome: Outcome,
    /// The HTTP status of the last answer, if there was one.
    pub status: Option<u16>,
    /// Whether the node named the key that it was asked to purge (`X-Roan-Purge`), and that is the key of this URL at
    /// this site: as [`Nginx::key`](crate::Nginx::key) says, else in one of the usual forms, the same in all answers of
    /// the node for that site. It does not show that the pages are stored under such keys, or in that zone: for that, use one
    /// variable for both keys. After a [refresh](crate::Nginx::refresh) it does. Without it, [`Outcome::NotCached`] proves nothing.
    pub verified: bool,
    /// Whether this was the rebound: the second purge, against a page that was being rendered during the first. With the web
    /// layer there may be a third one, against a page that was on its way into the cache.
    pub rebound: bool,
    /// The number of attempts so far.
    pub attempts: u32,
    /// The time from the hook to the start of the last attempt. For a rebound it counts from the time at which the
    /// rebound was due; for a later cache, from the answer of the cache before it.
    pub waited: Duration,
    /// The time from the start of the last attempt to its answer or failure.
    pub took: Duration,
    /// What has asked for the purge.
    pub causes: Causes,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {} {}: {}",
            self.target, self.cache, self.node, self.outcome
        )
    }
}

/// A subscription to the [`Report`]s of a dispatcher, from `Roan::subscribe`.
///
/// Up to 1,024 reports ([`max_reports`](crate::RoanBuilder::max_reports)) wait for a slow reader. Further reports push out
/// the oldest; [`Reports::missed`] counts them.
#[derive(Debug)]
pub struct Reports {
    receiver: broadcast::Receiver<Report>,
    missed: u64,
}

impl Reports {
    pub(crate) const WAITING: usize = 1024;

    pub(crate) fn new(receiver: broadcast::Receiver<Report>) -> Self {
        Self {
            receiver,
            missed: 0,
        }
    }

    /// Waits for the next report. Returns `None` if the dispatcher has ended.
    pub async fn next(&mut self) -> Option<Report> {
        loop {
            match self.receiver.recv().await {
                Ok(report) => return Some(report),
                Err(broadcast::error::RecvError::Lagged(count)) => self.missed += count,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// As [`next`](Self::next), for programs without an asynchronous runtime.
    ///
    /// # Panics
    ///
    /// Inside an asynchronous task, which must not block: use [`Reports::next`] there.
    pub fn next_blocking(&mut self) -> Option<Report> {
        loop {
            match self.receiver.blocking_recv() {
                Ok(report) => return Some(report),
                Err(broadcast::error::RecvError::Lagged(count)) => self.missed += count,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The number of reports that were pushed out before they were read.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }
}
