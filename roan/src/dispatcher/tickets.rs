//! The outstanding answers for each row of a durable outbox.
//!
//! A row is *opened* when the relay takes it. Its ticket accompanies each of its targets to each node. A purge that a node
//! does not answer is *deferred*: the relay stores it in the database as a delivery. The row is over when nothing is
//! outstanding.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;

use super::queue::Onward;
use crate::base::created::Created;
use crate::base::history::{NodeAnswer, add};
use crate::base::lock::Mutex;
use crate::base::outcome::{Failure, Refusal};
#[cfg(feature = "nats")]
use crate::base::purge_id::RowIdentity;
use crate::base::target::Target;

/// Identifies one row that the relay has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u32);

/// The relay's identifier of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Row {
    Purge(i64),
    Delivery { id: i64, purge: i64 },
}

/// A purge that a node has not answered yet, or never will.
#[derive(Debug, Clone)]
pub(crate) struct Deferred {
    /// `None` if no cache can purge it.
    pub(crate) node: Option<(Arc<str>, Arc<str>)>,
    pub(crate) target: Target,
    /// What the next cache is asked for after the answer.
    pub(crate) onward: Onward,
    pub(crate) why: Why,
    /// The number of attempts so far.
    pub(crate) attempts: u32,
}

/// Why a purge was deferred.
#[derive(Debug, Clone)]
pub(crate) enum Why {
    /// Not sent: the node is down, its queue is full, or another program has it.
    Unsent,
    /// The attempt failed; another may do better, after that pause at least.
    Failed(Failure, Duration),
    /// Another attempt would do no better.
    Refused(Refusal),
}

/// Why a row is not done after all of its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// No program can read it.
    Invalid(String),
    /// This program does not have something that the row names. Another version of it may have that.
    Foreign(String),
    /// This program has purged all that its rules yield. Those of another version may yield more.
    OtherRules(String),
}

/// The results that the relay has to record.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) row: Row,
    pub(crate) created: Created,
    pub(crate) what: What,
}

/// A result for a row: see [`News`].
#[derive(Debug)]
pub(crate) enum What {
    Deferred(Deferred),
    /// The row is over.
    Over {
        deferred: bool,
        /// What this program could not do of the row, after the rest of it is purged.
        unread: Option<Unread>,
        notes: Option<Box<Notes>>,
    },
}

/// What the history keeps of a row.
#[derive(Debug)]
pub(crate) struct Notes {
    /// Those of the row, in its order.
    pub(crate) targets: Vec<Target>,
    /// What rules have yielded.
    pub(crate) yielded: String,
    pub(crate) answers: Vec<NodeAnswer>,
}

impl Notes {
    pub(crate) fn new(targets: Vec<Target>, yielded: String) -> Self {
        Self {
            targets,
            yielded,
            answers: Vec::new(),
        }
    }

    fn add(&mut self, target: &Target, answer: NodeAnswer) {
        let place = self.targets.iter().position(|known| known == target);
        let answer = NodeAnswer {
            other_urls: place.is_none(),
            targets: match place {
                Some(place) if self.targets.len() > 1 => vec![place],
                _ => Vec::new(),
            },
            ..answer
        };
        add(&mut self.answers, answer);
    }
}

/// The open rows and their outstanding answers.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: Slab<Open>,
    news: Vec<News>,
    /// The number of outstanding answers, for all rows and nodes.
    outstanding: usize,
    /// Those of each node, by its number.
    nodes: Vec<Outstanding>,
    /// The number of outstanding answers of a node for rows, and the same again for deliveries. `None` for any number.
    share: Option<usize>,
    /// Nodes that have come back.
    back: Vec<(Arc<str>, Arc<str>)>,
}

/// The outstanding answers of one node. Rows and deliveries have room of their own: neither a backlog of the one nor of the
/// other leaves none.
#[derive(Debug, Default)]
struct Outstanding {
    of_rows: usize,
    of_deliveries: usize,
}

