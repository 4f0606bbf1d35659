//! Looks at a fleet through its NATS servers, and drops nodes that are away for good.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{DeliverPolicy, Info};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{self, ConsumerErrorKind};
use futures_util::StreamExt;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::clock::Clock;
use super::heartbeat::{BUCKET, BUCKET_STREAM, Heartbeat, few_copies};
use super::leader::{self, NO_LEADER};
use super::status::{Consumed, FleetStatus, Heard, node};
use super::stored::{first_after, last_of};
use super::stream::{Judgement, is_missing};
use super::subject::ALL;
use super::token::{CONSUMER, token};
use super::{Connection, FleetError, Nats, Stream};

/// So many heartbeats are asked for at once.
const AT_ONCE: usize = 64;

/// How long the stream may be without a leader, and the time between two looks.
const ELECTION: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(250);

/// Looks after a fleet: says how its nodes are, and drops those that are away for good.
///
/// ```no_run
/// use std::time::Duration;
/// use roan::fleet::{FleetAdmin, Nats, Stream};
///
/// # async fn look() -> Result<(), Box<dyn std::error::Error>> {
/// let nats = Nats::at("nats://nats-1.internal:4222")?;
/// let admin = FleetAdmin::connect(&nats, &Stream::new()).await?;
/// for node in admin.status().await?.nodes {
///     let problem = node.problem(Duration::from_secs(30));
///     println!("{}: {}", node.node, problem.unwrap_or_else(|| node.state.to_string()));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FleetAdmin {
    connection: Connection,
    settings: Stream,
    clock: Clock,
}

impl FleetAdmin {
    /// Connects to the servers. Its client is a task of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// If a file of the settings cannot be read, or if no server can be reached, or they refuse this user.
    pub async fn connect(nats: &Nats, stream: &Stream) -> Result<Self, FleetError> {
        let connection = Connection::open(nats, "roan fleet").await?;
        Ok(Self::new(connection, stream.clone()))
    }

    /// On a connection that there is.
    pub(crate) fn new(connection: Connection, stream: Stream) -> Self {
        Self {
            connection,
            settings: stream,
            clock: Clock::default(),
        }
    }

