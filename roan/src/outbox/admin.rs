//! Administration of an outbox, without a relay and a dispatcher.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Mutex, MutexGuard};

use super::filter::Filter;
use super::settings::{Backlog, Outbox};
use super::status::{DeadPurge, Status, WaitingPurge};
use super::store::Store;
use super::watch::Watch;
use super::{OutboxError, list_of_nodes};
use crate::base::created::unix_ms;
use crate::base::history::{self, PurgeRecord};
use crate::base::target::Target;

type Result<T> = std::result::Result<T, OutboxError>;

/// A connection that was idle for longer is closed.
const LONGEST_IDLE: Duration = Duration::from_secs(5);

/// Looks after an outbox from outside of the programs that use it: lists what waits and what is dead, sends it again, and
/// pauses nodes. From [`Outbox::admin`].
///
/// It uses the tables alone, so it works while no program runs. It has one connection, which it opens again after an error.
/// A program has the same methods for its own outbox: see [`OutboxHandle`](crate::OutboxHandle).
///
/// The methods need a runtime of tokio.
///
/// ```no_run
/// use roan::outbox::Outbox;
///
/// # async fn example() -> Result<(), roan::outbox::OutboxError> {
/// let admin = Outbox::at("postgres://app:secret@localhost/blog")?.admin().await?;
/// let status = admin.status().await?;
/// println!("{} purges wait, {} are dead", status.waiting + status.deliveries(), status.all_dead());
/// for node in status.nodes.iter().filter(|node| node.paused.is_some()) {
///     println!("{} {} is paused", node.cache, node.node);
/// }
/// admin.close().await;
/// # Ok(())
/// # }
/// ```
pub struct Admin {
    outbox: Outbox,
    connection: Mutex<Option<(Store, Instant)>>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("outbox", &self.outbox)
            .finish_non_exhaustive()
    }
}

impl Outbox {
    /// Connects to the database to look after the outbox, without a dispatcher.
    ///
    /// # Errors
    ///
    /// If a setting is invalid, if the database cannot be reached, or if the tables are missing or have another version.
    pub async fn admin(&self) -> Result<Admin> {
        self.check()?;
        let outbox = self.clone();
        #[cfg(feature = "sqlite")]
        let outbox = outbox.existing();
        let admin = Admin::new(outbox);
        let session = admin.session().await?;
        session.end(Ok(()))?;
        Ok(admin)
    }
}

