//! What an agent asks of the servers: its stream, its consumer, and its heartbeat.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::pull::{Batch, Config};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::kv::{self, UpdateErrorKind};
use async_nats::jetstream::stream::{self, ConsumerErrorKind, RawMessageErrorKind, Stream};
use serde_json::Value;

use super::position::Known;
use super::{Agent, AgentError};
use crate::base::cause::Cause;
use crate::fleet::heartbeat::{BUCKET, Heartbeat};
use crate::fleet::stream::Judgement;
use crate::fleet::token::{CONSUMER, token};
use crate::fleet::{self, Connection, FleetError, leader};

/// A message that is neither acknowledged nor said to be in progress for so long is delivered again.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(15);

/// A request for messages ends after this, and is made again: one that a server has lost must not be waited for.
const EXPIRES: Duration = Duration::from_secs(10);

/// Why the agent cannot go on as it is.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The servers do not answer, or not as they should: the agent tries again.
    Server(String),
    /// The consumer, or the whole stream, is not there any more.
    NoConsumer,
    /// The agent must end.
    Fatal(AgentError),
}

impl From<FleetError> for Trouble {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Connect { .. } | FleetError::JetStream { .. } => {
                Self::Server(error.to_string())
            }
            FleetError::Config(_) | FleetError::Denied { .. } | FleetError::Stream { .. } => {
                Self::Fatal(AgentError::Fleet(error))
            }
        }
    }
}

/// The stream and the heartbeat of an agent.
pub(super) struct Link {
    connection: Connection,
    stream: Stream,
    /// What the agent wants of it.
    settings: fleet::Stream,
    name: String,
    config: Config,
    warnings: Vec<String>,
}

/// What a look at the stream and the consumer has found.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) known: Known,
    /// The last message that the consumer has delivered.
    pub(super) delivered: u64,
    /// The messages that the stream has for it.
    pub(super) pending: u64,
    /// Those that it has delivered, and that are not acknowledged.
    pub(super) unacknowledged: u64,
    /// Whether it delivers what it should, as far as that cannot be changed.
    pub(super) is_ours: bool,
    /// What is to be said of the settings of the stream, as they are now.
    pub(super) judgement: Judgement,
    /// How long the stream keeps messages. `None` for ever.
    pub(super) max_age: Option<Duration>,
}

impl Link {
    /// Finds the stream, or makes it if `may_make`.
    pub(super) async fn open(
        agent: &Agent,
        connection: Connection,
        may_make: bool,
    ) -> Result<Self, Trouble> {
        let opened = agent.stream.open_to_read(&connection, may_make).await?;
        Ok(Self::new(agent, connection, opened.stream, opened.warnings))
    }

