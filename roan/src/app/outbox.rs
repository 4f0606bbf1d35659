//! The handle of the outbox, durable or in memory.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::oneshot;

use super::handle::Roan;
use crate::base::history::{self, Because, By, Fired, PurgeRecord};
use crate::base::target::TargetRef;
use crate::dispatcher::{Command, Dead, PauseError};
use crate::outbox::link::Link;
use crate::outbox::trigger_settings::TriggerError;
use crate::outbox::{
    Admin, Backlog, DeadPurge, Dialect, Filter, NodeStatus, OutboxError, Statement, Status,
    WaitingPurge,
};

type Result<T> = std::result::Result<T, OutboxError>;

/// The outbox of a dispatcher, from [`Roan::outbox`]: writes to it, lists what waits and what is dead, sends purges again, and
/// pauses nodes. [`Admin`] does the same from another program.
///
/// The methods are the same for purges in the database and in memory. Those that query the database do so on the
/// dispatcher's thread, by a connection of their own, which is closed when it is idle; await them on any runtime.
#[derive(Debug, Clone, Copy)]
pub struct OutboxHandle<'a> {
    pub(crate) roan: &'a Roan,
}

impl Roan {
    /// Returns a handle of this dispatcher's outbox.
    #[must_use]
    #[cfg_attr(
        docsrs,
        doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql")))
    )]
    pub fn outbox(&self) -> OutboxHandle<'_> {
        OutboxHandle { roan: self }
    }
}

