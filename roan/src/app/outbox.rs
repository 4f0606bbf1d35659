//! The handle of the outbox, durable or in memory.

use std::time::SystemTime;

use tokio::sync::oneshot;

use super::handle::Roan;
use crate::base::history::{Because, By, Filter, Fired, PurgeRecord};
use crate::base::target::TargetRef;
use crate::dispatcher::Dead;
use crate::outbox::link::Link;
use crate::outbox::request::Request;
use crate::outbox::trigger_settings::TriggerError;
use crate::outbox::{Backlog, DeadPurge, Dialect, OutboxError, Statement};

type Result<T> = std::result::Result<T, OutboxError>;

/// The outbox of a dispatcher, from [`Roan::outbox`]: writes to it, lists dead purges, and sends purges again.
///
/// The methods are the same for purges in the database and in memory. Those that query the database do so on the
/// dispatcher's thread; await them on any runtime.
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

    /// Returns up to `limit` dead purges, the oldest first. A purge is dead if it became too old, failed too often, was
    /// refused, or has an invalid payload. In memory, Roan keeps the newest 1,000.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or the dispatcher has ended.
    pub async fn dead(&self, limit: usize) -> Result<Vec<DeadPurge>> {
        match self.link() {
            Some(link) => ask(link, |reply| Request::Dead { limit, reply }).await,
            None => Ok(self.dead_in_memory(|dead| dead.list(limit))),
        }
    }

    /// Sends these dead purges again, as new ones, and returns their number.
    ///
    /// # Errors
    ///
    /// As [`dead`](Self::dead).
    pub async fn requeue(&self, ids: &[i64]) -> Result<u64> {
        self.requeue_some(Some(ids)).await
    }

    /// Sends all dead purges again, as new ones, and returns their number.
    ///
    /// # Errors
    ///
    /// As [`dead`](Self::dead).
    pub async fn requeue_all(&self) -> Result<u64> {
        self.requeue_some(None).await
    }

    async fn requeue_some(&self, ids: Option<&[i64]>) -> Result<u64> {
        if let Some(link) = self.link() {
            let ids = ids.map(<[i64]>::to_vec);
            return ask(link, |reply| Request::Requeue { ids, reply }).await;
        }
        let targets = self.dead_in_memory(|dead| dead.take(ids));
        for target in &targets {
            let because = Because::Of(By::Unknown);
            self.roan.engine().put(TargetRef::from(target), because);
        }
        Ok(targets.len() as u64)
    }

    /// Deletes these dead purges, and returns their number.
    ///
    /// # Errors
    ///
    /// As [`dead`](Self::dead).
    pub async fn discard(&self, ids: &[i64]) -> Result<u64> {
        self.discard_some(Some(ids)).await
    }

    /// Deletes all dead purges, and returns their number.
    ///
    /// # Errors
    ///
    /// As [`dead`](Self::dead).
    pub async fn discard_all(&self) -> Result<u64> {
        self.discard_some(None).await
    }

    async fn discard_some(&self, ids: Option<&[i64]>) -> Result<u64> {
        match self.link() {
            Some(link) => {
                let ids = ids.map(<[i64]>::to_vec);
                ask(link, |reply| Request::Discard { ids, reply }).await
            }
            None => Ok(self.dead_in_memory(|dead| dead.take(ids)).len() as u64),
        }
    }

    /// Sends the purges since `time` again, to every node, and returns the number of their writes. Use it for a node that
    /// was restored from an old disk. It reaches back as far as Roan keeps purges that are done
    /// ([`Outbox::retention`](crate::outbox::Outbox::retention)).
    ///
    /// # Errors
    ///
    /// As [`dead`](Self::dead), and if purges wait in memory, which does not keep a record of them.
    pub async fn purge_since(&self, time: SystemTime) -> Result<u64> {
        match self.link() {
            Some(link) => ask(link, |reply| Request::PurgeSince { time, reply }).await,
            None => Err(OutboxError::Unavailable(
                "purges wait in memory, which does not record them: use a durable outbox",
            )),
        }
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
    /// As [`dead`](Self::dead).
    pub async fn history(&self, filter: &Filter) -> Result<Vec<PurgeRecord>> {
        let Some(link) = self.link() else {
            return Ok(self.roan.history(filter));
        };
        let mut found = Vec::new();
        let mut next = Some(filter.before.unwrap_or(i64::MAX));
        while let (Some(below), true) = (next, found.len() < filter.limit) {
            let filter = Box::new(filter.clone());
            let asked = ask(link, |reply| Request::History {
                filter,
                below,
                reply,
            });
            let page = asked.await?;
            found.extend(page.records);
            next = page.next;
        }
        found.truncate(filter.limit);
        Ok(found)
    }

    /// Returns the number of writes that no relay has taken yet, and the number of purges that wait for a node that did
    /// not answer. Each is counted up to `limit`.
    ///
    /// # Errors
    ///
    /// As [`dead`](Self::dead).
    pub async fn backlog(&self, limit: usize) -> Result<Backlog> {
        match self.link() {
            Some(link) => ask(link, |reply| Request::Backlog { limit, reply }).await,
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

async fn ask<T>(
    link: &Link,
    request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request,
) -> Result<T> {
    let (reply, answer) = oneshot::channel();
    link.request(request(reply));
    let ended = OutboxError::Unavailable("the dispatcher has ended");
    answer.await.unwrap_or(Err(ended))
}