    /// How the nodes are.
    ///
    /// A node is in the list as long as it has a consumer or a heartbeat: the stream forgets either after the time that is set
    /// for it, by default a week.
    ///
    /// # Errors
    ///
    /// If the servers do not answer, or refuse; if there is no stream of that name.
    pub async fn status(&self) -> Result<FleetStatus, FleetError> {
        let stream = self.stream().await?;
        let Heartbeats {
            now,
            kept,
            heard,
            problem,
            warning,
            copies,
        } = self.heartbeats().await;
        let infos = self.consumers().await?;
        // After all that was said of it.
        let info = self.info(&stream).await?;
        let Judgement {
            unfit,
            mut warnings,
        } = self.settings.judge(&self.connection, &info.config);
        warnings.extend(warning);
        warnings.extend(copies.and_then(|copies| few_copies(copies, info.config.num_replicas)));
        warnings.extend(leader::silent_copies(&info));
        let state = info.state;
        let consumed = self
            .consumed(&stream, infos, &heard, state.last_sequence)
            .await?;
        let mut names: Vec<&String> = consumed.keys().chain(heard.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let nodes = names.into_iter().map(|token| {
            let (consumed, heard) = (consumed.get(token), heard.get(token));
            node(
                named(token),
                consumed,
                heard,
                state.first_sequence,
                (now, kept),
            )
        });
        Ok(FleetStatus {
            stream: self.settings.name().to_owned(),
            problem: problem.or(unfit.map(|unfit| unfit.to_string())),
            warnings,
            messages: state.messages,
            bytes: state.bytes,
            first: state.first_sequence,
            last: state.last_sequence,
            nodes: nodes.collect(),
        })
    }

    /// Forgets a node: deletes its consumer, so that the stream does not keep messages for it, and its heartbeat. Returns
    /// whether there was either.
    ///
    /// If its agent comes back, it makes a new consumer and empties its cache.
    ///
    /// # Errors
    ///
    /// If the servers do not answer, or refuse.
    pub async fn drop_node(&self, node: &str) -> Result<bool, FleetError> {
        let stream = self.stream().await?;
        let token = token(node);
        let consumer = format!("{CONSUMER}{token}");
        let had_consumer = match stream.delete_consumer(&consumer).await {
            Ok(status) => status.success,
            Err(error) => match error.kind() {
                ConsumerErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND =>
                {
                    false
                }
                _ => return Err(self.unanswered(&error)),
            },
        };
        let Some(bucket) = self.bucket().await? else {
            return Ok(had_consumer);
        };
        let purged = bucket.purge().filter(format!("$KV.{BUCKET}.{token}")).await;
        let purged = purged.map_err(|error| self.unanswered(&error))?;
        Ok(had_consumer || purged.purged > 0)
    }

    /// A request that has no answer, or a bad one. A server does not answer a user who may not ask.
    fn unanswered(&self, error: &(dyn std::error::Error + 'static)) -> FleetError {
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        match cause.downcast_ref::<async_nats::jetstream::Error>() {
            Some(refused) if refused.error_code() == ErrorCode::CLUSTER_NOT_AVAILABLE => {
                self.connection.passing(format!("{refused}: {NO_LEADER}"))
            }
            Some(refused) => self.connection.failed(refused.to_string()),
            None => match self.connection.denied() {
                Some(denied) => self.connection.failed(denied),
                None => self.connection.passing(self.connection.trouble(NO_LEADER)),
            },
        }
    }

    async fn stream(&self) -> Result<stream::Stream, FleetError> {
        let name = self.settings.name();
        let stream = self.connection.jetstream().get_stream(name).await;
        stream.map_err(|error| match is_missing(&error.kind()) {
            true => self.connection.failed(format!(
                "there is no stream {name}: the first app that uses the fleet makes it; if it has another name, set `stream` in the \
                 file, or `ROAN_FLEET_STREAM`"
            )),
            false => self.unanswered(&error),
        })
    }

    /// The settings of the stream and what it has, as its leader says. An election takes a moment.
    async fn info(&self, stream: &stream::Stream) -> Result<stream::Info, FleetError> {
        let end = Instant::now() + ELECTION;
        loop {
            let info = stream.get_info().await;
            let info = info.map_err(|error| self.unanswered(&error))?;
            match self.of_leader(&info) {
                Ok(()) => return Ok(info),
                Err(error) if Instant::now() >= end => return Err(error),
                Err(_) => sleep(AGAIN).await,
            }
        }
    }

    /// An error unless the leader of the stream has said this of it, or its only server.
    fn of_leader(&self, info: &stream::Info) -> Result<(), FleetError> {
        match leader::doubt(info) {
            None => Ok(()),
            Some(doubt) => Err(self.connection.passing(format!("{doubt}: {NO_LEADER}"))),
        }
    }

    /// The stream of the heartbeats, which the first agent makes.
    async fn bucket(&self) -> Result<Option<stream::Stream>, FleetError> {
        let jetstream = self.connection.jetstream();
        match jetstream.get_stream(BUCKET_STREAM).await {
            Ok(bucket) => Ok(Some(bucket)),
            Err(error) if is_missing(&error.kind()) => Ok(None),
            Err(error) => Err(self.unanswered(&error)),
        }
    }

    /// The last heartbeat of each node. Purges and consumers may be known where the heartbeats are not.
    async fn heartbeats(&self) -> Heartbeats {
        let end = Instant::now() + ELECTION;
        loop {
            match self.heard().await {
                Ok(heartbeats) => return heartbeats,
                Err(FleetError::Unanswered { .. }) if Instant::now() < end => sleep(AGAIN).await,
                Err(error) => {
                    return Heartbeats {
                        problem: Some(format!(
                            "the heartbeats of the agents cannot be read: {error}"
                        )),
                        kept: None,
                        ..Heartbeats::none()
                    };
                }
            }
        }
    }

    /// The leader of the bucket answers for all of this. A consumer may be placed on a server that is away.
    async fn heard(&self) -> Result<Heartbeats, FleetError> {
        let Some(bucket) = self.bucket().await? else {
            return Ok(Heartbeats::none());
        };
        let subject = format!("$KV.{BUCKET}.");
        let mut subjects = bucket
            .info_with_subjects(format!("{subject}>"))
            .await
            .map_err(|error| self.unanswered(&error))?;
        let info = &subjects.info;
        self.of_leader(info)?;
        let copies = Some(info.config.num_replicas);
        let (now, warning) = self.clock.now(&self.connection, &info.state).await;
        let kept = Some(now.duration_since(info.created.into()).unwrap_or_default());
        let mut tokens = Vec::new();
        while let Some(found) = subjects.next().await {
            let (found, _count) = found.map_err(|error| self.unanswered(&error))?;
            tokens.extend(found.strip_prefix(&*subject).map(str::to_owned));
        }
        let looks = tokens.into_iter().map(|token| {
            let bucket = &bucket;
            let subject = format!("{subject}{token}");
            async move { (token, last_of(bucket, &subject).await) }
        });
        let mut looks = futures_util::stream::iter(looks).buffer_unordered(AT_ONCE);
        let mut heard = BTreeMap::new();
        while let Some((token, found)) = looks.next().await {
            let Some(message) = found.map_err(|error| self.unanswered(&error))? else {
                continue;
            };
            // Of a node that was dropped.
            if message.headers.get("KV-Operation").is_none() {
                let heartbeat = Heartbeat::read(&message.payload);
                let at = SystemTime::from(message.time);
                heard.insert(token, Heard { at, heartbeat });
            }
        }
        Ok(Heartbeats {
            now,
            kept,
            heard,
            warning,
            copies,
            problem: None,
        })
    }

    /// The consumers of the stream; `None` for one whose server does not answer.
    ///
    /// nats-server 2.9 says of each page, in a cluster, that it is the last one, so the last one is empty.
    async fn consumers(&self) -> Result<Vec<(String, Option<Info>)>, FleetError> {
        let mut found = Vec::new();
        loop {
            let page = json!({ "offset": found.len() });
            let subject = format!("CONSUMER.LIST.{}", self.settings.name());
            let answer = self.connection.jetstream().request(subject, &page).await;
            let page: Value = match answer.map_err(|error| self.unanswered(&error))? {
                Response::Ok(page) => page,
                Response::Err { error } => return Err(self.connection.failed(error.to_string())),
            };
            let list = |key: &str| page.get(key).and_then(Value::as_array).cloned();
            let before = found.len();
            for info in list("consumers").unwrap_or_default() {
                let info = serde_json::from_value::<Info>(info);
                let info = info.map_err(|error| {
                    self.connection
                        .failed(format!("a consumer cannot be read: {error}"))
                })?;
                found.push((info.name.clone(), Some(info)));
            }
            let missing = list("missing").unwrap_or_default();
            found.extend(
                missing
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|name| (name.to_owned(), None)),
            );
            if found.len() == before {
                return Ok(found);
            }
        }
    }

    /// What each node has acknowledged; `None` if neither the server of its consumer nor its agent says so.
    async fn consumed(
        &self,
        stream: &stream::Stream,
        infos: Vec<(String, Option<Info>)>,
        heard: &BTreeMap<String, Heard>,
        last: u64,
    ) -> Result<BTreeMap<String, Option<Consumed>>, FleetError> {
        let mut consumed = BTreeMap::new();
        let mut looks = JoinSet::new();
        for (name, info) in infos {
            let Some(token) = name.strip_prefix(CONSUMER).map(str::to_owned) else {
                continue;
            };
            let heard = heard.get(&token);
            let proven = heard.and_then(|heard| Some((heard.proven(last)?, heard.at)));
            let (mut one, filter) = match (info, proven) {
                (Some(info), _) => (of_consumer(&info), info.config.filter_subject),
                // The agent's own number is enough. Its consumer has no filter.
                (None, Some((proven, at))) => (of_heartbeat(proven, last, at), String::new()),
                (None, None) => {
                    consumed.insert(token, None);
                    continue;
                }
            };
            if let Some((proven, _)) = proven {
                one.limit(proven);
            }
            // The server of the consumer may lag behind that of the stream.
            if one.acknowledged < last {
                let (stream, token, after) = (stream.clone(), token.clone(), one.acknowledged);
                let filter = match one.is_of_all {
                    true => ">".to_owned(),
                    false => filter,
                };
                looks.spawn(async move { (token, first_after(&stream, &filter, after).await) });
            }
            consumed.insert(token, Some(one));
        }
        while let Some(look) = looks.join_next().await {
            let Ok((node, found)) = look else { continue };
            let found = found.map_err(|error| self.unanswered(&error))?;
            if let (Some(Some(one)), Some(oldest)) = (consumed.get_mut(&node), found) {
                one.oldest = Some(oldest);
                one.lag = one.lag.max(1);
            }
        }
        Ok(consumed)
    }
}

/// What the agents say of themselves, by their tokens.
struct Heartbeats {
    /// The time at the servers.
    now: SystemTime,
    /// How long they have had the bucket. `None` if they do not answer for it.
    kept: Option<Duration>,
    heard: BTreeMap<String, Heard>,
    /// Why they do not.
    problem: Option<String>,
    /// What makes them less sure.
    warning: Option<String>,
    /// How many copies of them the servers keep.
    copies: Option<usize>,
}

impl Heartbeats {
    /// The first agent makes the bucket.
    fn none() -> Self {
        Self {
            now: SystemTime::now(),
            kept: Some(Duration::ZERO),
            heard: BTreeMap::new(),
            problem: None,
            warning: None,
            copies: None,
        }
    }
}

/// The name of the node with this token.
fn named(token: &str) -> String {
    let token = token.replace('=', "%");
    percent_decode_str(&token).decode_utf8_lossy().into_owned()
}

fn of_consumer(info: &Info) -> Consumed {
    let times = [info.delivered.last_active, info.ack_floor.last_active];
    let times = times.into_iter().flatten().chain([info.created]);
    let used = times.map(SystemTime::from).max();
    // The floor of nats-server 2.9 is 0 until the first acknowledgement in order.
    let before = match info.config.deliver_policy {
        DeliverPolicy::ByStartSequence { start_sequence } => start_sequence.saturating_sub(1),
        _ => 0,
    };
    let delivered = match info.num_ack_pending {
        0 => info.delivered.stream_sequence,
        _ => 0,
    };
    Consumed {
        acknowledged: info.ack_floor.stream_sequence.max(before).max(delivered),
        lag: info.num_pending + info.num_ack_pending as u64,
        oldest: None,
        is_of_all: ["", ">", ALL].contains(&&*info.config.filter_subject),
        used: used.unwrap_or(SystemTime::UNIX_EPOCH),
    }
}

fn of_heartbeat(acknowledged: u64, last: u64, at: SystemTime) -> Consumed {
    Consumed {
        acknowledged,
        lag: last.saturating_sub(acknowledged),
        oldest: None,
        is_of_all: true,
        used: at,
    }
}