impl Outstanding {
    fn of(&mut self, row: Row) -> &mut usize {
        match row {
            Row::Purge(_) => &mut self.of_rows,
            Row::Delivery { .. } => &mut self.of_deliveries,
        }
    }
}

#[derive(Debug)]
struct Open {
    row: Row,
    created: Created,
    outstanding: u32,
    deferred: bool,
    unread: Option<Unread>,
    notes: Option<Box<Notes>>,
    #[cfg(feature = "nats")]
    identity: Option<RowIdentity>,
}

impl Tickets {
    /// Limits the outstanding answers of each node.
    pub(crate) fn limit(&self, share: usize) {
        self.state.lock().share = Some(share);
    }

    /// Opens a row. [`Tickets::handed_over`] says that all nodes were asked.
    #[cfg(test)]
    pub(crate) fn open(&self, row: Row, age_ms: i64, unread: Option<Unread>) -> Ticket {
        let created = Created {
            age_ms,
            ..Created::now()
        };
        self.open_noting(row, created, unread, None)
    }

    /// The same, and notes how the nodes answer.
    pub(crate) fn open_noting(
        &self,
        row: Row,
        created: Created,
        unread: Option<Unread>,
        notes: Option<Notes>,
    ) -> Ticket {
        let notes = notes.map(Box::new);
        let mut state = self.state.lock();
        state.outstanding += 1;
        let place = state.open.insert(Open {
            row,
            created,
            outstanding: 1,
            deferred: false,
            unread,
            notes,
            #[cfg(feature = "nats")]
            identity: None,
        });
        Ticket(u32::try_from(place).unwrap_or(u32::MAX))
    }

    /// Says what no other row has, for the ids of its purges.
    #[cfg(all(feature = "nats", feature = "_sql"))]
    pub(crate) fn identify(&self, ticket: Ticket, identity: RowIdentity) {
        if let Some(open) = self.state.lock().open.get_mut(ticket.0 as usize) {
            open.identity = Some(identity);
        }
    }

    /// What no other rows have than these. `None` if one was not identified.
    #[cfg(feature = "nats")]
    pub(crate) fn identities(&self, tickets: &[Ticket]) -> Option<Vec<RowIdentity>> {
        let state = self.state.lock();
        let identity = |ticket: &Ticket| state.open.get(ticket.0 as usize)?.identity;
        tickets.iter().map(identity).collect()
    }

    /// Notes how a node has answered for a target to these rows.
    pub(crate) fn answered(
        &self,
        tickets: &[Ticket],
        target: &Target,
        answer: impl Fn() -> NodeAnswer,
    ) {
        if tickets.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        for ticket in tickets {
            let open = state.open.get_mut(ticket.0 as usize);
            if let Some(notes) = open.and_then(|open| open.notes.as_mut()) {
                notes.add(target, answer());
            }
        }
    }

    /// Notes that this program cannot do all of a row, unless it is known.
    pub(crate) fn cannot_read(&self, ticket: Ticket, unread: Unread) {
        if let Some(open) = self.state.lock().open.get_mut(ticket.0 as usize) {
            open.unread.get_or_insert(unread);
        }
    }

    /// Adds an outstanding answer of the node with this number, `None` if no cache can purge the target. Returns whether
    /// there is room for it: if not, the caller defers it.
    pub(crate) fn asked(&self, ticket: Ticket, node: Option<usize>) -> bool {
        let mut state = self.state.lock();
        let State {
            open,
            nodes,
            share,
            outstanding,
            ..
        } = &mut *state;
        let Some(open) = open.get_mut(ticket.0 as usize) else {
            return true;
        };
        open.outstanding += 1;
        *outstanding += 1;
        let Some(node) = node else {
            return true;
        };
        if nodes.len() <= node {
            nodes.resize_with(node + 1, Outstanding::default);
        }
        let outstanding = nodes[node].of(open.row);
        *outstanding += 1;
        share.is_none_or(|share| *outstanding <= share)
    }

    /// All nodes were asked for what the row wants.
    pub(crate) fn handed_over(&self, ticket: Ticket) {
        self.settle(ticket, None, None);
    }

