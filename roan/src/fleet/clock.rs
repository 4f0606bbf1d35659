//! The time at the servers: they date the heartbeats, and the clock of this machine may be wrong.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::State;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::Connection;
use super::heartbeat::BUCKET_STREAM;
use crate::base::lock::Mutex;

/// How long what a server has said is counted on from.
const RENEW: Duration = Duration::from_secs(10);

/// So often is a consumer made, and so long may it take.
const TRIES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(1);

/// What the servers have said of their time, and when.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    said: Arc<Mutex<Option<(Instant, SystemTime)>>>,
}

impl Clock {
    /// The time at the servers, and if they do not say it, a warning. The bucket of the heartbeats is in this state.
    pub(super) async fn now(
        &self,
        connection: &Connection,
        bucket: &State,
    ) -> (SystemTime, Option<String>) {
        let latest = SystemTime::from(bucket.last_timestamp);
        if let Some(now) = of_info(connection).await {
            return (now.max(latest), None);
        }
        let before = *self.said.lock();
        let said = match before {
            Some((at, _)) if at.elapsed() < RENEW => before,
            _ => of_consumer(connection).await.or(before),
        };
        *self.said.lock() = said;
        match said {
            Some((at, time)) => ((time + at.elapsed()).max(latest), None),
            None => {
                let why = connection.denied();
                let why = why.map_or_else(String::new, |why| format!(" ({why})"));
                let warning = format!(
                    "no server says what time it is{why}, so the clock of this machine says for how long an agent has been silent: \
                     see that it is right"
                );
                (SystemTime::now().max(latest), Some(warning))
            }
        }
    }
}

/// Since nats-server 2.10 it is in what STREAM.INFO says.
async fn of_info(connection: &Connection) -> Option<SystemTime> {
    let subject = format!("STREAM.INFO.{BUCKET_STREAM}");
    let answer = connection.jetstream().request(subject, &json!({})).await;
    let Ok(Response::Ok(Value::Object(info))) = answer else {
        return None;
    };
    humantime::parse_rfc3339(info.get("ts")?.as_str()?).ok()
}

/// Before, only new things are dated. A consumer is made by one server of those with the bucket, which may be away.
async fn of_consumer(connection: &Connection) -> Option<(Instant, SystemTime)> {
    for _ in 0..TRIES {
        let consumer = pull::Config {
            deliver_policy: DeliverPolicy::New,
            memory_storage: true,
            inactive_threshold: PATIENCE,
            ..Default::default()
        };
        let making = (connection.jetstream()).create_consumer_on_stream(consumer, BUCKET_STREAM);
        match timeout(PATIENCE, making).await {
            Ok(Ok(made)) => return Some((Instant::now(), made.cached_info().created.into())),
            // It does not answer a user who may not ask.
            _ if connection.denied().is_some() => return None,
            _ => {}
        }
    }
    None
}
