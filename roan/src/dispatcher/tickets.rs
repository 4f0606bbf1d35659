//! The outstanding answers for each row of a durable outbox.
//!
//! A row is *opened* when the relay takes it. Its ticket accompanies each of its targets to each node. A purge that a node
//! does not answer is *deferred*: the relay stores it in the database as a delivery. The row is over when nothing is
//! outstanding.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;

use super::queue::Onward;
use crate::base::history::{NodeAnswer, add};
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
    /// Not sent: the node is down, or its queue is full.
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
    /// Milliseconds between the row's write and its taking, by the database's clock.
    pub(crate) age_ms: i64,
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
    /// Nodes that have come back.
    back: Vec<(Arc<str>, Arc<str>)>,
}

#[derive(Debug)]
struct Open {
    row: Row,
    age_ms: i64,
    outstanding: u32,
    deferred: bool,
    unread: Option<Unread>,
    notes: Option<Box<Notes>>,
    #[cfg(feature = "nats")]
    identity: Option<RowIdentity>,
}

impl Tickets {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Code under the lock does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a row. It counts as one outstanding answer, which [`Tickets::done`] ends.
    #[cfg(test)]
    pub(crate) fn open(&self, row: Row, age_ms: i64, unread: Option<Unread>) -> Ticket {
        self.open_noting(row, age_ms, unread, None)
    }

    /// The same, and notes how the nodes answer.
    pub(crate) fn open_noting(
        &self,
        row: Row,
        age_ms: i64,
        unread: Option<Unread>,
        notes: Option<Notes>,
    ) -> Ticket {
        let notes = notes.map(Box::new);
        let mut state = self.lock();
        state.outstanding += 1;
        let place = state.open.insert(Open {
            row,
            age_ms,
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
        if let Some(open) = self.lock().open.get_mut(ticket.0 as usize) {
            open.identity = Some(identity);
        }
    }

    /// What no other rows have than these. `None` if one was not identified.
    #[cfg(feature = "nats")]
    pub(crate) fn identities(&self, tickets: &[Ticket]) -> Option<Vec<RowIdentity>> {
        let state = self.lock();
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
        let mut state = self.lock();
        for ticket in tickets {
            let open = state.open.get_mut(ticket.0 as usize);
            if let Some(notes) = open.and_then(|open| open.notes.as_mut()) {
                notes.add(target, answer());
            }
        }
    }

    /// Notes that this program cannot do all of a row, unless it is known.
    pub(crate) fn cannot_read(&self, ticket: Ticket, unread: Unread) {
        if let Some(open) = self.lock().open.get_mut(ticket.0 as usize) {
            open.unread.get_or_insert(unread);
        }
    }

    /// Adds an outstanding answer.
    pub(crate) fn asked(&self, ticket: Ticket) {
        let mut state = self.lock();
        if let Some(open) = state.open.get_mut(ticket.0 as usize) {
            open.outstanding += 1;
            state.outstanding += 1;
        }
    }

    /// Removes an outstanding answer.
    pub(crate) fn done(&self, ticket: Ticket) {
        self.settle(ticket, None);
    }

    /// Defers the answer of a node that will not answer soon, or never.
    pub(crate) fn deferred(&self, ticket: Ticket, deferred: Deferred) {
        self.settle(ticket, Some(deferred));
    }

    fn settle(&self, ticket: Ticket, deferred: Option<Deferred>) {
        let mut state = self.lock();
        let State { open, news, .. } = &mut *state;
        let Some(entry) = open.get_mut(ticket.0 as usize) else {
            debug_assert!(false, "a ticket of a row that is not open");
            return;
        };
        let had_no_news = news.is_empty();
        let (row, age_ms) = (entry.row, entry.age_ms);
        let mut tell = |what| news.push(News { row, age_ms, what });
        entry.outstanding -= 1;
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
        self.lock().back.push((Arc::clone(cache), Arc::clone(node)));
        self.changed.notify_one();
    }

    /// Waits until there are results, or a node has come back.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn take_news(&self) -> Vec<News> {
        std::mem::take(&mut self.lock().news)
    }

    /// Takes back results that could not be recorded.
    pub(crate) fn put_back(&self, news: Vec<News>) {
        self.lock().news.splice(0..0, news);
    }

    /// The purges and deliveries that are not over, or whose results have not been recorded.
    pub(crate) fn held(&self) -> (HashSet<i64>, HashSet<i64>) {
        let state = self.lock();
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
        std::mem::take(&mut self.lock().back)
    }

    /// The number of outstanding answers.
    pub(crate) fn outstanding(&self) -> usize {
        self.lock().outstanding
    }

    pub(crate) fn has_news(&self) -> bool {
        !self.lock().news.is_empty()
    }
}