impl OutboxHandle<'_> {
    pub(crate) fn link(&self) -> Option<&Link> {
        self.roan.link().map(AsRef::as_ref)
    }

    /// Has a request served on the dispatcher's thread. `None` if purges wait in memory.
    async fn ask<T, F>(&self, work: impl FnOnce(Arc<Admin>) -> F) -> Option<Result<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let link = self.link()?;
        if let Some(refusal) = link.refusal() {
            return Some(Err(refusal));
        }
        let (reply, answer) = oneshot::channel();
        let work = work(Arc::clone(&link.admin));
        self.roan
            .engine()
            .command(Command::Run(Box::pin(async move {
                // The requester may have gone.
                let _ = reply.send(work.await);
            })));
        Some(answer.await.unwrap_or_else(|_| Err(Link::has_ended())))
    }

    /// As [`ask`](Self::ask), for a request after which the relay has work.
    async fn ask_and_look<T, F>(&self, work: impl FnOnce(Arc<Admin>) -> F) -> Option<Result<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let link = Arc::clone(self.roan.link()?);
        self.ask(move |admin| {
            let work = work(admin);
            async move {
                let result = work.await;
                link.renew();
                result
            }
        })
        .await
    }

    fn dead_in_memory<T: Default>(&self, ask: impl FnOnce(&Dead) -> T) -> T {
        self.roan
            .engine()
            .reporter
            .dead()
            .map(ask)
            .unwrap_or_default()
    }

    /// The `INSERT` for these targets; `None` also when purges wait in memory.
    pub(crate) fn insert(&self, targets: &[Fired]) -> Option<Statement> {
        let link = self.link()?;
        let statement = link.scribe.statement(targets);
        if statement.is_some() {
            link.expect();
        }
        statement
    }

    /// Checks that a connection to that kind of database can take the rows. In memory there are none.
    pub(crate) fn check(&self, connection: Dialect) -> Result<()> {
        match self.link().map(|link| link.scribe.dialect()) {
            Some(outbox) if outbox != connection => {
                Err(OutboxError::OtherDatabase { outbox, connection })
            }
            _ => Ok(()),
        }
    }

    /// Makes the relay look at once. Call it after a transaction with a [`statement`](Self::statement) has committed.
    pub fn committed(&self) {
        if let Some(link) = self.link() {
            link.poke();
        }
    }

    /// Counts what waits and what is dead, and lists the nodes: those of this program and, with a durable outbox, of all
    /// programs that use it.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or the dispatcher has ended.
    pub async fn status(&self) -> Result<Status> {
        match self.ask(|admin| async move { admin.status().await }).await {
            Some(status) => status,
            None => Ok(self.status_of_memory()),
        }
    }

    fn status_of_memory(&self) -> Status {
        let stats = self.roan.stats();
        let dead = self.dead_in_memory(|dead| dead.list(&Filter::from(usize::MAX)));
        let nodes = stats.nodes.iter().map(|node| {
            let is_here =
                |purge: &&DeadPurge| *purge.cache == *node.cache && *purge.node == *node.node;
            NodeStatus {
                cache: node.cache.to_string(),
                node: node.node.to_string(),
                waiting: node.pending as u64,
                dead: dead.iter().filter(is_here).count() as u64,
                last_error: dead
                    .iter()
                    .rev()
                    .find(is_here)
                    .map(|purge| purge.error.clone()),
                paused: node.paused,
                seen: Some(std::time::Duration::ZERO),
                ..NodeStatus::default()
            }
        });
        Status {
            waiting: stats.waiting as u64,
            nodes: nodes.collect(),
            ..Status::default()
        }
    }

    /// Lists purges that wait: first those that wait for a node, then the rows of writes. The oldest come first. Empty if
    /// purges wait in memory, which [`status`](Self::status) only counts.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn waiting(&self, filter: impl Into<Filter>) -> Result<Vec<WaitingPurge>> {
        let filter = filter.into();
        self.ask(|admin| async move { admin.waiting(filter).await })
            .await
            .unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Returns dead purges, the oldest first: `dead(10)` up to ten of them, or those of a [`Filter`]. A purge is dead if it
    /// became too old, failed too often, was refused, or has an invalid payload. In memory, Roan keeps the newest 1,000.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn dead(&self, filter: impl Into<Filter>) -> Result<Vec<DeadPurge>> {
        let filter = filter.into();
        let in_memory = filter.clone();
        match self
            .ask(|admin| async move { admin.dead(filter).await })
            .await
        {
            Some(dead) => dead,
            None => Ok(self.dead_in_memory(|dead| dead.list(&in_memory))),
        }
    }

    /// Counts dead purges.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn count_dead(&self, filter: impl Into<Filter>) -> Result<u64> {
        let filter = filter.into();
        let in_memory = filter.clone().limit(filter.most());
        match self
            .ask(|admin| async move { admin.count_dead(filter).await })
            .await
        {
            Some(count) => count,
            None => Ok(self.dead_in_memory(|dead| dead.list(&in_memory)).len() as u64),
        }
    }

    /// Sends dead purges again, as new ones, and returns their number: `requeue(&ids)`, or those of a [`Filter`].
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn requeue(&self, filter: impl Into<Filter>) -> Result<u64> {
        let filter = filter.into();
        let in_memory = filter.clone();
        let count = self
            .ask_and_look(|admin| async move { admin.requeue(filter).await })
            .await;
        if let Some(count) = count {
            return count;
        }
        let targets = self.dead_in_memory(|dead| dead.take(&in_memory));
        for target in &targets {
            let because = Because::Of(By::Unknown);
            self.roan.engine().put(TargetRef::from(target), because);
        }
        Ok(targets.len() as u64)
    }

    /// Sends all dead purges again, as new ones, and returns their number.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn requeue_all(&self) -> Result<u64> {
        self.requeue(Filter::new()).await
    }

    /// Deletes dead purges, and returns their number: `discard(&ids)`, or those of a [`Filter`].
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn discard(&self, filter: impl Into<Filter>) -> Result<u64> {
        let filter = filter.into();
        let in_memory = filter.clone();
        match self
            .ask(|admin| async move { admin.discard(filter).await })
            .await
        {
            Some(count) => count,
            None => Ok(self.dead_in_memory(|dead| dead.take(&in_memory)).len() as u64),
        }
    }

    /// Deletes all dead purges, and returns their number.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn discard_all(&self) -> Result<u64> {
        self.discard(Filter::new()).await
    }

    /// Sends the purges since `time` again, to every node, and returns the number of their writes. Use it for a node that
    /// was restored from an old disk. It reaches back as far as Roan keeps purges that are done
    /// ([`Outbox::retention`](crate::outbox::Outbox::retention)): [`Status::kept`] says how far that is.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status), and if purges wait in memory, which does not keep a record of them.
    pub async fn purge_since(&self, time: SystemTime) -> Result<u64> {
        self.ask_and_look(|admin| async move { admin.purge_since(time).await })
            .await
            .unwrap_or(NO_RECORD)
    }

    /// Counts what [`purge_since`](Self::purge_since) would send again.
    ///
    /// # Errors
    ///
    /// As [`purge_since`](Self::purge_since).
    pub async fn count_since(&self, time: SystemTime) -> Result<u64> {
        self.ask(|admin| async move { admin.count_since(time).await })
            .await
            .unwrap_or(NO_RECORD)
    }

    /// Returns the purges that the filter finds, the newest first: of each write, what was purged, what has asked for it, and
    /// how each node has answered. It reaches back as far as [`Outbox::retention`](crate::outbox::Outbox::retention). In
    /// memory it is [`Roan::history`].
    ///
    /// A filter by target looks at every row in its range, some thousand at a time: with 100,000 rows it takes a fraction of
    /// a second.
    ///
    /// ```no_run
    /// # async fn why(roan: &roan::Roan) -> Result<(), Box<dyn std::error::Error>> {
    /// use roan::Target;
    /// use roan::history::Filter;
    ///
    /// let filter = Filter::new().target(Target::url("/posts/hello")?).limit(10);
    /// for purge in roan.outbox().history(&filter).await? {
    ///     for cause in &purge.causes {
    ///         println!("{}: {cause}", purge.id);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn history(&self, filter: &history::Filter) -> Result<Vec<PurgeRecord>> {
        let wanted = filter.clone();
        self.ask(|admin| async move { admin.history(&wanted).await })
            .await
            .unwrap_or_else(|| Ok(self.roan.history(filter)))
    }

    /// Returns the number of writes that no relay has taken yet, and the number of purges that wait for a node that did
    /// not answer. Each is counted up to `limit`.
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status).
    pub async fn backlog(&self, limit: usize) -> Result<Backlog> {
        match self
            .ask(|admin| async move { admin.backlog(limit).await })
            .await
        {
            Some(backlog) => backlog,
            None => {
                let stats = self.roan.stats();
                let pending = stats.nodes.iter().map(|node| node.pending).sum::<usize>();
                let count = |number: usize| number.min(limit) as u64;
                Ok(Backlog {
                    purges: count(stats.waiting),
                    deliveries: count(pending),
                })
            }
        }
    }

    /// Purges nothing at a node until it is resumed: see [`Admin::pause`]. If purges wait in memory, as [`Roan::pause`].
    ///
    /// # Errors
    ///
    /// As [`status`](Self::status), and if no program has such a node.
    pub async fn pause(&self, cache: &str, node: &str) -> Result<bool> {
        let place = (cache.to_owned(), node.to_owned());
        let paused = self
            .ask_and_look(|admin| async move { admin.pause(&place.0, &place.1).await })
            .await;
        paused.unwrap_or_else(|| self.roan.pause(cache, node).map_err(unknown))
    }

    /// Ends a [`pause`](Self::pause): what waits is sent. Returns whether the node was paused.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, cache: &str, node: &str) -> Result<bool> {
        let place = (cache.to_owned(), node.to_owned());
        let resumed = self
            .ask_and_look(|admin| async move { admin.resume(&place.0, &place.1).await })
            .await;
        resumed.unwrap_or_else(|| self.roan.resume(cache, node).map_err(unknown))
    }

    /// Returns the error of the database while it cannot be used. The relay retries automatically.
    #[must_use]
    pub fn current_error(&self) -> Option<OutboxError> {
        self.link()?.current_error()
    }

    /// Returns what the last look at the database's triggers has found: at the start, and then every
    /// [`check_every`](crate::triggers::Triggers::check_every). Empty if they match the rules, or without triggers.
    #[must_use]
    pub fn trigger_errors(&self) -> Vec<TriggerError> {
        self.link().map(Link::trigger_errors).unwrap_or_default()
    }
}

const NO_RECORD: Result<u64> = Err(OutboxError::Unavailable(
    "purges wait in memory, which does not record them: use a durable outbox",
));

fn unknown(error: PauseError) -> OutboxError {
    match error {
        PauseError::UnknownNode { name, known } => OutboxError::UnknownNode { name, known },
        PauseError::Durable => OutboxError::Unavailable("purges wait in a durable outbox"),
    }
}
