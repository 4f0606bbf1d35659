//! The nodes of this program, and those that are paused.

use std::time::{Duration, Instant};

use super::{Relay, Result};
use crate::base::created::milliseconds;
use crate::base::log::warn_loudly;
use crate::outbox::store::{Nodes, Store};

/// How often this program notes that it is at work.
const NOTE: Duration = Duration::from_secs(60);

/// A program that was seen within this time is at work, or has just ended.
const LATELY: Duration = Duration::from_secs(3 * 60);

impl Relay {
    /// Writes down which nodes this program has, and sees which are paused.
    pub(super) async fn note_nodes(&mut self, store: &mut Store) -> Result<()> {
        let nodes = self.engine.nodes.iter();
        let nodes: Vec<_> = nodes.map(|node| (&*node.cache, &*node.name)).collect();
        store.note_nodes(&nodes).await?;
        self.noted_nodes = Instant::now();
        self.look_at_nodes(store).await?;
        Ok(())
    }

    /// Sees which nodes are paused, and which ones other programs have. Returns those that deliveries wait for, and those that
    /// are paused.
    pub(super) async fn look_at_nodes(&mut self, store: &mut Store) -> Result<Nodes> {
        let lately = LATELY.min(self.outbox.grace);
        let nodes = store.nodes(milliseconds(lately)).await?;
        self.see_paused(&nodes.paused);
        self.others.see(&self.engine, &nodes.at_work);
        Ok(nodes)
    }

    pub(super) async fn note_nodes_at_times(&mut self, store: &mut Store) -> Result<()> {
        if self.noted_nodes.elapsed() >= NOTE {
            self.note_nodes(store).await?;
        }
        Ok(())
    }

    /// Pauses and resumes the nodes of this program as the outbox says.
    pub(super) fn see_paused(&mut self, paused: &[(String, String, Duration)]) {
        self.engine.see_paused(paused);
        for (cache, node, _) in paused {
            let is_ours = self.engine.room_at((cache, node)).is_some();
            if !is_ours && self.paused_elsewhere.insert((cache.clone(), node.clone())) {
                warn_loudly(format_args!(
                    "the outbox says that {cache} {node} is paused, which is not configured here: purges that wait for it \
                     stay until it is resumed"
                ));
            }
        }
        let is_paused = |(cache, node): &(String, String)| {
            paused
                .iter()
                .any(|(known, name, _)| known == cache && name == node)
        };
        self.paused_elsewhere.retain(is_paused);
    }
}
