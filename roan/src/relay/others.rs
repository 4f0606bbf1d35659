//! Nodes that other programs have, and this one does not: during a deploy that adds or removes them, and by a mistake in its
//! configuration. Purges that this program takes wait for them as deliveries, which those programs take.

use std::collections::HashSet;
use std::sync::Arc;

use crate::base::log::warn_loudly;
use crate::base::target::{Target, TargetKind};
use crate::dispatcher::tickets::{Deferred, Ticket, Why};
use crate::dispatcher::{Engine, Onward};

/// The nodes of programs that were at work lately, without those of this program.
#[derive(Debug, Default)]
pub(super) struct Others {
    nodes: Vec<(Arc<str>, Arc<str>)>,
    /// Those that were logged.
    told: HashSet<(String, String)>,
}

impl Others {
    /// Takes note of all nodes of programs that were at work lately.
    pub(super) fn see(&mut self, engine: &Engine, at_work: &[(String, String)]) {
        let is_ours = |cache: &str, node: &str| engine.room_at((cache, node)).is_some();
        let others = at_work.iter().filter(|(cache, node)| !is_ours(cache, node));
        let mut new = Vec::new();
        self.nodes.clear();
        for (cache, node) in others {
            self.nodes
                .push((cache.as_str().into(), node.as_str().into()));
            if self.told.insert((cache.clone(), node.clone())) {
                new.push(format!("{cache} {node}"));
            }
        }
        if !new.is_empty() {
            let ours: Vec<_> = engine
                .nodes
                .iter()
                .map(|node| format!("{} {}", node.cache, node.name))
                .collect();
            warn_loudly(format_args!(
                "other programs that use this outbox have purged {} in the last minutes, and this one has {} only: what it \
                 takes from the outbox waits there for a program with that node. Unless a deploy is adding or removing it, \
                 configure the same caches in each program (`ROAN_PURGE_URL`, `RoanBuilder::cache`)",
                new.join(", "),
                ours.join(", ")
            ));
        }
    }

    pub(super) fn has(&self, cache: &str, node: &str) -> bool {
        let mut nodes = self.nodes.iter();
        nodes.any(|(known, name)| **known == *cache && **name == *node)
    }

    /// Leaves what a row asks for to the programs that have these nodes, as far as this one knows that they can purge it.
    pub(super) fn leave(
        &self,
        engine: &Engine,
        (target, onward): (&Target, &Onward),
        ticket: Ticket,
    ) {
        for (cache, node) in &self.nodes {
            if !can_purge(engine, cache, target.kind()) {
                continue;
            }
            let deferred = Deferred {
                node: Some((Arc::clone(cache), Arc::clone(node))),
                target: target.clone(),
                onward: onward.clone(),
                why: Why::Unsent,
                attempts: 0,
            };
            engine.tickets.asked(ticket, None);
            engine.tickets.deferred(ticket, None, deferred);
        }
    }
}

/// Whether a cache purges such targets, by what is known of another node of it.
fn can_purge(engine: &Engine, cache: &str, kind: TargetKind) -> bool {
    let node = engine.nodes.iter().find(|node| *node.cache == *cache);
    let tier = node.and_then(|node| engine.tiers.get(node.tier));
    tier.map_or(kind == TargetKind::Url, |tier| tier.can_purge(kind))
}
