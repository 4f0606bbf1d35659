//! An agent that runs.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use super::link::{Beats, Link, Trouble};
use super::shared::Shared;
use super::source::Stream;
use super::work::unix_ms;
use super::{Agent, AgentError, AgentStatus};
use crate::app::{Roan, RoanBuilder};
use crate::error::ConfigError;
use crate::fleet::Connection;
use crate::fleet::heartbeat::{AgentState, Heartbeat};

/// An agent that runs, on a thread of its own. It ends with its last handle.
#[derive(Clone)]
pub struct RunningAgent {
    roan: Roan,
    shared: Arc<Shared>,
    ready_lag: Duration,
    listens: Option<SocketAddr>,
}

impl Agent {
    /// Starts the agent, for the caches of this builder. It returns when the servers have answered, or cannot be reached: then the
    /// agent tries for ever.
    ///
    /// # Errors
    ///
    /// If a setting is wrong, if the servers refuse the agent, or if the settings of the stream can lose purges.
    pub async fn start(self, caches: RoanBuilder) -> Result<RunningAgent, AgentError> {
        self.check()?;
        if let Some(fleet) = caches.caches().iter().find(|cache| cache.is_fleet) {
            let problem = "is a fleet, from which the agent takes its purges: name the cache beside it, such as `nginx` \
                           (`ROAN_CACHE`, `--purge-url`)";
            return Err(ConfigError::value("cache", &*fleet.name, problem).into());
        }
        let shared = Arc::new(Shared::default());
        let listener = self.listen.map(listen).transpose()?;
        let listens = listener.as_ref().and_then(|one| one.local_addr().ok());
        let ready_lag = self.ready_lag;
        let policy = caches.policy().clone();
        let source = Stream::new(self, policy, Arc::clone(&shared), listener);
        let roan = caches.build_with_source(Arc::new(source))?;
        let running = RunningAgent {
            roan,
            shared,
            ready_lag,
            listens,
        };
        running.shared.has_started().await?;
        Ok(running)
    }

    /// Says that the cache of the node is empty, in place of the agent. An agent that waits for that, or is unclean, goes on; one
    /// that does not run begins with the messages from now on.
    ///
    /// Empty the cache first. Returns whether the agent has run before: if not, the cache must not have stored pages since it
    /// was emptied.
    ///
    /// # Errors
    ///
    /// If a setting is wrong, or the servers cannot be reached.
    pub async fn note_emptied(&self) -> Result<bool, AgentError> {
        self.check()?;
        let name = format!("roan agent --emptied of {}", self.node);
        let connection = Connection::open(&self.nats, &name).await?;
        let link = Link::open(self, connection, true).await?;
        let (mut beats, found) = Beats::open(self, &link, 0).await?;
        let now = unix_ms();
        let (acknowledged, has_run) = match link.look(0).await {
            // What has expired before the cache was emptied does not matter.
            Ok(look) => (
                look.known.floor.max(look.known.first.saturating_sub(1)),
                true,
            ),
            Err(Trouble::NoConsumer) => {
                let last = link.last().await?;
                link.make_consumer(last).await?;
                (last, false)
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let said = found.as_ref().map(|found| &found.heartbeat);
        let heartbeat = Heartbeat {
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: said.map_or(now, |said| said.started),
            at: said.map_or(now, |said| said.at),
            state: AgentState::Consuming,
            acknowledged,
            waiting: 0,
            last_answer: said.and_then(|said| said.last_answer.clone()),
            cache: said.map(|said| said.cache.clone()).unwrap_or_default(),
            unclean: None,
            cure: None,
            failure: None,
        };
        beats.note_emptied(found.as_ref(), &heartbeat, now).await?;
        Ok(has_run && said.is_some())
    }
}

impl RunningAgent {
    /// Returns how it is.
    #[must_use]
    pub fn status(&self) -> AgentStatus {
        self.shared.status()
    }

    /// Returns why a load balancer should not send visitors to the cache; `None` if it may.
    #[must_use]
    pub fn not_ready(&self) -> Option<String> {
        self.status().not_ready(self.ready_lag)
    }

    /// Returns the handle of its dispatcher, for counters, reports and metrics.
    #[must_use]
    pub fn roan(&self) -> &Roan {
        &self.roan
    }

    /// Returns where its health endpoint listens.
    #[must_use]
    pub fn listens(&self) -> Option<SocketAddr> {
        self.listens
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// If it has ended by itself, because it cannot go on.
    pub async fn ended(&self) -> Result<(), AgentError> {
        self.shared.has_ended().await
    }

    /// Takes nothing new, waits at most for `timeout` until the caches have answered what is on its way, and hands the rest back to
    /// the stream.
    pub async fn stop(&self, timeout: Duration) {
        self.shared.stop_taking();
        // What remains is in the stream.
        let _ = self.roan.shutdown(timeout).await;
    }
}

impl std::fmt::Debug for RunningAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningAgent")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, ConfigError> {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        let problem =
            format!("cannot be listened at: {error}: write a free address of this machine");
        ConfigError::value("listen", address.to_string(), problem)
    })
}
