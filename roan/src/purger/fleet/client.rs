//! The client of a stream.

use std::collections::HashSet;
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use futures_util::future::{Either, select};
use tokio::sync::Mutex;

use crate::base::log::{emit, loudly, warn_loudly_as};
use crate::base::outcome::Failure;
use crate::base::site::Site;
use crate::fleet::{Connection, FleetError, Nats, Stream, message, subject};
use crate::purger::cache::{Answering, AnyPurger, Checking};
use crate::purger::{Answer, PurgeRequest};

/// Several purges that find the servers down together ask them once.
const ASKED_ONCE: Duration = Duration::from_millis(50);

/// A stream, and the connection that is opened when it is first needed.
pub(super) struct FleetNode {
    cache: String,
    nats: Nats,
    stream: Stream,
    timeout: Duration,
    link: Mutex<Link>,
}

#[derive(Default)]
struct Link {
    connection: Option<Connection>,
    /// Whether the stream was found and checked since it was last lost.
    is_checked: bool,
    /// Why that failed, and when.
    failure: Option<(Instant, FleetError)>,
    /// What was logged.
    told: HashSet<String>,
}

impl FleetNode {
    pub(super) fn new(cache: String, nats: Nats, stream: Stream, timeout: Duration) -> Self {
        Self {
            cache,
            nats,
            stream,
            timeout,
            link: Mutex::default(),
        }
    }

    /// The connection, after the stream was checked.
    async fn connection(&self) -> Result<Connection, FleetError> {
        let mut link = self.link.lock().await;
        if let Some(connection) = &link.connection
            && link.is_checked
        {
            return Ok(connection.clone());
        }
        if let Some((at, error)) = &link.failure
            && at.elapsed() < ASKED_ONCE
        {
            return Err(error.clone());
        }
        let opened = self.open(&mut link).await;
        link.failure = opened
            .as_ref()
            .err()
            .map(|error| (Instant::now(), error.clone()));
        opened
    }

    async fn open(&self, link: &mut Link) -> Result<Connection, FleetError> {
        let connection = match &link.connection {
            Some(connection) => connection.clone(),
            None => Connection::open(&self.nats, "roan").await?,
        };
        link.connection = Some(connection.clone());
        let opened = self.stream.open(&connection).await?;
        link.is_checked = true;
        let (cache, servers) = (&self.cache, connection.servers());
        for warning in opened.warnings {
            if link.told.insert(warning.clone()) {
                // By its field `stream` the command leaves it out, whose `roan fleet status` says it.
                let message = format_args!("{cache}: {warning}");
                warn_loudly_as(message, || {
                    tracing::warn!(target: "roan", stream = self.stream.name(), "{message}");
                });
            }
        }
        let (stream, replicas) = (self.stream.name(), opened.info.config.num_replicas);
        emit(
            || tracing::info!(target: "roan", cache = %cache, servers, stream, replicas, "stream checked"),
        );
        Ok(connection)
    }

    /// Looks after the stream again before the next purge; with a new connection if this one has ended.
    async fn check_again(&self, has_ended: bool) {
        let mut link = self.link.lock().await;
        link.is_checked = false;
        if has_ended {
            link.connection = None;
        }
    }

    async fn publish(&self, request: PurgeRequest<'_>) -> Answer {
        let connection = match self.connection().await {
            Ok(connection) => connection,
            Err(error) => return Answer::failed(failure_of(error)),
        };
        // What was sent over a connection that is lost is not answered any more.
        let lost = pin!(connection.lost());
        if !connection.is_connected() {
            let trouble = connection.trouble("");
            return Answer::failed(Failure::Connect(format!(
                "{}: {trouble}",
                connection.servers()
            )));
        }
        let published = pin!(self.publish_all(&connection, request));
        let error = match select(published, lost).await {
            Either::Left((Ok(true), _)) => {
                connection.all_is_well();
                return Answer::purged();
            }
            Either::Left((Ok(false), _)) => {
                let problem = self.not_stored(&connection);
                return Answer::failed(Failure::Unavailable(problem));
            }
            Either::Left((Err(error), _)) => error,
            Either::Right(((), _)) => {
                let lost = "the connection is lost before the stream has acknowledged";
                let problem = format!("{}: {lost}", connection.servers());
                return Answer::failed(Failure::Unavailable(problem));
            }
        };
        let kind = error.kind();
        if matches!(
            kind,
            PublishErrorKind::StreamNotFound | PublishErrorKind::BrokenPipe
        ) {
            self.check_again(kind == PublishErrorKind::BrokenPipe).await;
        }
        Answer::failed(self.failure(&connection, &error))
    }

