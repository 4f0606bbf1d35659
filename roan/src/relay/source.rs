//! The durable outbox as the dispatcher sees it: a relay that is a task on the dispatcher's thread.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Relay;
use crate::base::history::Unmarked;
use crate::base::lock::Mutex;
use crate::dispatcher::{Engine, Policy, Source, Working};
use crate::error::ConfigError;
#[cfg(feature = "web")]
use crate::outbox::index::SharedIndex;
use crate::outbox::link::Link;
#[cfg(feature = "postgres")]
use crate::outbox::listen::{Heard, listen};
use crate::outbox::{Admin, Outbox, OutboxError, Scribe};

/// The time that the relay has to record results when the dispatcher ends.
const ENDING: Duration = Duration::from_secs(5);

/// A durable outbox and the task that empties it.
pub(crate) struct DurableOutbox {
    link: Arc<Link>,
    outbox: Outbox,
    policy: Policy,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl DurableOutbox {
    pub(crate) fn new(outbox: Outbox, policy: Policy) -> Self {
        let scribe = Scribe::new(outbox.dialect(), outbox.channel_name(), outbox.history);
        Self {
            link: Arc::new(Link::new(scribe, Admin::new(outbox.clone()))),
            outbox,
            policy,
            task: Mutex::default(),
        }
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }
}

impl Source for DurableOutbox {
    fn start<'a>(&'a self, engine: &'a Arc<Engine>) -> Working<'a, Result<(), ConfigError>> {
        Box::pin(async move {
            let (mut store, triggers) = Relay::open(&self.outbox).await?;
            let table = store.find_table().await;
            self.link
                .scribe
                .insert_into(table.map_err(OutboxError::of)?);
            #[cfg(feature = "web")]
            if let Some(pages) = engine.known.pages() {
                let index = SharedIndex::open(&self.outbox).await?;
                // A dispatcher starts once.
                let _ = pages.shared.set(index);
            }
            let mut relay = Relay::new(
                Arc::clone(engine),
                Arc::clone(&self.link),
                self.outbox.clone(),
                &self.policy,
                &store,
                triggers,
            );
            relay
                .look_for_index(&mut store)
                .await
                .map_err(OutboxError::of)?;
            // Before anything is sent.
            relay
                .note_nodes(&mut store)
                .await
                .map_err(OutboxError::of)?;
            #[cfg(feature = "postgres")]
            if let Some((pool, channel)) = self.outbox.channel() {
                let (link, engine) = (Arc::clone(&self.link), Arc::downgrade(engine));
                let hear = move |heard| match heard {
                    Heard::Began | Heard::Wrote => link.poke(),
                    Heard::Marked(number) => {
                        if let Some(engine) = engine.upgrade() {
                            engine.known.marked(number);
                        }
                    }
                    Heard::Ended => {}
                };
                tokio::spawn(listen(pool, channel, hear));
            }
            *self.task.lock() = Some(tokio::spawn(relay.run(store)));
            Ok(())
        })
    }

    fn stop(&self) -> Working<'_, ()> {
        Box::pin(async move {
            let task = self.task.lock().take();
            if let Some(task) = task {
                self.link.stop();
                // If this fails, the lease recovers the rows.
                let _ = tokio::time::timeout(ENDING, task).await;
                self.link.end();
            }
        })
    }

    fn want_look(&self) -> u64 {
        self.link.want_look()
    }

    fn waiting_at(&self, look: u64) -> Option<u64> {
        self.link.waiting_at(look)
    }

    fn mark_first(&self, purge: Unmarked) -> Option<Unmarked> {
        self.link.mark_first(purge)
    }

    fn unmarked(&self) -> usize {
        self.link.unmarked_count()
    }

    fn take_unmarked(&self) -> Vec<Unmarked> {
        self.link.take_unmarked()
    }
}
