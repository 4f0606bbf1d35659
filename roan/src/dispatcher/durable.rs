//! The dispatcher's side of a durable outbox: the relay is a task on its thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::engine::Engine;
use super::settings::Policy;
use crate::error::ConfigError;
use crate::outbox::{Outbox, Scribe};
use crate::relay::{Link, Relay};

/// The relay may take so long to write down what is done when the dispatcher ends.
const ENDING: Duration = Duration::from_secs(5);

/// See the module. Empty where purges wait in memory.
#[derive(Default)]
pub(crate) struct Durable {
    link: Option<Arc<Link>>,
    outbox: Option<Outbox>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Durable {
    pub(super) fn new(outbox: Option<Outbox>) -> Self {
        let link = outbox.as_ref().map(|outbox| {
            let scribe = Scribe::new(outbox.dialect(), &outbox.prefix, outbox.notify);
            Arc::new(Link::new(scribe))
        });
        Self {
            link,
            outbox,
            task: Mutex::default(),
        }
    }

    /// Whether purges wait in the database.
    #[cfg(any(feature = "diesel", feature = "sea-orm"))]
    pub(crate) fn is_there(&self) -> bool {
        self.link.is_some()
    }

    pub(crate) fn link(&self) -> Option<&Arc<Link>> {
        self.link.as_ref()
    }

    /// Starts the relay once it has seen that the tables can be used.
    pub(super) async fn start(
        &self,
        engine: &Arc<Engine>,
        policy: &Policy,
    ) -> Result<(), ConfigError> {
        let (Some(link), Some(outbox)) = (&self.link, &self.outbox) else {
            return Ok(());
        };
        let store = Relay::open(outbox).await?;
        let relay = Relay::new(
            Arc::clone(engine),
            Arc::clone(link),
            outbox.clone(),
            policy,
            &store,
        );
        #[cfg(feature = "postgres")]
        if let Some((pool, channel)) = outbox.channel() {
            tokio::spawn(crate::relay::listen(pool, channel, Arc::clone(link)));
        }
        let task = tokio::spawn(relay.run(store));
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(())
    }

    /// Ends the relay: what is done is written down, the rest is given back.
    pub(super) async fn stop(&self) {
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let (Some(link), Some(task)) = (&self.link, task) {
            link.stop();
            // If it cannot, the lease makes good.
            let _ = tokio::time::timeout(ENDING, task).await;
            link.end();
        }
    }

    /// Asks for a look into the database.
    pub(super) fn want_look(&self) -> Option<u64> {
        self.link.as_ref().map(|link| link.want_look())
    }

    /// How many rows waited at that look; `None` when it was not made yet.
    pub(super) fn waiting_at(&self, look: Option<u64>) -> Option<u64> {
        match (&self.link, look) {
            (Some(link), Some(look)) => link.waiting_at(look),
            _ => Some(0),
        }
    }
}
