//! The connections of the side that renders: one that learns and one that checks. What waits is done together, so each
//! render waits for at most two commits, however many there are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::key::Key;
use crate::base::cause::Cause;
use crate::base::log::{end_loudly, loudly};
use crate::base::target::Target;
use crate::outbox::store::{Epoch, Resolving, Store};
use crate::outbox::{Outbox, OutboxError};

/// A render does not wait longer than this for the database. Its page is then sent as not cacheable.
const PATIENCE: Duration = Duration::from_secs(2);

/// The number of renders that may wait for one of the connections.
const WAITING: usize = 1024;

/// The number of renders that are served together.
const TOGETHER: usize = 64;

/// Between attempts to reach a database that is gone.
const PAUSE: Duration = Duration::from_millis(200);

/// The number of pages that are looked for at a time.
const PIECE: usize = 1000;

/// Conflicts with other transactions before an attempt counts as failed.
const CONFLICTS: u32 = 5;

/// Index and fence, as renders use them. A clone uses the same connections.
#[derive(Debug, Clone)]
pub struct SharedIndex {
    outbox: Arc<Outbox>,
    learner: mpsc::Sender<Job>,
    checker: mpsc::Sender<Job>,
    seen: Arc<Seen>,
}

/// The last epoch that this program has seen.
#[derive(Debug)]
struct Seen {
    number: AtomicI64,
    forgets: AtomicI64,
}

/// Whether a page may be released as cacheable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Whether one of its keys was purged since the number.
    pub is_purged: bool,
    /// If it differs from what was seen before the page was learned, the page may have left the index.
    pub forgets: i64,
    /// Every purge up to this number was seen.
    pub number: i64,
}

type Reply<T> = oneshot::Sender<Result<T, OutboxError>>;

#[derive(Debug)]
enum Job {
    Learn {
        page: Target,
        keys: Arc<[Key]>,
        reply: Reply<bool>,
    },
    Check {
        keys: Arc<[Key]>,
        since: i64,
        reply: Reply<Release>,
    },
    Purge {
        page: Target,
        reply: Reply<()>,
    },
}

impl SharedIndex {
    /// Opens both connections, and says in the database that the fence is used. Two tasks on this runtime serve them until the
    /// last clone is dropped.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or the tables are missing.
    pub async fn open(outbox: &Outbox) -> Result<Self, OutboxError> {
        let mut checking = outbox.open_durable().await?;
        let epoch = checking.use_index().await.map_err(OutboxError::of)?;
        let learning = outbox.open_durable().await?;
        let seen = Arc::new(Seen {
            number: AtomicI64::new(epoch.number),
            forgets: AtomicI64::new(epoch.forgets),
        });
        let serve = |store| {
            let (jobs, waiting) = mpsc::channel(WAITING);
            let server = Server {
                outbox: outbox.clone(),
                store: Some(store),
                seen: Arc::clone(&seen),
                is_troubled: false,
            };
            tokio::spawn(server.run(waiting));
            jobs
        };
        Ok(Self {
            outbox: Arc::new(outbox.clone()),
            learner: serve(learning),
            checker: serve(checking),
            seen,
        })
    }

