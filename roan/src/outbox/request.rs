//! What a person asks of the outbox.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::OutboxError;
use super::store::{DeadRow, Store};

/// A purge that was given up, from [`OutboxHandle::dead`](crate::OutboxHandle::dead).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadPurge {
    /// Names it to `requeue` and `discard`.
    pub id: i64,
    /// The name of the cache; empty when the purge went to none.
    pub cache: String,
    /// The name of the node; empty when the purge went to none.
    pub node: String,
    /// What was to be purged, as it stands in the payload; the whole payload when it went to no
    /// node.
    pub target: String,
    /// Attempts at that node.
    pub attempts: u32,
    /// Since the write, or since it was queued again.
    pub age: Duration,
    /// Why the last attempt failed, or why there was none.
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
    Backlog {
        limit: usize,
        reply: Reply<super::Backlog>,
    },
}

/// Hands on the answer, and the error of the connection to the caller of [`Request::serve`]. Whoever
/// asked may have gone.
fn give<T>(reply: Reply<T>, result: Result<T, sqlx::Error>) -> Result<(), sqlx::Error> {
    match result {
        Ok(value) => {
            let _ = reply.send(Ok(value));
            Ok(())
        }
        Err(error) => {
            let _ = reply.send(Err(OutboxError::of(&error)));
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
            Self::Backlog { limit, reply } => give(reply, store.backlog(limit).await),
        }
    }

    pub(crate) fn refuse(self, error: OutboxError) {
        match self {
            Self::Dead { reply, .. } => drop(reply.send(Err(error))),
            Self::Requeue { reply, .. }
            | Self::Discard { reply, .. }
            | Self::PurgeSince { reply, .. } => drop(reply.send(Err(error))),
            Self::Backlog { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}
