//! An operator says that the cache of a node is empty.

use std::time::{Duration, Instant};

use super::beats::Beats;
use super::link::{Link, Trouble};
use super::work::unix_ms;
use super::{Agent, AgentError};
use crate::error::ConfigError;
use crate::fleet::heartbeat::{AgentState, EVERY, Heartbeat};
use crate::fleet::{Connection, FleetAdmin};

/// An agent that runs has a heartbeat in this time, which answers.
const PATIENCE: Duration = Duration::from_secs(EVERY.as_secs() * 3 / 2);

/// After its first heartbeat it may have another to say that it consumes.
const ONE_MORE: Duration = Duration::from_secs(5);

/// Between two looks.
const AGAIN: Duration = Duration::from_millis(200);

/// What the agent has made of [`Agent::note_emptied`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Emptied {
    /// It has taken the cache for empty, and consumes.
    Consumes,
    /// It does not run. Its next start takes the cache for empty.
    DoesNotRun,
    /// It runs, but the cache is not clean, and this is why.
    NotReady(String),
}

impl Agent {
    /// Says that the cache of the node is empty, in place of the agent, and waits until the agent has heard it: up to 20 s. An
    /// agent that waits for that, or is unclean, goes on; one that does not run begins with what it has not acknowledged.
    ///
    /// Empty the cache first.
    ///
    /// # Errors
    ///
    /// If a setting is wrong, if no agent of this name has run, or if the servers cannot be reached.
    pub async fn note_emptied(&self) -> Result<Emptied, AgentError> {
        self.check()?;
        let name = format!("roan agent --emptied of {}", self.node);
        let connection = Connection::open(&self.nats, &name).await?;
        let Some(link) = Link::find(self, connection).await? else {
            return Err(self.is_not_known(&[]).into());
        };
        if Beats::find(self, &link).await?.is_none() {
            let admin = FleetAdmin::new(link.connection().clone(), self.stream.clone());
            let nodes = admin.status().await?.nodes;
            let nodes: Vec<_> = nodes.into_iter().map(|node| node.node).collect();
            return Err(self.is_not_known(&nodes).into());
        }
        let (mut beats, found) = Beats::open(self, &link, 0).await?;
        let Some(found) = found else {
            return Err(self.is_not_known(&[]).into());
        };
        let acknowledged = match link.look(0).await {
            // What has expired before the cache was emptied does not matter.
            Ok(look) => look.known.floor.max(look.known.first.saturating_sub(1)),
            Err(Trouble::NoConsumer) => {
                let last = link.last().await?;
                link.make_consumer(last).await?;
                last
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let heartbeat = Heartbeat {
            state: AgentState::Consuming,
            acknowledged,
            waiting: 0,
            unclean: None,
            cure: None,
            ..found.heartbeat.clone()
        };
        beats.note_emptied(&found, &heartbeat, unix_ms()).await?;
        Ok(beats.answer().await?)
    }

    fn is_not_known(&self, nodes: &[String]) -> ConfigError {
        let known = match nodes {
            [] => "no agent has run".to_owned(),
            nodes => format!("the stream knows {}", nodes.join(", ")),
        };
        let problem = format!(
            "is not a node of the stream {}: {known}: write the name of one (`--node`, `ROAN_NODE`), or start its agent first",
            self.stream.name()
        );
        ConfigError::value("node", &*self.node, problem)
    }
}

impl Beats {
    /// Waits until the agent has said something after what was written here.
    async fn answer(&mut self) -> Result<Emptied, Trouble> {
        let written = self.revision;
        let mut end = Instant::now() + PATIENCE;
        let mut last = None;
        loop {
            tokio::time::sleep(AGAIN).await;
            let found = self.read().await?;
            if self.revision != written
                && let Some(found) = found
            {
                let Heartbeat {
                    state,
                    unclean,
                    cure,
                    ..
                } = found.heartbeat;
                if state == AgentState::Consuming {
                    return Ok(Emptied::Consumes);
                }
                if last.is_none() {
                    end = Instant::now() + ONE_MORE;
                }
                let why = [unclean, cure].into_iter().flatten().collect::<Vec<_>>();
                last = Some(Emptied::NotReady(why.join(": ")));
            }
            if Instant::now() >= end {
                return Ok(last.unwrap_or(Emptied::DoesNotRun));
            }
        }
    }
}
