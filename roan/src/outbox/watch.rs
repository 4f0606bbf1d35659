//! Purges as they happen.

use std::collections::HashMap;
#[cfg(feature = "postgres")]
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use tokio::time::Instant;
#[cfg(feature = "postgres")]
use tokio::{sync::Notify, task::JoinHandle};

use super::OutboxError;
use super::admin::Admin;
#[cfg(feature = "postgres")]
use super::listen::{Heard, listen};
use crate::base::history::{Filter, PurgeRecord};

/// A row that was committed late may have ended before rows that were seen already.
const LATE: i64 = 5000;

/// The number of rows that one statement reads.
const MOST: usize = 10_000;

/// While programs announce what ends, it is asked for so many times as rarely: another program may not announce it.
#[cfg(feature = "postgres")]
const RARELY: u32 = 10;

/// Finds purges as they happen, of all programs that use the outbox. From [`Admin::watch`].
#[derive(Debug)]
pub struct Watch<'a> {
    admin: &'a Admin,
    filter: Filter,
    /// The time of the database from which rows may be new.
    since: i64,
    /// What was seen since then, with the times at which it ended.
    seen: HashMap<i64, i64>,
    /// The time of the last look.
    looked: Instant,
    #[cfg(feature = "postgres")]
    listening: Option<Listening>,
}

/// A task that listens for what programs announce.
#[cfg(feature = "postgres")]
#[derive(Debug)]
struct Listening {
    ears: Arc<Ears>,
    task: JoinHandle<()>,
    /// The next look is one that was announced.
    is_called: bool,
}

#[cfg(feature = "postgres")]
#[derive(Debug, Default)]
struct Ears {
    heard: Notify,
    /// Whether programs announce what ends.
    announced: AtomicBool,
}

#[cfg(feature = "postgres")]
impl Ears {
    fn hear(&self, heard: Heard) {
        match heard {
            Heard::Ended => self.announced.store(true, Ordering::Relaxed),
            Heard::Began => {}
            // It has not ended yet.
            Heard::Wrote | Heard::Marked(_) => return,
        }
        self.heard.notify_one();
    }
}

#[cfg(feature = "postgres")]
impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<'a> Watch<'a> {
    pub(super) fn new(admin: &'a Admin, filter: Filter, now: i64, seen: Vec<(i64, i64)>) -> Self {
        Self {
            admin,
            filter,
            since: now,
            seen: seen.into_iter().collect(),
            looked: Instant::now(),
            #[cfg(feature = "postgres")]
            listening: None,
        }
    }

    #[cfg(feature = "postgres")]
    pub(super) fn listening(self, pool: sqlx::PgPool, channel: String) -> Self {
        let ears = Arc::new(Ears::default());
        let hearing = Arc::clone(&ears);
        let task = tokio::spawn(listen(pool, channel, move |heard| hearing.hear(heard)));
        let listening = Some(Listening {
            ears,
            task,
            is_called: false,
        });
        Self { listening, ..self }
    }

    /// Waits until there may be something new: until `every` has passed since the last [`poll`](Self::poll), or, on PostgreSQL,
    /// until a program with [`Outbox::notify`](super::Outbox::notify) announces it. While programs do, `every` is ten
    /// times as long. There are no announcements behind a pooler.
    ///
    /// It may be dropped and called again.
    pub async fn changed(&mut self, every: Duration) {
        #[cfg(feature = "postgres")]
        if let Some(listening) = &mut self.listening {
            let is_announced = listening.ears.announced.load(Ordering::Relaxed);
            let every = every.saturating_mul(if is_announced { RARELY } else { 1 });
            tokio::select! {
                () = listening.ears.heard.notified() => listening.is_called = true,
                () = until(self.looked, every) => {}
            }
            return;
        }
        until(self.looked, every).await;
    }

    pub(super) fn late(now: i64) -> i64 {
        now.saturating_sub(LATE)
    }

    pub(super) const fn most() -> usize {
        MOST
    }

    /// Returns the purges that have ended since the last call, or of which a node has answered that was late; those of the
    /// filter, the lowest ids first. A purge that a node has not answered at first comes when it is known so, and again
    /// with each answer.
    ///
    /// It asks the database at once, and reads an index if there is nothing new: call it every half a second or so, or after
    /// [`changed`](Self::changed).
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, lacks the tables, or refuses the statement. The next call connects again, and
    /// returns what ended meanwhile, too.
    pub async fn poll(&mut self) -> Result<Vec<PurgeRecord>, OutboxError> {
        self.looked = Instant::now();
        #[cfg(feature = "postgres")]
        let is_called = self
            .listening
            .as_mut()
            .map(|it| std::mem::take(&mut it.is_called));
        let ended = self.admin.ended_since(Self::late(self.since)).await?;
        let is_new = |(id, at): &&(i64, i64)| self.seen.get(id) != Some(at);
        let new: Vec<i64> = ended.iter().filter(is_new).map(|(id, _)| *id).collect();
        // Before they count as seen: after an error the next call looks for them again.
        let records = match new.is_empty() {
            true => Vec::new(),
            false => self.admin.history_of(&self.filter, &new).await?,
        };
        if let Some((_, last)) = ended.last() {
            self.since = self.since.max(*last);
        }
        let least = Self::late(self.since);
        self.seen.extend(ended);
        self.seen.retain(|_, at| *at >= least);
        #[cfg(feature = "postgres")]
        if let (false, Some(listening), Some(false)) = (new.is_empty(), &self.listening, is_called)
        {
            // Not every program announces it.
            listening.ears.announced.store(false, Ordering::Relaxed);
        }
        Ok(records)
    }
}

/// Waits until so long after a time.
async fn until(since: Instant, wait: Duration) {
    match since.checked_add(wait) {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