    /// Finds the stream.
    pub(super) async fn find(
        agent: &Agent,
        connection: Connection,
    ) -> Result<Option<Self>, Trouble> {
        let name = agent.stream.name();
        match connection.jetstream().get_stream(name).await {
            Ok(stream) => Ok(Some(Self::new(agent, connection, stream, Vec::new()))),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(known) if is_gone(known.error_code()) => Ok(None),
                _ => {
                    let servers = connection.servers();
                    let problem = connection.denied().unwrap_or_else(|| error.to_string());
                    Err(Trouble::Server(format!(
                        "JetStream at {servers}: the stream {name}: {problem}"
                    )))
                }
            },
        }
    }

    fn new(agent: &Agent, connection: Connection, stream: Stream, warnings: Vec<String>) -> Self {
        let name = format!("{CONSUMER}{}", token(&agent.node));
        let config = Config {
            durable_name: Some(name.clone()),
            description: Some(format!("roan agent of {}", agent.node)),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: i64::try_from(agent.most_open).unwrap_or(i64::MAX),
            inactive_threshold: agent.inactive_threshold,
            ..Config::default()
        };
        Self {
            connection,
            stream,
            settings: agent.stream.clone(),
            name,
            config,
            warnings,
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What the operator should know of the stream.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn server(&self, what: &str, error: &dyn std::fmt::Display) -> Trouble {
        let servers = self.connection.servers();
        let problem = self.connection.denied();
        let problem = problem.unwrap_or_else(|| error.to_string());
        Trouble::Server(format!("JetStream at {servers}: {what}: {problem}"))
    }

    /// How long the stream keeps messages. `None` for ever.
    pub(super) fn max_age(&self) -> Option<Duration> {
        max_age(&self.stream.cached_info().config)
    }

    /// The settings of the stream and what it has, as its leader says.
    async fn info(&self) -> Result<stream::Info, Trouble> {
        let info = self.stream.get_info().await;
        let info = info.map_err(|error| self.server("the stream", &error))?;
        // Another server may lack messages, and the stream would be taken for an old copy.
        match leader::doubt(&info) {
            None => Ok(info),
            Some(doubt) => Err(self.server("the stream", &doubt)),
        }
    }

    /// The numbers of the first and the last message of the stream.
    pub(super) async fn ends(&self) -> Result<(u64, u64), Trouble> {
        let state = self.info().await?.state;
        Ok((state.first_sequence, state.last_sequence))
    }

    /// The number of the last message of the stream.
    pub(super) async fn last(&self) -> Result<u64, Trouble> {
        self.ends().await.map(|(_, last)| last)
    }

    /// Looks at the consumer first, and then at the stream: see [`Known`].
    pub(super) async fn look(&self, taken: u64) -> Result<Look, Trouble> {
        let consumer = match self.stream.consumer_info(&self.name).await {
            Ok(consumer) => consumer,
            Err(error) => {
                return Err(match error.kind() {
                    ConsumerInfoKind::NotFound | ConsumerInfoKind::StreamNotFound => {
                        Trouble::NoConsumer
                    }
                    ConsumerInfoKind::JetStream(known) if is_gone(known.error_code()) => {
                        Trouble::NoConsumer
                    }
                    _ => self.server("the consumer", &error),
                });
            }
        };
        let info = self.info().await?;
        let known = Known {
            floor: consumer.ack_floor.stream_sequence,
            first: info.state.first_sequence,
            last: info.state.last_sequence,
            taken,
            gone: None,
        };
        let is_ours = consumer.config.filter_subject.is_empty()
            && consumer.config.ack_policy == AckPolicy::Explicit
            && consumer.config.deliver_subject.is_none();
        Ok(Look {
            known,
            delivered: consumer.delivered.stream_sequence,
            pending: consumer.num_pending,
            unacknowledged: consumer.num_ack_pending as u64,
            is_ours,
            judgement: self.settings.judge(&self.connection, &info.config),
            max_age: max_age(&info.config),
        })
    }

    /// The same, and looks whether the stream has the message `lacks`, the lowest that the agent has not had. The consumer
    /// passes over one that was removed, and says nothing of it.
    pub(super) async fn look_for(&self, taken: u64, lacks: u64) -> Result<Look, Trouble> {
        let mut look = self.look(taken).await?;
        let last = look.known.last;
        if lacks > last {
            return Ok(look);
        }
        let next = match (self.stream)
            .get_first_raw_message_by_subject(">", lacks)
            .await
        {
            Ok(next) => next.sequence,
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => last + 1,
                RawMessageErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::NO_MESSAGE_FOUND =>
                {
                    last + 1
                }
                // The floor of the consumer shows it later.
                _ => lacks,
            },
        };
        look.known.gone = (next > lacks).then(|| (lacks, next - 1));
        Ok(look)
    }

    /// Makes the consumer anew, so that it delivers what comes after the message `last`.
    pub(super) async fn make_consumer(&self, last: u64) -> Result<PullConsumer, Trouble> {
        match self.stream.delete_consumer(&self.name).await {
            Ok(_) => {}
            Err(error) => match error.kind() {
                ConsumerErrorKind::JetStream(known) if is_gone(known.error_code()) => {}
                _ => return Err(self.server("cannot delete the consumer", &error)),
            },
        }
        self.set_consumer(DeliverPolicy::ByStartSequence {
            start_sequence: last + 1,
        })
        .await
    }

    /// Gives the consumer that is there the settings of this agent.
    pub(super) async fn find_consumer(&self) -> Result<PullConsumer, Trouble> {
        let info = self.stream.consumer_info(&self.name).await;
        let info = info.map_err(|error| self.server("the consumer", &error))?;
        self.set_consumer(info.config.deliver_policy).await
    }

    async fn set_consumer(&self, deliver_policy: DeliverPolicy) -> Result<PullConsumer, Trouble> {
        let config = Config {
            deliver_policy,
            ..self.config.clone()
        };
        let made = self.stream.create_consumer(config).await;
        made.map_err(|error| {
            self.server(&format!("cannot make the consumer {}", self.name), &error)
        })
    }
}

fn max_age(config: &stream::Config) -> Option<Duration> {
    (!config.max_age.is_zero()).then_some(config.max_age)
}

type ConsumerInfoKind = async_nats::jetstream::context::ConsumerInfoErrorKind;

fn is_gone(code: ErrorCode) -> bool {
    code == ErrorCode::CONSUMER_NOT_FOUND || code == ErrorCode::STREAM_NOT_FOUND
}

/// Asks for so many messages. They come as they are published.
pub(super) async fn pull(consumer: &PullConsumer, messages: usize) -> Result<Batch, Trouble> {
    let batch = consumer.batch().max_messages(messages).expires(EXPIRES);
    let batch = batch.messages().await;
    batch.map_err(|error| Trouble::Server(format!("cannot ask for messages: {error}")))
}

