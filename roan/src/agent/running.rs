//! An agent that runs.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use super::source::Stream;
use super::{Agent, AgentError, AgentStatus};
use crate::app::{Roan, RoanBuilder};
use crate::error::ConfigError;

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
