//! The agent as the dispatcher sees it: a source of purges.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Agent;
use super::health;
use super::shared::Shared;
use super::work::Work;
use crate::base::cause::Cause;
use crate::base::history::Unmarked;
use crate::base::lock::Mutex;
use crate::dispatcher::{Engine, Policy, Sites, Source, Working};
use crate::error::ConfigError;

/// The time that the agent has to hand messages back when the dispatcher ends.
const ENDING: Duration = Duration::from_secs(5);

/// The stream, as a source.
pub(super) struct Stream {
    agent: Agent,
    policy: Policy,
    shared: Arc<Shared>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Where the health endpoint listens.
    listener: Option<TcpListener>,
    work: Option<JoinHandle<()>>,
    endpoint: Option<JoinHandle<()>>,
}

impl Stream {
    pub(super) fn new(
        agent: Agent,
        policy: Policy,
        shared: Arc<Shared>,
        listener: Option<TcpListener>,
    ) -> Self {
        Self {
            agent,
            policy,
            shared,
            state: Mutex::new(State {
                listener,
                ..State::default()
            }),
        }
    }

    /// With a name that is not one of a site, an agent would take the purges of that site for those of others.
    fn check_sites(&self, sites: &Sites) -> Result<(), ConfigError> {
        let mut names = self.agent.sites.iter().flatten();
        let Some(unknown) = names.find(|name| !sites.named.contains_key(*name)) else {
            return Ok(());
        };
        let mut known: Vec<_> = sites.named.keys().map(|name| format!("{name:?}")).collect();
        known.sort_unstable();
        let known = match &*known {
            [] => "it does not have any".to_owned(),
            names => format!("it has {}", names.join(", ")),
        };
        let problem = format!(
            "is not a site of this agent ({known}): write its name as the app has it, and its address into `[sites]` of the \
             agent's configuration (`RoanBuilder::named_site`); `-` is the default site"
        );
        Err(ConfigError::value("sites", &**unknown, problem))
    }
}

impl Source for Stream {
    fn start<'a>(&'a self, engine: &'a Arc<Engine>) -> Working<'a, Result<(), ConfigError>> {
        Box::pin(async move {
            self.check_sites(&engine.sites)?;
            let shared = Arc::clone(&self.shared);
            let mut state = self.state.lock();
            if let Some(listener) = state.listener.take() {
                let listener = tokio::net::TcpListener::from_std(listener);
                let listener = listener.map_err(|error| ConfigError::Start(Cause::new(error)))?;
                let engine = Arc::downgrade(engine);
                let most_lag = self.agent.ready_lag;
                let serving = health::serve(listener, Arc::clone(&shared), engine, most_lag);
                state.endpoint = Some(tokio::spawn(serving));
            }
            let work = Work::new(
                Arc::clone(engine),
                shared,
                self.agent.clone(),
                self.policy.clone(),
            );
            state.work = Some(tokio::spawn(work.run()));
            Ok(())
        })
    }

    fn stop(&self) -> Working<'_, ()> {
        Box::pin(async move {
            self.shared.stop();
            let (work, endpoint) = {
                let mut state = self.state.lock();
                (state.work.take(), state.endpoint.take())
            };
            if let Some(work) = work {
                // If this fails, the servers deliver again what was not acknowledged.
                let _ = tokio::time::timeout(ENDING, work).await;
            }
            if let Some(endpoint) = endpoint {
                endpoint.abort();
            }
        })
    }

    // A flush waits for the queues of the nodes. What waits in the stream, or for a node that is down, is for the next start.
    fn want_look(&self) -> u64 {
        0
    }

    fn waiting_at(&self, _: u64) -> Option<u64> {
        Some(0)
    }

    // An agent does not know pages.
    fn mark_first(&self, purge: Unmarked) -> Option<Unmarked> {
        Some(purge)
    }

    fn unmarked(&self) -> usize {
        0
    }

    fn take_unmarked(&self) -> Vec<Unmarked> {
        Vec::new()
    }
}
