//! Administrative requests to the outbox.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::OutboxError;
use super::store::{DeadRow, Page, Store};
use crate::base::history::Filter;

/// A purge that Roan has given up, from [`OutboxHandle::dead`](crate::OutboxHandle::dead).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadPurge {
    /// Its identifier, for `requeue` and `discard`.
    pub id: i64,
    /// The name of the cache. Empty if the purge was not sent to any.
    pub cache: String,
    /// The name of the node. Empty if the purge was not sent to any.
    pub node: String,
    /// The target, as the payload has it. The whole payload if the purge was not sent to any node.
    pub target: String,
    /// The number of attempts at that node.
    pub attempts: u32,
    /// The time since the write, or since the purge was queued again.
    pub age: Duration,
    /// Why the last attempt failed, or why there was no attempt.
    pub error: String,
}

impl From<DeadRow> for DeadPurge {
    fn from(row: DeadRow) -> Self {
        Self {
            id: row.id,
            cache: row.cache,
            node: row.node,
            target: row.target,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            age: Duration::from_millis(u64::try_from(row.age_ms).unwrap_or(0)),
            error: row.error,
        }
    }
}

type Reply<T> = oneshot::Sender<Result<T, OutboxError>>;

/// One request, with the channel of its answer.
#[derive(Debug)]
pub(crate) enum Request {
    Dead {
        limit: usize,
        reply: Reply<Vec<DeadPurge>>,
    },
    Requeue {
        ids: Option<Vec<i64>>,
        reply: Reply<u64>,
    },
    Discard {
        ids: Option<Vec<i64>>,
        reply: Reply<u64>,
    },
    PurgeSince {
        time: SystemTime,
        reply: Reply<u64>,
    },
    History {
        filter: Box<Filter>,
        below: i64,
        reply: Reply<Page>,
    },
    Backlog {
        limit: usize,
        reply: Reply<super::Backlog>,
    },
}

/// Sends the answer, and returns an error of the connection to the caller of [`Request::serve`]. The requester may
/// have gone.
fn give<T>(reply: Reply<T>, result: Result<T, sqlx::Error>) -> Result<(), sqlx::Error> {
    match result {
        Ok(value) => {
            let _ = reply.send(Ok(value));
            Ok(())
        }
        Err(error) => {
            let _ = reply.send(Err(OutboxError::in_words(&error)));
            Err(error)
        }
    }
}

impl Request {
    pub(crate) async fn serve(self, store: &mut Store) -> Result<(), sqlx::Error> {
        match self {
            Self::Dead { limit, reply } => {
                let rows = store.dead(limit).await;
                give(
                    reply,
                    rows.map(|rows| rows.into_iter().map(DeadPurge::from).collect()),
                )
            }
            Self::Requeue { ids, reply } => give(reply, store.requeue(ids.as_deref()).await),
            Self::Discard { ids, reply } => give(reply, store.discard(ids.as_deref()).await),
            Self::PurgeSince { time, reply } => {
                let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
                give(reply, store.purge_since(since).await)
            }
            Self::History {
                filter,
                below,
                reply,
            } => give(reply, store.history(&filter, below).await),
            Self::Backlog { limit, reply } => give(reply, store.backlog(limit, &[]).await),
        }
    }

    pub(crate) fn refuse(self, error: OutboxError) {
        match self {
            Self::Dead { reply, .. } => drop(reply.send(Err(error))),
            Self::Requeue { reply, .. }
            | Self::Discard { reply, .. }
            | Self::PurgeSince { reply, .. } => drop(reply.send(Err(error))),
            Self::History { reply, .. } => drop(reply.send(Err(error))),
            Self::Backlog { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}
