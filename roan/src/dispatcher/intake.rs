//! What the relay asks of the dispatcher, besides `Engine::accept`.

use std::sync::Arc;
use std::time::Instant;

use super::engine::Engine;
use super::node::Node;
use super::queue::{Ask, Job};
use super::tickets::Ticket;
use crate::base::outcome::{Failure, Outcome};
use crate::base::target::Target;

impl Engine {
    /// Takes in what one node has not answered yet. `None`: there is no such node.
    pub(crate) fn accept_at(
        &self,
        place: (&str, &str),
        target: &Target,
        asked: Instant,
        (ticket, attempts): (Ticket, u32),
        now: Instant,
    ) -> Option<()> {
        let node = self.node(place)?;
        let ask = Ask {
            target,
            asked,
            rebound: false,
            ticket: Some((ticket, attempts)),
        };
        self.ask_node(node, ask, now);
        Some(())
    }

    /// The thread looks after the flushes.
    pub(crate) fn wake(&self) {
        self.inbox.wake();
    }

    fn node(&self, (cache, node): (&str, &str)) -> Option<&Arc<Node>> {
        let mut nodes = self.nodes.iter();
        nodes.find(|known| *known.cache == *cache && *known.name == *node)
    }

    /// Whether a node is down; `None` when there is no such node.
    pub(crate) fn is_down(&self, place: (&str, &str)) -> Option<bool> {
        Some(self.node(place)?.queue().is_down())
    }

    /// Whether anything waits for a node or is in flight there.
    pub(crate) fn is_busy(&self, place: (&str, &str)) -> bool {
        self.node(place).is_some_and(|node| {
            let queue = node.queue();
            queue.pending() + queue.rebounds() > 0
        })
    }

    pub(crate) fn last_failure(&self, place: (&str, &str)) -> Failure {
        self.node(place)
            .map_or(Failure::Timeout, |node| node.last_failure())
    }

    /// Counts and reports a purge that the relay gives up.
    pub(crate) fn end_dead(
        &self,
        place: (&str, &str),
        target: &Target,
        failure: Failure,
        attempts: u32,
    ) {
        let Some(node) = self.node(place) else {
            return;
        };
        let now = Instant::now();
        let mut job = Job::unsent(target, now, false, now);
        job.attempts = attempts;
        self.end_unsent(node, &job, Outcome::Dead(failure), now);
    }
}