impl Admin {
    /// Connects when it is first used.
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self {
            // The database may close a connection that is idle for longer.
            outbox: outbox.lease(10 * LONGEST_IDLE),
            connection: Mutex::new(None),
        }
    }

    async fn session(&self) -> Result<Session<'_>> {
        let mut place = self.connection.lock().await;
        if let Some((store, since)) = place.take() {
            if since.elapsed() < LONGEST_IDLE {
                return Ok(Session { place, store });
            }
            store.close().await;
        }
        let mut store = self.outbox.open_durable().await?;
        if let Err(error) = store.check_version().await {
            store.close().await;
            return Err(error);
        }
        Ok(Session { place, store })
    }

    /// Closes the connection if it was not used for a while.
    pub(crate) async fn close_idle(&self) {
        if let Ok(mut place) = self.connection.try_lock()
            && let Some((store, _)) = place.take_if(|(_, since)| since.elapsed() >= LONGEST_IDLE)
        {
            store.close().await;
        }
    }

    /// Ends the connection.
    pub async fn close(self) {
        if let Some((store, _)) = self.connection.into_inner() {
            store.close().await;
        }
    }

    /// Counts what waits and what is dead, and lists the nodes.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, lacks the tables, or refuses the statement.
    pub async fn status(&self) -> Result<Status> {
        let mut session = self.session().await?;
        let status = session.store.status().await;
        session.end(status)
    }

    /// Lists purges that wait: first those that wait for a node, then the rows of writes. The oldest come first.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn waiting(&self, filter: impl Into<Filter>) -> Result<Vec<WaitingPurge>> {
        let filter = filter.into();
        let mut session = self.session().await?;
        let waiting = session.store.waiting(&filter).await;
        session.end(waiting)
    }

    /// Lists dead purges: first those of nodes, then those that were not sent to any. The oldest come first.
    /// A purge is dead if it became too old, failed too often, was refused, or has an invalid payload.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn dead(&self, filter: impl Into<Filter>) -> Result<Vec<DeadPurge>> {
        let filter = filter.into();
        let mut session = self.session().await?;
        let dead = session.store.dead(&filter).await;
        session.end(dead)
    }

    /// Counts dead purges.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn count_dead(&self, filter: impl Into<Filter>) -> Result<u64> {
        let filter = filter.into();
        let mut session = self.session().await?;
        let count = session.store.count_dead(&filter).await;
        session.end(count)
    }

    /// Queues dead purges again, as new ones, and returns their number. It does so in batches, so that saves of the program
    /// do not wait for long. If the future is dropped, the batches before are queued.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status). The batches before the error are queued.
    pub async fn requeue(&self, filter: impl Into<Filter>) -> Result<u64> {
        let filter = filter.into();
        let mut session = self.session().await?;
        let count = session.store.requeue(&filter).await;
        session.end(count)
    }

    /// Deletes dead purges, and returns their number. The history keeps that they were
    /// [dropped](history::AnswerKind::Dropped) by hand. It does so in batches, as [`requeue`](Self::requeue) does.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn discard(&self, filter: impl Into<Filter>) -> Result<u64> {
        let filter = filter.into();
        let mut session = self.session().await?;
        let count = session.store.discard(&filter).await;
        session.end(count)
    }

    /// Sends the purges since `time` again, to every node, and returns the number of their writes. Use it for a node that
    /// was restored from an old disk, or missed purges while a replica lagged. It reaches back as far as Roan keeps purges
    /// that are done ([`Outbox::retention`]): [`Status::kept`] says how far that is.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn purge_since(&self, time: SystemTime) -> Result<u64> {
        let mut session = self.session().await?;
        let count = session.store.purge_since(unix_ms(time)).await;
        session.end(count)
    }

    /// Counts what [`purge_since`](Self::purge_since) would send again.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn count_since(&self, time: SystemTime) -> Result<u64> {
        let mut session = self.session().await?;
        let count = session.store.count_since(unix_ms(time)).await;
        session.end(count)
    }

    /// Finds purges of the past, the newest first: see [`OutboxHandle::history`](crate::OutboxHandle::history).
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn history(&self, filter: &history::Filter) -> Result<Vec<PurgeRecord>> {
        let mut found = Vec::new();
        let mut next = Some(filter.before.unwrap_or(i64::MAX));
        while let (Some(below), true) = (next, found.len() < filter.limit) {
            let mut session = self.session().await?;
            let page = session.store.history(filter, below).await;
            let page = session.end(page)?;
            found.extend(page.records);
            next = page.next;
        }
        found.truncate(filter.limit);
        Ok(found)
    }

    /// Begins to watch: what ends from now on.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use roan::history::Filter;
    /// use roan::outbox::Outbox;
    ///
    /// # async fn example() -> Result<(), roan::outbox::OutboxError> {
    /// let admin = Outbox::at("postgres://app:secret@localhost/blog")?.admin().await?;
    /// let mut watch = admin.watch(Filter::new()).await?;
    /// loop {
    ///     for purge in watch.poll().await? {
    ///         println!("{} {:?}", purge.state, purge.targets);
    ///     }
    ///     watch.changed(Duration::from_millis(500)).await;
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn watch(&self, filter: history::Filter) -> Result<Watch<'_>> {
        let mut session = self.session().await?;
        let now = session.store.now().await;
        #[cfg(feature = "postgres")]
        let is_pooled = session.store.is_pooled();
        let now = session.end(now)?;
        let seen = self.ended_since(Watch::late(now)).await?;
        let watch = Watch::new(self, filter, now, seen);
        // A pooler would leave a `LISTEN` to other clients.
        #[cfg(feature = "postgres")]
        if let (false, Some((pool, channel))) = (is_pooled, self.outbox.channel_of_others()) {
            return Ok(watch.listening(pool, channel));
        }
        Ok(watch)
    }

    /// In pieces, since as many may end at once as wait.
    pub(super) async fn ended_since(&self, unix_ms: i64) -> Result<Vec<(i64, i64)>> {
        let mut all = Vec::new();
        let mut from = (i64::MIN, unix_ms);
        loop {
            let mut session = self.session().await?;
            let ended = session.store.ended_since(from, Watch::most()).await;
            let ended = session.end(ended)?;
            let is_last = ended.len() < Watch::most();
            from = ended.last().copied().unwrap_or(from);
            all.extend(ended);
            if is_last {
                return Ok(all);
            }
        }
    }

    pub(super) async fn history_of(
        &self,
        filter: &history::Filter,
        ids: &[i64],
    ) -> Result<Vec<PurgeRecord>> {
        let mut session = self.session().await?;
        let records = session.store.history_of(filter, ids).await;
        session.end(records)
    }

    /// Returns the tags that the [learned index](crate::guide::web) knows for a page, for
    /// [`Filter::tags`](history::Filter::tags). Without the web layer there are none.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn tags_of(&self, url: &Target) -> Result<Vec<Target>> {
        let mut session = self.session().await?;
        let tags = session.store.tags_of_url(url).await;
        session.end(tags)
    }

    /// Returns the number of writes that no relay has taken yet, and the number of purges that wait for a node that did
    /// not answer. Each is counted up to `limit`.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn backlog(&self, limit: usize) -> Result<Backlog> {
        let mut session = self.session().await?;
        let backlog = session.store.backlog(limit, &[], None).await;
        session.end(backlog)
    }

    /// Purges nothing at a node until it is resumed: for its maintenance. Returns whether that is new.
    ///
    /// It is for all programs that use the outbox, and outlives them: each sees it when it looks for purges that wait for
    /// nodes, within [`Outbox::poll`]. What is in flight then ends. Purges wait meanwhile, as for a node that is down, but they
    /// neither fail nor become dead, however long it takes. Later caches are purged at once, and again after the node is. Each
    /// program logs a warning when it sees the pause, and every hour.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status), and if no program has had such a node in the last week.
    pub async fn pause(&self, cache: &str, node: &str) -> Result<bool> {
        let mut session = self.session().await?;
        let paused = session.store.pause(cache, node).await;
        session.end_for((cache, node), paused).await
    }

    /// Ends a [`pause`](Self::pause): programs send what waits. Returns whether the node was paused.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, cache: &str, node: &str) -> Result<bool> {
        let mut session = self.session().await?;
        let resumed = session.store.resume(cache, node).await;
        session.end_for((cache, node), resumed).await
    }
}

/// The use of the connection by one call. Without [`Session::end`] the connection is dropped, because a transaction may
/// be open.
struct Session<'a> {
    place: MutexGuard<'a, Option<(Store, Instant)>>,
    store: Store,
}

impl Session<'_> {
    /// Keeps the connection, if this went well.
    fn end<T>(mut self, result: std::result::Result<T, sqlx::Error>) -> Result<T> {
        let value = result.map_err(OutboxError::of)?;
        *self.place = Some((self.store, Instant::now()));
        Ok(value)
    }

    /// The same for a node, which must exist.
    async fn end_for<T>(
        mut self,
        (cache, node): (&str, &str),
        result: std::result::Result<Option<T>, sqlx::Error>,
    ) -> Result<T> {
        if let Some(value) = result.map_err(OutboxError::of)? {
            return self.end(Ok(value));
        }
        let nodes = self.store.known_nodes().await;
        let known = self.end(nodes)?;
        Err(OutboxError::UnknownNode {
            name: format!("{cache} {node}"),
            known: list_of_nodes(&known),
        })
    }
}
