//! Counters.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::counted::counted;

/// The counters of a dispatcher, from [`Roan::stats`](crate::Roan::stats). They count from the start of the dispatcher,
/// except the numbers of waiting targets, which are current.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Targets that hooks requested, repetitions included, but for those of writes that an outbox stores.
    pub asked: u64,
    /// Targets that were refused because the inbox was full, or after the shutdown.
    pub dropped: u64,
    /// Targets on their way to the queues of the nodes, also from one cache to the next.
    pub waiting: usize,
    /// Targets that were not sent to any node: the site is unknown, or no cache supports tags.
    pub refused: u64,
    /// The number of times that a rule could not make a valid target from a row: see [`TargetError`](crate::TargetError).
    pub invalid: u64,
    /// The number of writes outside of a transaction whose purges the durable outbox did not take, so that Roan sent them
    /// from memory.
    pub not_stored: u64,
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
    /// Whether the node is down: it failed several times in a row, and Roan sends one request at a time.
    pub down: bool,
    /// For how long the node has been paused: see [`Roan::pause`](crate::Roan::pause). `None` if it is not.
    pub paused: Option<Duration>,
    /// Targets that wait or are in flight, without rebounds.
    pub pending: usize,
    /// Requests in flight.
    pub in_flight: usize,
    /// Rebounds that wait or are in flight.
    pub rebounds: usize,
    /// Requests that have ended, with whatever answer. One request may purge several targets: see
    /// [`Limits::batch`](crate::purger::Limits::batch).
    pub requests: u64,
    /// Purges of a target that removed a page. Here and below, each target of a request counts.
    pub purged: u64,
    /// Purges that did not find a page.
    pub not_cached: u64,
    /// Purges whose answer was [verified](crate::Report::verified).
    pub verified: u64,
    /// Purges that were refused.
    pub refused: u64,
    /// Attempts that failed and are retried.
    pub failed: u64,
    /// Purges that were given up.
    pub dead: u64,
    /// Targets that were dropped because the queue of this node was full.
    pub dropped: u64,
}

/// The purges that remained when a [`flush`](crate::Roan::flush) or [`shutdown`](crate::Roan::shutdown) ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it says whether purges remain"]
#[non_exhaustive]
pub struct Remaining {
    /// The nodes with purges or rebounds that wait or are in flight.
    pub nodes: Vec<NodeRemaining>,
    /// Rows that wait in the durable outbox, counted up to about 2,000. The next start sends them.
    pub outbox: u64,
    /// Whether the outbox's database did not answer in time, so that the number of rows is unknown.
    pub outbox_unread: bool,
}

/// The purges that remained at one node.
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
    /// Whether the node is paused: see [`Roan::pause`](crate::Roan::pause).
    pub paused: bool,
}

impl Remaining {
    /// Returns the number of purges without an answer, at all nodes. Rows in the durable outbox are not included.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.nodes.iter().map(|node| node.pending).sum()
    }

    /// Returns the number of rebounds without an answer, at all nodes. A flush does not wait for them and does not list nodes
    /// that have nothing else: [`Stats`] does.
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
                paused,
            } = node;
            let paused = if *paused { ", which is paused" } else { "" };
            let (pending, rebounds) = (counted(*pending, "purge"), counted(*rebounds, "rebound"));
            write!(
                f,
                "{comma}{pending} and {rebounds} wait for {cache} {node}{paused}"
            )?;
            comma = ", ";
        }
        if self.outbox > 0 {
            let rows = counted(self.outbox, "row");
            let wait = if self.outbox == 1 { "waits" } else { "wait" };
            write!(f, "{comma}{rows} {wait} in the outbox for the next start")?;
        } else if self.outbox_unread {
            write!(
                f,
                "{comma}an unknown number of rows in the outbox, which did not answer in time"
            )?;
        }
        Ok(())
    }
}
