//! What is said at the start: who is purged, and whether purges can reach pages there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::engine::Engine;
use super::node::Node;
use crate::base::log::emit;

/// A node that answers purges, but so often not its check, is left alone.
const MOST_CHECKS: u32 = 8;

impl Engine {
    /// Logs what the dispatcher works with.
    pub(super) fn introduce(&self) {
        let nodes = self
            .nodes
            .iter()
            .map(|node| format!("{} {}", node.cache, node.name));
        let default = self.sites.default.iter().map(ToString::to_string);
        let named = self
            .sites
            .named
            .iter()
            .map(|(name, site)| format!("{name}={site}"));
        let nodes = nodes.collect::<Vec<_>>().join(", ");
        let sites = default.chain(named).collect::<Vec<_>>().join(", ");
        let rules = crate::registry::rules().len();
        emit(|| tracing::info!(target: "roan", nodes, sites, rules, "dispatcher started"));
    }

    /// Checks the set-up of a node that was not checked yet. One that does not answer is checked when it does.
    pub(super) fn check(self: &Arc<Self>, node: &Arc<Node>) {
        // Whoever maintains a node is not to see requests of ours: it is checked when it is resumed.
        if node.queue().is_paused()
            || node.checked.load(Ordering::Relaxed)
            || node.checked.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let (engine, node) = (Arc::clone(self), Arc::clone(node));
        tokio::spawn(async move {
            let default = engine.sites.default.as_ref();
            let named = engine.sites.named.values().map(Some);
            let mut is_known = true;
            for site in [default].into_iter().chain(named) {
                is_known &= node.purger.check(site).await;
            }
            if is_known {
                emit(
                    || tracing::debug!(target: "roan", cache = %node.cache, node = %node.name, "set-up checked"),
                );
            } else if node.unanswered_checks.fetch_add(1, Ordering::Relaxed) < MOST_CHECKS {
                node.checked.store(false, Ordering::Relaxed);
            }
        });
    }
}
