//! Where an agent stands, as the servers know it: for `roan agent --check`.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::json;

use super::beats::Beats;
use super::link::{Link, Trouble};
use super::work::unix_ms;
use super::{Agent, AgentError};
use crate::base::counted::counted;
use crate::fleet::heartbeat::{AgentState, Heartbeat};
use crate::fleet::problem::Said;
use crate::fleet::{Connection, FleetStatus};

/// What waits when the look begins has so long to be acknowledged.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks.
const AGAIN: Duration = Duration::from_millis(200);

/// Where the agent of a node stands, as the servers know it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Standing {
    /// The name of the node.
    pub node: String,
    /// The servers.
    pub servers: String,
    /// The stream, with its first and its last message; `None` if it does not exist yet.
    pub stream: Option<(String, u64, u64)>,
    /// The number of messages that wait in the stream for the agent; `None` if it does not have a consumer.
    pub pending: Option<u64>,
    /// Whether the agent has acknowledged what the stream had at the beginning of the look.
    has_caught_up: bool,
    /// What of the settings of the stream can lose purges, and what to type.
    unfit: Option<String>,
    /// What the agent has last said of itself.
    said: Option<Heartbeat>,
}

impl Agent {
    /// Asks the servers where the agent of this node stands. It changes nothing. If messages wait, it waits up to 10 s until the
    /// agent has acknowledged them.
    ///
    /// # Errors
    ///
    /// If a setting is wrong, or the servers cannot be reached.
    pub async fn standing(&self) -> Result<Standing, AgentError> {
        self.check()?;
        let name = format!("roan agent --check of {}", self.node);
        let connection = Connection::open(&self.nats, &name).await?;
        let mut standing = Standing {
            node: self.node.clone(),
            servers: connection.servers().to_owned(),
            stream: None,
            pending: None,
            has_caught_up: false,
            unfit: None,
            said: None,
        };
        let Some(link) = Link::find(self, connection).await? else {
            return Ok(standing);
        };
        let (first, last) = link.ends().await?;
        standing.stream = Some((self.stream.name().to_owned(), first, last));
        // An agent that runs has messages open all the time: each until its rebound is answered.
        let end = Instant::now() + PATIENCE.min(self.ready_lag);
        loop {
            // Before the look: it must not say more than the stream had.
            standing.said = Beats::find(self, &link).await?;
            let look = match link.look(0).await {
                Ok(look) => look,
                Err(Trouble::NoConsumer) => break,
                Err(trouble) => return Err(trouble.into()),
            };
            standing.pending = Some(look.pending + look.unacknowledged);
            standing.unfit = look.judgement.unfit.map(|unfit| unfit.to_string());
            // The server of the consumer may lack messages, and its floor also moves past those that have expired.
            standing.has_caught_up = (standing.said.as_ref())
                .is_some_and(|said| (last..=look.known.last).contains(&said.acknowledged));
            if standing.has_caught_up || Instant::now() >= end {
                break;
            }
            tokio::time::sleep(AGAIN).await;
        }
        Ok(standing)
    }
}

impl Standing {
    /// Returns why the cache is not known to be up to date; `None` if it is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let node = &self.node;
        let Some((stream, _, last)) = &self.stream else {
            return Some(
                "the stream does not exist yet: start the app, which makes it, or give the agent `replicas` \
                 (`ROAN_FLEET_REPLICAS`), then it makes the stream, too"
                    .to_owned(),
            );
        };
        if let Some(unfit) = &self.unfit {
            return Some(unfit.clone());
        }
        let Some(said) = &self.said else {
            return Some(format!(
                "no heartbeat of an agent of {node:?} is there: start `roan agent`; if it runs, its log says why it cannot write one"
            ));
        };
        if self.silent_for() > FleetStatus::GONE_AFTER {
            let silent = seconds(self.silent_for());
            return Some(format!(
                "no heartbeat of the agent came for {silent}: start `roan agent`; if it runs, its log says why it cannot write one"
            ));
        }
        if let Some(problem) = Said::by(node, said).problem(said.state) {
            return Some(problem);
        }
        match said.state {
            AgentState::Emptying => Some(format!(
                "its cache is being emptied: {}",
                said.unclean.as_deref().unwrap_or("no reason is known")
            )),
            AgentState::Consuming if self.pending.is_none() => Some(format!(
                "the stream {stream} has no consumer of the agent, which will empty the cache"
            )),
            AgentState::Consuming if said.acknowledged > *last && !self.has_caught_up => {
                Some(format!(
                    "the stream {stream} is another one than the agent speaks of, and it will empty the cache"
                ))
            }
            AgentState::Consuming if !self.has_caught_up => Some(format!(
                "{} not acknowledged, and the agent was heard {} ago: see that it runs, and whether its log says that the \
                 cache does not answer",
                counted_are((last - said.acknowledged).max(self.pending.unwrap_or_default())),
                seconds(self.silent_for())
            )),
            // The rest of what the agent says is above.
            AgentState::Consuming | AgentState::WaitingForOperator | AgentState::Unclean => None,
        }
    }

    fn silent_for(&self) -> Duration {
        let at = self.said.as_ref().map_or(0, |said| said.at);
        Duration::from_millis(unix_ms().saturating_sub(at))
    }

    /// Returns the same as an object in JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        json!({
            "node": self.node,
            "servers": self.servers,
            "stream": self.stream.as_ref().map(|(name, first, last)| json!({"name": name, "first": first, "last": last})),
            "pending": self.pending,
            "heartbeat": self.said.as_ref().map(Heartbeat::to_json),
            "problem": self.problem(),
        })
        .to_string()
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "node       {}", self.node)?;
        writeln!(f, "servers    {}", self.servers)?;
        if let Some((name, first, last)) = &self.stream {
            writeln!(f, "stream     {name}, messages {first} to {last}")?;
        }
        match self.pending {
            Some(pending) => {
                let pending = counted(pending, "message");
                writeln!(f, "consumer   {pending} not acknowledged")?;
            }
            None => writeln!(f, "consumer   none")?,
        }
        if let Some(said) = &self.said {
            let state = said.state.as_str();
            let since = seconds(self.silent_for());
            writeln!(
                f,
                "agent      {state}, version {}, heard {since} ago",
                said.version
            )?;
            writeln!(f, "cache      {}", said.cache)?;
            if let Some(answer) = &said.last_answer {
                writeln!(f, "answer     {}: {}", answer.target, answer.outcome)?;
            }
            for warning in &said.warnings {
                writeln!(f, "warning    {warning}")?;
            }
        }
        match self.problem() {
            Some(problem) => write!(f, "NOT READY  {problem}"),
            None => write!(
                f,
                "ok         up to date, as far as the last heartbeat says"
            ),
        }
    }
}

fn counted_are(messages: u64) -> String {
    let is = if messages == 1 { "is" } else { "are" };
    format!("{} {is}", counted(messages, "message"))
}

fn seconds(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}