    /// The number of the last purge that this program has seen: the `since` of a render that begins now.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.seen.number.load(Ordering::Acquire)
    }

    /// The last seen `forgets`. Pages that were learned under another one have to be learned again.
    #[must_use]
    pub fn forgets(&self) -> i64 {
        self.seen.forgets.load(Ordering::Acquire)
    }

    /// This program's relay has marked purges, or seen those of others. Renders that begin from now on know of them.
    pub fn marked(&self, number: i64) {
        self.seen.number.fetch_max(number, Ordering::AcqRel);
    }

    /// Records what a page carries, and returns when that is durable. `false` means that the index cannot have this page,
    /// because another one has its hash.
    ///
    /// # Errors
    ///
    /// If the database does not answer soon, or too many renders wait. Then the page must not be cached.
    pub async fn learn(&self, page: Target, keys: Arc<[Key]>) -> Result<bool, OutboxError> {
        let job = |reply| Job::Learn { page, keys, reply };
        Self::ask(&self.learner, job).await
    }

    /// Looks whether one of the keys was purged after the number `since`.
    ///
    /// # Errors
    ///
    /// As [`learn`](Self::learn).
    pub async fn check(&self, keys: Arc<[Key]>, since: i64) -> Result<Release, OutboxError> {
        let job = |reply| Job::Check { keys, since, reply };
        Self::ask(&self.checker, job).await
    }

    /// Puts the purge of a page into the outbox, and returns when that is durable.
    ///
    /// # Errors
    ///
    /// As [`learn`](Self::learn). Whether it is there is not known then.
    pub async fn purge(&self, page: Target) -> Result<(), OutboxError> {
        Self::ask(&self.learner, |reply| Job::Purge { page, reply }).await
    }

    /// The pages that carry a key. It uses a connection of its own.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn pages_of(&self, key: &Key) -> Result<Vec<Target>, OutboxError> {
        let mut store = self.outbox.open().await?;
        let pages = store.pages_of(key, usize::MAX).await;
        store.close().await;
        pages.map_err(OutboxError::of)
    }

    /// The pages in the area that a target is. It uses a connection of its own.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn pages_in(&self, area: &Target) -> Result<Vec<Target>, OutboxError> {
        let mut store = self.outbox.open().await?;
        let finding = async {
            let mut resolving = Resolving::default();
            resolving.add_area(0, area);
            let mut pages = Vec::new();
            while !resolving.is_done() {
                let found = store.resolve(&mut resolving, PIECE).await?;
                pages.extend(found.into_iter().map(|found| found.page));
            }
            Ok(pages)
        };
        let pages = finding.await;
        store.close().await;
        pages.map_err(OutboxError::of)
    }

    /// The tags of some pages, under URLs as they were asked for. It uses a connection of its own.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn tags_of(&self, pages: &[Target]) -> Result<Vec<Target>, OutboxError> {
        let mut store = self.outbox.open().await?;
        let finding = async {
            let mut tags = Vec::new();
            for page in pages {
                tags.extend(store.tags_of(page).await?.unwrap_or_default());
            }
            Ok(tags)
        };
        let tags = finding.await;
        store.close().await;
        tags.map_err(OutboxError::of)
    }

    async fn ask<T>(
        server: &mpsc::Sender<Job>,
        job: impl FnOnce(Reply<T>) -> Job,
    ) -> Result<T, OutboxError> {
        let (reply, answer) = oneshot::channel();
        server
            .try_send(job(reply))
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => {
                    OutboxError::Unavailable("more than a thousand renders wait for the index")
                }
                mpsc::error::TrySendError::Closed(_) => ended(),
            })?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(ended()),
            Err(_) => Err(no_answer()),
        }
    }
}

fn ended() -> OutboxError {
    OutboxError::Unavailable("the connections of the index have ended")
}

fn no_answer() -> OutboxError {
    OutboxError::Database(Cause::new("no answer within two seconds"))
}

/// One of the connections.
struct Server {
    outbox: Outbox,
    store: Option<Store>,
    seen: Arc<Seen>,
    is_troubled: bool,
}