/// The heartbeat of an agent. What it says of the cache outlives the agent: one that was being emptied, or is unclean, is not
/// clean after a restart.
pub(super) struct Beats {
    connection: Connection,
    store: kv::Store,
    key: String,
    /// Another one for each agent, so that two of one name find each other.
    instance: u64,
    /// One more than that of the agent before it.
    generation: u64,
    revision: u64,
    /// Whether it has written since its start: then what it knows is the last that was said.
    has_written: bool,
    /// When somebody has said that the cache is empty, as far as this agent knows.
    emptied: u64,
    /// The caches of the agent: see [`Found`].
    caches: Option<String>,
    /// Whether another agent of this name has run beside this one, which that one has said before it ended.
    had_twin: bool,
}

/// What was last written under the name of the node.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) heartbeat: Heartbeat,
    instance: u64,
    /// An agent that has found out that it is the older one of two, and ends. 0 for none.
    twin: u64,
    /// 0 if an older version wrote it.
    generation: u64,
    /// In Unix milliseconds; 0 for never.
    emptied: u64,
    /// The caches of the agent with their nodes. `None` if an older version wrote it, or if somebody has said that the cache is
    /// empty, whichever it is.
    pub(super) caches: Option<String>,
}

impl Beats {
    /// Finds the bucket, or makes it, and reads what was last said of this node.
    pub(super) async fn open(
        agent: &Agent,
        link: &Link,
        instance: u64,
    ) -> Result<(Self, Option<Found>), Trouble> {
        let jetstream = link.connection.jetstream();
        let store = match jetstream.get_key_value(BUCKET).await {
            Ok(store) => store,
            Err(_) => {
                // If another agent was faster, the bucket is there.
                let made = jetstream.create_stream(bucket(agent, link)).await;
                let store = jetstream.get_key_value(BUCKET).await;
                store.map_err(|error| match made {
                    Err(error) => link.server("cannot make the bucket", &error),
                    Ok(_) => link.server("cannot find the bucket", &error),
                })?
            }
        };
        let mut beats = Self::new(agent, link, store, instance);
        let found = beats.read().await?;
        if let Some(found) = &found {
            beats.emptied = found.emptied;
            beats.generation = found.generation + u64::from(found.instance != instance);
        }
        Ok((beats, found))
    }

    /// Reads what was last said of the node, and changes nothing.
    pub(super) async fn find(agent: &Agent, link: &Link) -> Result<Option<Heartbeat>, Trouble> {
        let jetstream = link.connection.jetstream();
        let Ok(store) = jetstream.get_key_value(BUCKET).await else {
            return Ok(None);
        };
        let mut beats = Self::new(agent, link, store, 0);
        Ok(beats.read().await?.map(|found| found.heartbeat))
    }

    fn new(agent: &Agent, link: &Link, store: kv::Store, instance: u64) -> Self {
        Self {
            connection: link.connection.clone(),
            store,
            key: token(&agent.node).into_owned(),
            instance,
            generation: 1,
            revision: 0,
            has_written: false,
            emptied: 0,
            caches: None,
            had_twin: false,
        }
    }

    fn server(&self, what: &str, error: &dyn std::fmt::Display) -> Trouble {
        let problem = self.connection.denied();
        let problem = problem.unwrap_or_else(|| error.to_string());
        Trouble::Server(format!(
            "cannot {what} the heartbeat in {BUCKET}: {problem}"
        ))
    }

    /// Says from now on which caches the agent has.
    pub(super) fn set_caches(&mut self, caches: String) {
        self.caches = Some(caches);
    }

    /// Takes over what another connection has seen.
    pub(super) fn remember(&mut self, earlier: &Self) {
        self.emptied = earlier.emptied;
        self.had_twin = earlier.had_twin;
    }

    /// The revision of what was last read or written.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Reads what is there, to write after it.
    pub(super) async fn read(&mut self) -> Result<Option<Found>, Trouble> {
        let entry = self.store.entry(&self.key).await;
        let entry = entry.map_err(|error| self.server("read", &error))?;
        let Some(entry) = entry else {
            self.revision = 0;
            return Ok(None);
        };
        self.revision = entry.revision;
        if entry.operation != kv::Operation::Put {
            return Ok(None);
        }
        let value: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        let caches = value.get("caches").and_then(Value::as_str);
        // What cannot be read says nothing of the cache.
        Ok(Heartbeat::read(&entry.value).ok().map(|heartbeat| Found {
            heartbeat,
            instance: number("instance").unwrap_or_default(),
            twin: number("twin").unwrap_or_default(),
            generation: number("generation").unwrap_or_default(),
            emptied: number("emptied").unwrap_or_default(),
            caches: caches.map(str::to_owned),
        }))
    }