    /// Sends a message for each target, one behind the other, and waits until the stream has answered for them all. Returns
    /// whether it has stored them.
    async fn publish_all(
        &self,
        connection: &Connection,
        request: PurgeRequest<'_>,
    ) -> Result<bool, PublishError> {
        let now = SystemTime::now();
        let mut sent = Vec::with_capacity(request.targets().len());
        for (number, target) in request.targets().iter().enumerate() {
            let mark = request.marks.get(number);
            let asked = mark.map_or(now, |mark| mark.asked);
            let text = message::encode(std::slice::from_ref(target), request.site(), asked);
            let mut publish = PublishMessage::build()
                .payload(text.into())
                .expected_stream(self.stream.name());
            if let Some(mark) = mark {
                publish = publish.message_id(&mark.id);
            }
            let jetstream = connection.jetstream();
            sent.push(jetstream.send_publish(subject::of(target), publish).await?);
        }
        let mut are_stored = true;
        for acknowledged in sent {
            // nats-server 2.10 answers a repeat of a message that most replicas may never get: a duplicate, of message 0.
            are_stored &= acknowledged.await?.sequence > 0;
        }
        Ok(are_stored)
    }

    /// A repeat has come before most replicas have stored the first. They may yet fail to.
    fn not_stored(&self, connection: &Connection) -> String {
        let (name, servers) = (self.stream.name(), connection.servers());
        format!(
            "stream {name} at {servers}: most of its replicas have not stored it yet: see by `nats stream info {name}` that they are up"
        )
    }

    /// Why the stream has not acknowledged, and what to do.
    fn failure(&self, connection: &Connection, error: &PublishError) -> Failure {
        let (name, servers) = (self.stream.name(), connection.servers());
        let place = format!("stream {name} at {servers}");
        let refusal = std::error::Error::source(error)
            .and_then(|source| source.downcast_ref::<jetstream::Error>());
        let problem = match (error.kind(), refusal) {
            (PublishErrorKind::StreamNotFound, _) => {
                format!(
                    "{place} is gone, or has no leader: Roan looks for it again, and makes it if it is missing"
                )
            }
            (PublishErrorKind::MaxPayloadExceeded, _) => {
                let cure = format!(
                    "raise `max_payload` in the configuration of the server: {} are enough",
                    message::LONGEST
                );
                return Failure::Reported(format!("{place}: {error}: {cure}"));
            }
            (PublishErrorKind::BrokenPipe, _) => {
                let trouble = connection.trouble("the client has ended");
                return Failure::Unavailable(format!("{servers}: {trouble}"));
            }
            (_, Some(refusal)) => match refusal.error_code() {
                ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => {
                    return Failure::Reported(format!(
                        "{place}: {refusal}: type `nats stream edit {name} --max-msg-size=-1`"
                    ));
                }
                ErrorCode::STREAM_STORE_FAILED => format!(
                    "{place} is full: {refusal}: type `nats stream edit {name} --max-msgs=-1 --max-bytes=-1`, or `--discard=old`"
                ),
                ErrorCode::INSUFFICIENT_RESOURCES
                | ErrorCode::STORAGE_RESOURCES_EXCEEDED
                | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED => format!(
                    "{place}: {refusal}: raise `max_file_store` in the server's configuration, or the limit of the account, or free the disk"
                ),
                // So says nats-server since 2.11.
                ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT => {
                    return Failure::Unavailable(self.not_stored(connection));
                }
                ErrorCode::STREAM_NOT_MATCH => format!(
                    "{place}: {refusal}: another stream takes the subjects: find it by `nats stream find --subject '{}'`",
                    subject::ALL
                ),
                _ => format!("{place}: {refusal}"),
            },
            (PublishErrorKind::TimedOut, _) => {
                let otherwise =
                    format!("see by `nats stream info {name}` that most of its replicas are up");
                let trouble = connection.trouble(&otherwise);
                format!("{place}: {trouble}")
            }
            (_, None) => format!("{place}: {error}"),
        };
        Failure::Unavailable(problem)
    }
}

fn failure_of(error: FleetError) -> Failure {
    match error {
        FleetError::Connect { servers, problem } => {
            Failure::Connect(format!("{servers}: {problem}"))
        }
        other => Failure::Unavailable(other.to_string()),
    }
}

impl AnyPurger for FleetNode {
    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        Box::pin(async move {
            let answer = tokio::time::timeout(self.timeout, self.publish(request)).await;
            answer.unwrap_or_else(|_| Answer::failed(Failure::Timeout))
        })
    }

    /// Connects at the start, so that what is wrong is said before the first purge.
    fn check<'a>(&'a self, _site: Option<&'a Site>) -> Checking<'a> {
        Box::pin(async move {
            let Err(error) = self.connection().await else {
                return true;
            };
            let error = error.to_string();
            if self.link.lock().await.told.insert(error.clone()) {
                loudly(format_args!("{}: {error}", self.cache));
            }
            false
        })
    }
}