impl Server {
    async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(TOGETHER);
        // MySQL ends a connection that is silent for a lease. The look also keeps `since` young in a quiet program.
        let quiet = (self.outbox.lease / 3).min(Duration::from_secs(5));
        loop {
            let received = waiting.recv_many(&mut jobs, TOGETHER);
            if tokio::time::timeout(quiet, received).await == Ok(0) {
                break;
            }
            // Who does not wait any more does not need it: a stampede after an outage stays short.
            jobs.retain(|job| !job.is_abandoned());
            if let Err(error) = self.serve(&mut jobs).await {
                self.store = None;
                if !std::mem::replace(&mut self.is_troubled, true) {
                    loudly(format_args!(
                        "cannot use the index of pages; until it can be used, pages are not cached: {error}"
                    ));
                }
                for job in jobs.drain(..) {
                    job.refuse(&error);
                }
                tokio::time::sleep(PAUSE).await;
            } else if std::mem::take(&mut self.is_troubled) {
                end_loudly(
                    format_args!("the index of pages can be used again"),
                    || tracing::info!(target: "roan", "the index of pages can be used again"),
                );
            }
        }
        if let Some(store) = self.store {
            store.close().await;
        }
    }

    /// Serves all jobs. After an error those that are left were not answered.
    async fn serve(&mut self, jobs: &mut Vec<Job>) -> Result<(), OutboxError> {
        // A connection that was idle may have ended: that is not worth a page.
        let was_open = self.store.is_some();
        let served = self.serve_once(jobs).await;
        if served.is_ok() || !was_open {
            return served;
        }
        self.store = None;
        jobs.retain(|job| !job.is_abandoned());
        if jobs.is_empty() {
            return served;
        }
        self.serve_once(jobs).await
    }

    async fn serve_once(&mut self, jobs: &mut Vec<Job>) -> Result<(), OutboxError> {
        let mut store = match self.store.take() {
            Some(store) => store,
            None => {
                let mut store = self.outbox.open_durable().await?;
                // The row may have been lost with what was restored.
                store.use_index().await.map_err(OutboxError::of)?;
                store
            }
        };
        let serving = async {
            learn(&mut store, jobs).await?;
            purge(&mut store, jobs).await?;
            self.check(&mut store, jobs).await
        };
        match tokio::time::timeout(PATIENCE, serving).await {
            Ok(served) => served.map_err(OutboxError::of)?,
            Err(_) => return Err(no_answer()),
        }
        self.store = Some(store);
        Ok(())
    }

    async fn check(&self, store: &mut Store, jobs: &mut Vec<Job>) -> Result<(), sqlx::Error> {
        let mut all = BTreeSet::new();
        let mut least = i64::MAX;
        for job in jobs.iter() {
            if let Job::Check { keys, since, .. } = job {
                all.extend(keys.iter().map(Key::hash));
                least = least.min(*since);
            }
        }
        let all: Vec<i64> = all.into_iter().collect();
        let before = self.seen.number.load(Ordering::Acquire);
        let checked = store.purged_since(&all, least).await?;
        let epoch: Epoch = checked.epoch;
        if epoch.number < before {
            // The database was restored. A low number is safe.
            self.seen.number.store(epoch.number, Ordering::Release);
        } else {
            // The relay may have seen a later one meanwhile.
            self.seen.number.fetch_max(epoch.number, Ordering::AcqRel);
        }
        self.seen.forgets.store(epoch.forgets, Ordering::Release);
        for job in jobs.drain(..) {
            if let Job::Check { keys, since, reply } = job {
                let is_purged = checked.is_purged(keys.iter().map(Key::hash), since);
                // Who asked may have gone.
                let _ = reply.send(Ok(Release {
                    is_purged,
                    forgets: epoch.forgets,
                    number: epoch.number,
                }));
            }
        }
        Ok(())
    }
}

/// Learns what the jobs say, and removes those jobs.
async fn learn(store: &mut Store, jobs: &mut Vec<Job>) -> Result<(), sqlx::Error> {
    let pages: Vec<(&Target, &[Key])> = jobs
        .iter()
        .filter_map(|job| match job {
            Job::Learn { page, keys, .. } => Some((page, &**keys)),
            Job::Check { .. } | Job::Purge { .. } => None,
        })
        .collect();
    if pages.is_empty() {
        return Ok(());
    }
    let mut conflicts = 0;
    let learned = loop {
        match store.learn(&pages).await {
            Ok(learned) => break learned,
            Err(error) if Store::is_conflict(&error) && conflicts < CONFLICTS => {
                conflicts += 1;
                store.learn_again().await?;
            }
            Err(error) => return Err(error),
        }
    };
    let mut learned = learned.into_iter();
    for job in jobs.extract_if(.., |job| matches!(job, Job::Learn { .. })) {
        if let Job::Learn { reply, .. } = job {
            let _ = reply.send(Ok(learned.next().unwrap_or_default()));
        }
    }
    Ok(())
}

/// Stores the purges of the jobs, and removes those jobs.
async fn purge(store: &mut Store, jobs: &mut Vec<Job>) -> Result<(), sqlx::Error> {
    let pages = jobs.iter().filter_map(|job| match job {
        Job::Purge { page, .. } => Some(page.clone()),
        Job::Learn { .. } | Job::Check { .. } => None,
    });
    let pages: Vec<_> = pages.collect();
    if pages.is_empty() {
        return Ok(());
    }
    store.put_purges(&pages).await?;
    for job in jobs.extract_if(.., |job| matches!(job, Job::Purge { .. })) {
        if let Job::Purge { reply, .. } = job {
            let _ = reply.send(Ok(()));
        }
    }
    Ok(())
}

impl Job {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Learn { reply, .. } => reply.is_closed(),
            Self::Check { reply, .. } => reply.is_closed(),
            // Whoever asked for it may have gone, and it is wanted all the same.
            Self::Purge { .. } => false,
        }
    }

    fn refuse(self, error: &OutboxError) {
        match self {
            Self::Learn { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Check { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Purge { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}