    /// Writes it, and returns whether somebody has said since the last time that the cache is empty.
    pub(super) async fn write(&mut self, heartbeat: &Heartbeat) -> Result<bool, Trouble> {
        let mut is_emptied = false;
        // Whoever else writes does so rarely.
        for _ in 0..8 {
            let value = Found {
                heartbeat: heartbeat.clone(),
                instance: self.instance,
                twin: 0,
                generation: self.generation,
                emptied: self.emptied,
                caches: self.caches.clone(),
            };
            let value = value.to_json().into();
            match self.store.update(&self.key, value, self.revision).await {
                Ok(revision) => {
                    self.revision = revision;
                    self.has_written = true;
                    return Ok(is_emptied);
                }
                // What was read at the start was not the last: an agent before this one may have said more since.
                Err(error)
                    if error.kind() == UpdateErrorKind::WrongLastRevision && !self.has_written =>
                {
                    let problem = "the heartbeat has changed since it was read".to_owned();
                    return Err(Trouble::Server(problem));
                }
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                    let Some(found) = self.read().await? else {
                        continue;
                    };
                    // nats-server 2.9 checks the revision before the copies agree, and may write what a killed agent has
                    // sent over what came after it. That is not a second agent, and what it says was true.
                    let is_ours = found.instance == self.instance;
                    if !is_ours && found.generation >= self.generation {
                        if self.caches.is_some() {
                            self.say_to_twin(found).await;
                        }
                        return Err(Trouble::Fatal(AgentError::SameName {
                            node: heartbeat.node.clone(),
                        }));
                    }
                    self.had_twin |= is_ours && found.twin != 0;
                    if found.emptied > self.emptied {
                        self.emptied = found.emptied;
                        is_emptied = true;
                    }
                }
                Err(error) => return Err(self.server("write", &error)),
            }
        }
        Err(Trouble::Server(format!(
            "cannot write the heartbeat into {BUCKET}: others write it all the time"
        )))
    }

    /// Says to the other agent of this name that this one has run beside it: what one of them has acknowledged was not purged at
    /// the cache of the other, and the other may have begun where this one was.
    async fn say_to_twin(&mut self, mut found: Found) {
        // The other one may write meanwhile.
        for _ in 0..3 {
            found.twin = self.instance;
            let value = found.to_json().into();
            if (self.store.update(&self.key, value, self.revision).await).is_ok() {
                return;
            }
            match self.read().await {
                Ok(Some(again)) => found = again,
                _ => return,
            }
        }
    }

    /// Whether another agent of this name has run beside this one, and has ended. It says so once.
    pub(super) fn take_twin(&mut self) -> bool {
        std::mem::take(&mut self.had_twin)
    }

    /// Says in place of the agent, of which this is the last heartbeat, that its cache is empty.
    pub(super) async fn note_emptied(
        &mut self,
        found: Option<&Found>,
        heartbeat: &Heartbeat,
        now: u64,
    ) -> Result<(), Trouble> {
        if let Some(found) = found {
            (self.instance, self.generation) = (found.instance, found.generation);
        }
        // The agent may write at any time.
        self.has_written = true;
        self.emptied = now.max(self.emptied + 1);
        self.write(heartbeat).await.map(|_| ())
    }
}

impl Found {
    /// The heartbeat with what the agents of one name need of each other.
    fn to_json(&self) -> String {
        let mut value = self.heartbeat.to_json();
        value["instance"] = self.instance.into();
        value["generation"] = self.generation.into();
        value["emptied"] = self.emptied.into();
        value["caches"] = self.caches.clone().into();
        if self.twin != 0 {
            value["twin"] = self.twin.into();
        }
        value.to_string()
    }
}

/// The stream of the bucket. async-nats would ask for the limits of the account first, and does not understand the answer of
/// nats-server 2.9.
fn bucket(agent: &Agent, link: &Link) -> stream::Config {
    stream::Config {
        name: format!("KV_{BUCKET}"),
        description: Some("the agents of a fleet, by Roan".to_owned()),
        subjects: vec![format!("$KV.{BUCKET}.>")],
        max_messages_per_subject: 1,
        max_age: agent.inactive_threshold,
        duplicate_window: agent.inactive_threshold.min(Duration::from_secs(120)),
        storage: stream::StorageType::File,
        num_replicas: link.stream.cached_info().config.num_replicas,
        allow_rollup: true,
        deny_delete: true,
        // A replica that lags could say that a cache is clean, when the leader knows better.
        allow_direct: false,
        discard: stream::DiscardPolicy::New,
        max_messages: -1,
        max_bytes: -1,
        max_consumers: -1,
        max_message_size: -1,
        ..stream::Config::default()
    }
}

impl From<Trouble> for AgentError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Server(problem) => Self::Server(Cause::new(problem)),
            Trouble::NoConsumer => Self::Server(Cause::new("the consumer is gone")),
            Trouble::Fatal(error) => error,
        }
    }
}