    /// Removes an outstanding answer of the node with this number.
    pub(crate) fn done(&self, ticket: Ticket, node: usize) {
        self.settle(ticket, Some(node), None);
    }

    /// Defers the answer of a node that will not answer soon, or never.
    pub(crate) fn deferred(&self, ticket: Ticket, node: Option<usize>, deferred: Deferred) {
        self.settle(ticket, node, Some(deferred));
    }

    fn settle(&self, ticket: Ticket, node: Option<usize>, deferred: Option<Deferred>) {
        let mut state = self.state.lock();
        let State {
            open, news, nodes, ..
        } = &mut *state;
        let Some(entry) = open.get_mut(ticket.0 as usize) else {
            debug_assert!(false, "a ticket of a row that is not open");
            return;
        };
        let had_no_news = news.is_empty();
        let (row, created) = (entry.row, entry.created);
        let mut tell = |what| news.push(News { row, created, what });
        entry.outstanding -= 1;
        if let Some(node) = node.and_then(|node| nodes.get_mut(node)) {
            *node.of(row) -= 1;
        }
        entry.deferred |= deferred.is_some();
        if let Some(deferred) = deferred {
            tell(What::Deferred(deferred));
        }
        if entry.outstanding == 0 {
            tell(What::Over {
                deferred: entry.deferred,
                unread: entry.unread.take(),
                notes: entry.notes.take(),
            });
            open.remove(ticket.0 as usize);
        }
        state.outstanding -= 1;
        let has_news = !state.news.is_empty();
        drop(state);
        if had_no_news && has_news {
            self.changed.notify_one();
        }
    }

    /// A node that was down answers again.
    pub(crate) fn back(&self, cache: &Arc<str>, node: &Arc<str>) {
        self.state
            .lock()
            .back
            .push((Arc::clone(cache), Arc::clone(node)));
        self.changed.notify_one();
    }

    /// Waits until there are results, or a node has come back.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn take_news(&self) -> Vec<News> {
        std::mem::take(&mut self.state.lock().news)
    }

    /// Takes back results that could not be recorded.
    pub(crate) fn put_back(&self, news: Vec<News>) {
        self.state.lock().news.splice(0..0, news);
    }

    /// The purges and deliveries that are not over, or whose results have not been recorded.
    pub(crate) fn held(&self) -> (HashSet<i64>, HashSet<i64>) {
        let state = self.state.lock();
        let mut held = (HashSet::new(), HashSet::new());
        let open = state.open.iter().map(|(_, open)| open.row);
        for row in open.chain(state.news.iter().map(|news| news.row)) {
            match row {
                Row::Purge(id) => held.0.insert(id),
                Row::Delivery { id, .. } => held.1.insert(id),
            };
        }
        held
    }

    pub(crate) fn take_back(&self) -> Vec<(Arc<str>, Arc<str>)> {
        std::mem::take(&mut self.state.lock().back)
    }

    /// The number of outstanding answers.
    pub(crate) fn outstanding(&self) -> usize {
        self.state.lock().outstanding
    }

    /// The number of further answers of a node that may be outstanding: for rows, and for deliveries.
    pub(crate) fn room_at(&self, node: usize) -> (usize, usize) {
        let state = self.state.lock();
        let Some(share) = state.share else {
            return (usize::MAX, usize::MAX);
        };
        let held = state.nodes.get(node);
        let left = |held: Option<usize>| share.saturating_sub(held.unwrap_or_default());
        (
            left(held.map(|held| held.of_rows)),
            left(held.map(|held| held.of_deliveries)),
        )
    }

    /// The number of outstanding answers of a node for deliveries.
    pub(crate) fn deliveries_at(&self, node: usize) -> usize {
        let state = self.state.lock();
        state.nodes.get(node).map_or(0, |held| held.of_deliveries)
    }

    pub(crate) fn has_news(&self) -> bool {
        !self.state.lock().news.is_empty()
    }
}
