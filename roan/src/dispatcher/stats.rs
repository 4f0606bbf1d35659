//! Counters that can be read at any time.

use std::fmt;
use std::sync::Arc;

/// The counters of a dispatcher, from [`Roan::stats`](crate::Roan::stats). Counts are since the
/// dispatcher was made; what waits is of the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Targets that hooks asked to purge, repeats included.
    pub asked: u64,
    /// Targets that were not let in, since as many waited as may, or after the shutdown.
    pub dropped: u64,
    /// Targets on their way to the nodes' queues.
    pub waiting: usize,
    /// Targets that went to no node: an unknown site, or a tag and no cache that knows tags.
    pub refused: u64,
    /// How often a rule could make no target of a row: see [`TargetError`](crate::TargetError).
    pub invalid: u64,
    /// The nodes, in the order of the caches.
    pub nodes: Vec<NodeStats>,
}

/// The counters of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats {
    /// The name of the cache.
    pub cache: Arc<str>,
    /// The name of the node.
    pub node: Arc<str>,
    /// Whether the node has failed several times in a row and is probed, one request at a time.
    pub down: bool,
    /// Targets that wait or are in flight, rebounds left out.
    pub pending: usize,
    /// Requests in flight.
    pub in_flight: usize,
    /// Second purges that wait for their time or are in flight.
    pub rebounds: usize,
    /// Requests that removed a page.
    pub purged: u64,
    /// Requests that found no page.
    pub not_cached: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Attempts that failed and were followed by another.
    pub failed: u64,
    /// Purges that were given up.
    pub dead: u64,
    /// Targets that were not let in, since as many waited for this node as may.
    pub dropped: u64,
}

/// What was not done when a [`flush`](crate::Roan::flush) or [`shutdown`](crate::Roan::shutdown)
/// ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it tells whether purges are left"]
#[non_exhaustive]
pub struct Remaining {
    /// For each node that is not done: its cache, its name, the purges that wait or are in flight,
    /// and the rebounds that do.
    pub nodes: Vec<NodeRemaining>,
    /// Rows that wait in the durable outbox, counted up to about 2,000. They are not lost.
    pub outbox: u64,
    /// Whether the outbox's database did not answer in time, so that rows may wait in it unseen.
    pub outbox_unread: bool,
}

/// What was not done at one node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeRemaining {
    /// The name of the cache.
    pub cache: Arc<str>,
    /// The name of the node.
    pub node: Arc<str>,
    /// Purges that wait or are in flight.
    pub pending: usize,
    /// Rebounds that wait or are in flight.
    pub rebounds: usize,
}

impl Remaining {
    /// Purges that no answer has come for, over all nodes. Those that wait in the durable outbox are
    /// not among them.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.nodes.iter().map(|node| node.pending).sum()
    }

    /// Rebounds that no answer has come for, over all nodes.
    #[must_use]
    pub fn rebounds(&self) -> usize {
        self.nodes.iter().map(|node| node.rebounds).sum()
    }
}

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes.is_empty() && self.outbox == 0 && !self.outbox_unread {
            return f.write_str("nothing is left");
        }
        let mut comma = "";
        for node in &self.nodes {
            let NodeRemaining {
                cache,
                node,
                pending,
                rebounds,
            } = node;
            write!(
                f,
                "{comma}{pending} purges and {rebounds} rebounds at {cache} {node}"
            )?;
            comma = ", ";
        }
        if self.outbox > 0 {
            write!(f, "{comma}{} rows in the outbox", self.outbox)?;
        } else if self.outbox_unread {
            write!(
                f,
                "{comma}perhaps rows in the outbox, which did not answer in time"
            )?;
        }
        Ok(())
    }
}
