//! Pausing nodes, and resuming them.

use std::time::{Duration, Instant};

use super::engine::Engine;
use super::node::Node;
use super::queue::Paused;
use crate::base::counted::counted;
use crate::base::log::{end_loudly, warn_loudly};

/// Why a node cannot be paused or resumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PauseError {
    /// No node has that name.
    #[error("no node is called {name:?}: the nodes are {known}")]
    UnknownNode {
        /// The names of the cache and the node that were asked for.
        name: String,
        /// The names of the nodes.
        known: String,
    },
    /// The purges of the program wait in a durable outbox.
    #[error(
        "purges wait in a durable outbox, which several programs may share: call `roan.outbox().pause(...)` or \
         `resume(...)`, which are for all of them"
    )]
    Durable,
}

impl Engine {
    /// Pauses a node or resumes it, and returns whether that changed anything.
    pub(crate) fn set_paused(
        &self,
        (cache, name): (&str, &str),
        paused: bool,
    ) -> Result<bool, PauseError> {
        let mut nodes = self.nodes.iter();
        let Some(node) = nodes.find(|node| *node.cache == *cache && *node.name == *name) else {
            let known = self.nodes.iter();
            let known: Vec<_> = known
                .map(|node| format!("\"{} {}\"", node.cache, node.name))
                .collect();
            return Err(PauseError::UnknownNode {
                name: format!("{cache} {name}"),
                known: known.join(", "),
            });
        };
        let paused = paused.then_some(Duration::ZERO);
        Ok(self.pause_or_resume(node, paused))
    }

    /// Takes note of the nodes that are paused, by cache and name, and for how long they have been. The others are resumed.
    #[cfg(feature = "_sql")]
    pub(crate) fn see_paused(&self, paused: &[(String, String, Duration)]) {
        for node in &self.nodes {
            let mut known = paused.iter();
            let found =
                known.find(|(cache, name, _)| *node.cache == **cache && *node.name == **name);
            self.pause_or_resume(node, found.map(|(.., so_long)| *so_long));
        }
    }

    /// Whether all that waits does so for nodes that are paused.
    pub(super) fn waits_for_paused_nodes_only(&self) -> bool {
        self.nodes.iter().all(|node| {
            let queue = node.queue();
            let is_empty = queue.pending() == 0 && queue.rebounds() == 0;
            is_empty || queue.is_paused() && queue.in_flight() == 0
        })
    }

    fn pause_or_resume(&self, node: &Node, paused: Option<Duration>) -> bool {
        let now = Instant::now();
        let Some(so_long) = paused else {
            let is_new = node.queue().resume(now);
            if is_new {
                let (cache, name) = (&node.cache, &node.name);
                end_loudly(
                    format_args!("{cache} {name} is resumed: it is purged again"),
                    || tracing::info!(target: "roan", cache = %cache, node = %name, "{cache} {name} is resumed: it is purged again"),
                );
                self.tickets.back(cache, name);
                // The thread sends what has waited.
                self.inbox.wake();
            }
            return is_new;
        };
        // The machine may be younger than the pause.
        let since = now.checked_sub(so_long).unwrap_or(now);
        let is_new = node.queue().pause(since, now);
        if is_new {
            node.tell_paused(Paused {
                so_long,
                pending: node.queue().pending(),
            });
            self.will_not_answer(node, now);
            self.inbox.wake();
        }
        is_new
    }
}

impl Node {
    /// Says that the node is paused, so that it is not forgotten.
    pub(super) fn tell_paused(&self, paused: Paused) {
        let (cache, name) = (&self.cache, &self.name);
        let Paused { so_long, pending } = paused;
        let since = match so_long.as_secs() {
            0 => String::new(),
            seconds => format!(
                ", since {}",
                humantime::format_duration(Duration::from_secs(seconds))
            ),
        };
        let waiting = match pending {
            0 => String::new(),
            pending => format!("; {} wait in this process", counted(pending, "purge")),
        };
        warn_loudly(format_args!(
            "{cache} {name} is paused{since}: nothing is purged there until it is resumed{waiting}"
        ));
    }
}
