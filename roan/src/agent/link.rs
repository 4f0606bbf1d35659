//! What an agent asks of the servers: its stream, its consumer, and its heartbeat.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::pull::{Batch, Config};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::context::ConsumerInfoError;
use async_nats::jetstream::stream::{self, ConsumerErrorKind, Stream};

use super::position::Known;
use super::{Agent, AgentError};
use crate::base::cause::Cause;
use crate::fleet::stored::first_after;
use crate::fleet::stream::{Judgement, is_missing};
use crate::fleet::token::{CONSUMER, token};
use crate::fleet::{self, Connection, FleetError, leader};

/// A message that is neither acknowledged nor said to be in progress for so long is delivered again.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(15);

/// Why the agent cannot go on as it is.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The servers do not answer, or not as they should: the agent tries again.
    Server(String),
    /// The stream answers, and the consumer, which is there, does not.
    Mute(String),
    /// The consumer, or the whole stream, is not there any more.
    NoConsumer,
    /// The agent must end.
    Fatal(AgentError),
}

impl From<FleetError> for Trouble {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Connect { .. }
            | FleetError::JetStream { .. }
            | FleetError::Unanswered { .. } => Self::Server(error.to_string()),
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
    /// The copies of each message that the servers keep.
    pub(super) copies: usize,
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
            Err(error) if is_missing(&error.kind()) => Ok(None),
            Err(error) => Err(server(&connection, &format!("the stream {name}"), &error)),
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

    pub(super) fn server(&self, what: &str, error: &dyn std::fmt::Display) -> Trouble {
        server(&self.connection, what, error)
    }

    /// The copies of each message that the servers keep, as they were when the stream was found.
    pub(super) fn copies(&self) -> usize {
        self.stream.cached_info().config.num_replicas
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
                    _ => self.unanswered(&error).await,
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
            copies: info.config.num_replicas,
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
        let next = match first_after(&self.stream, ">", lacks.saturating_sub(1)).await {
            Ok(Some((next, _))) => next,
            Ok(None) => last + 1,
            // The floor of the consumer shows it later.
            Err(_) => lacks,
        };
        look.known.gone = (next > lacks).then(|| (lacks, next - 1));
        Ok(look)
    }

    /// Why the consumer does not answer. A user who may not ask is not answered either.
    async fn unanswered(&self, error: &ConsumerInfoError) -> Trouble {
        let is_denied = self.connection.denied().is_some();
        match self.server("the consumer", error) {
            Trouble::Server(problem) if !is_denied && self.info().await.is_ok() => {
                Trouble::Mute(problem)
            }
            trouble => trouble,
        }
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

fn server(connection: &Connection, what: &str, error: &dyn std::fmt::Display) -> Trouble {
    let servers = connection.servers();
    let problem = connection.denied_or(error);
    Trouble::Server(format!("JetStream at {servers}: {what}: {problem}"))
}

type ConsumerInfoKind = async_nats::jetstream::context::ConsumerInfoErrorKind;

fn is_gone(code: ErrorCode) -> bool {
    code == ErrorCode::CONSUMER_NOT_FOUND || code == ErrorCode::STREAM_NOT_FOUND
}

/// Asks for so many messages. They come as they are published, until the request expires. `None` asks for what is there: the
/// servers answer at once.
pub(super) async fn pull(
    consumer: &PullConsumer,
    messages: usize,
    expires: Option<Duration>,
) -> Result<Batch, Trouble> {
    let batch = match expires {
        Some(expires) => {
            let batch = consumer.batch().max_messages(messages).expires(expires);
            batch.messages().await
        }
        None => consumer.fetch().max_messages(messages).messages().await,
    };
    batch.map_err(|error| Trouble::Server(format!("cannot ask for messages: {error}")))
}

impl From<Trouble> for AgentError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Server(problem) | Trouble::Mute(problem) => Self::Server(Cause::new(problem)),
            Trouble::NoConsumer => Self::Server(Cause::new("the consumer is gone")),
            Trouble::Fatal(error) => error,
        }
    }
}
