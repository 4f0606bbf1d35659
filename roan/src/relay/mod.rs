//! The relay: takes committed purges out of the durable outbox, hands them to the dispatcher, and
//! writes down what became of them. A task on the dispatcher's thread, with one connection.
//!
//! It goes by the state of rows, never by the highest id seen: a transaction may commit long after
//! a later one. What it holds is the tickets of `dispatcher/tickets.rs`; the rows stay *taken* in
//! the database until nothing is outstanding for them.

mod ending;
mod link;
#[cfg(feature = "postgres")]
mod listen;
mod request;
mod rows;
mod schedule;
mod turn;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::schedule::Schedule;
use crate::announce::loudly;
use crate::dispatcher::{Engine, Policy};
use crate::outbox::store::{Store, Watch};
use crate::outbox::{Outbox, OutboxError};
use crate::retry::Backoff;
use crate::triggers;

pub(crate) use link::Link;
#[cfg(feature = "postgres")]
pub(crate) use listen::listen;
pub use request::DeadPurge;
pub(crate) use request::Request;

/// Between attempts to reach a database that is gone.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Answers that may be outstanding for each second of the rebound delay, during which each row is
/// held; and without one.
const HELD: usize = 32 * 1024;

/// See the module.
pub(crate) struct Relay {
    engine: Arc<Engine>,
    link: Arc<Link>,
    outbox: Outbox,
    backoff: Backoff,
    max_age: Duration,
    /// Answers that may be outstanding.
    window: usize,
    schedule: Schedule,
    watch: Watch,
    /// Nodes that deliveries wait for, due or not: they have come back.
    back: Vec<(Arc<str>, Arc<str>)>,
    /// Whether the backlog was over the threshold when it was last counted.
    alarmed: bool,
    /// Whether the next look is for a write of this program.
    expects: bool,
    /// Rows that are taken at a time.
    batch: usize,
    /// Whether the last taking found as many purges as it could take.
    more_purges: bool,
    /// Whether it found so many that the next ones are worth waiting for.
    many_purges: bool,
    /// Under which it holds rows, over all connections.
    id: i64,
}

impl Relay {
    /// Connects for the first time.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached, or its tables cannot be used.
    pub(crate) async fn open(outbox: &Outbox) -> Result<Store, OutboxError> {
        let mut store = outbox.open().await?;
        let mut checked = store.check().await;
        if checked.is_ok() {
            checked = triggers::check(outbox, &mut store).await;
        }
        match checked {
            Ok(()) => Ok(store),
            Err(error) => {
                store.close().await;
                Err(error)
            }
        }
    }

    pub(crate) fn new(
        engine: Arc<Engine>,
        link: Arc<Link>,
        outbox: Outbox,
        policy: &Policy,
        store: &Store,
    ) -> Self {
        let seconds = policy.rebound.map_or(1, |delay| delay.as_secs().max(1));
        let window = HELD.saturating_mul(usize::try_from(seconds).unwrap_or(usize::MAX));
        Self {
            engine,
            link,
            backoff: Backoff::new(policy.backoff_base, policy.backoff_cap),
            max_age: policy.max_age,
            window: window.min(policy.max_waiting / 2).max(1),
            schedule: Schedule::new(&outbox, Instant::now()),
            outbox,
            watch: Watch::default(),
            back: Vec::new(),
            alarmed: false,
            expects: false,
            batch: turn::BATCH,
            more_purges: false,
            many_purges: false,
            id: store.relay(),
        }
    }

    /// Works until it is told to stop.
    pub(crate) async fn run(mut self, store: Store) {
        let mut store = Some(store);
        let mut pauses = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut failures = 0;
        loop {
            let result = match store.take() {
                Some(store) => self.serve(store, &mut failures).await,
                None => self.reopen().await.map(Next::Serve),
            };
            match result {
                Ok(Next::End) => break,
                Ok(Next::Serve(opened)) => {
                    self.link.set_trouble(None);
                    store = Some(opened);
                    continue;
                }
                Err(error) => {
                    failures += 1;
                    self.tell_trouble(&error, failures);
                    self.link.set_trouble(Some(error));
                }
            }
            if self.link.is_stopping() {
                break;
            }
            let pause = pauses.after(failures).max(SHORTEST_PAUSE);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stopped() => break,
            }
        }
        self.link.end();
    }

    /// Connects again. What was taken over the old connection is still held; what was lost with it
    /// is given back.
    async fn reopen(&self) -> Result<Store, OutboxError> {
        let mut store = self.outbox.open().await?;
        store.go_on_as(self.id);
        let giving_back = self.give_back_strangers(&mut store);
        match tokio::time::timeout(Outbox::longest_statement(), giving_back).await {
            Ok(Ok(())) => Ok(store),
            Ok(Err(error)) => Err(OutboxError::of(&error)),
            Err(_) => Err(OutboxError::Database("no answer for a minute".to_owned())),
        }
    }

    /// Lets wait again what stands as taken by this relay, though it holds no such row.
    async fn give_back_strangers(&self, store: &mut Store) -> Result<(), sqlx::Error> {
        let (purges, deliveries) = self.engine.tickets.held();
        let count = store.release_but(&purges, &deliveries).await?;
        if count > 0 {
            tracing::warn!(target: "roan", count, "rows were taken and the answer lost: they wait again");
        }
        Ok(())
    }

    async fn stopped(&self) {
        while !self.link.is_stopping() {
            self.link.changed().await;
        }
    }

    /// Works over one connection until that fails.
    async fn serve(&mut self, mut store: Store, failures: &mut u32) -> Result<Next, OutboxError> {
        loop {
            let turn =
                tokio::time::timeout(Outbox::longest_statement(), self.turn(&mut store)).await;
            self.id = store.relay();
            match turn {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(OutboxError::of(&error)),
                Err(_) => {
                    return Err(OutboxError::Database(
                        "no answer for a minute; connecting anew".to_owned(),
                    ));
                }
            }
            if *failures > 0 {
                tracing::info!(target: "roan", "the outbox's database is back");
                *failures = 0;
            }
            if self.link.is_stopping() {
                // Whatever fails now, the lease makes good.
                let _ = self.write_down(&mut store).await;
                let _ = store.release_own().await;
                store.close().await;
                return Ok(Next::End);
            }
            self.wait().await;
        }
    }

    fn tell_trouble(&self, error: &OutboxError, failures: u32) {
        if failures == 1 {
            loudly(format_args!(
                "the outbox cannot be read, so nothing of it is purged until it can: {error}"
            ));
        } else {
            tracing::warn!(target: "roan", %error, failures, "the outbox cannot be read");
        }
    }

    async fn wait(&self) {
        let has_news = self.engine.tickets.has_news();
        let due = self.schedule.next(self.holds_rows(), has_news);
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = self.engine.tickets.changed() => {}
            () = self.link.changed() => {}
        }
    }
}

/// What the relay does next.
enum Next {
    Serve(Store),
    End,
}
