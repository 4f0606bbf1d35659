//! The writer program: an app that saves posts, with a dispatcher of its own, until it is killed.
//! It is this very test binary, selected by [`MODE`].
//!
//! It says what it did in lines on its standard output, each written at once: what a kill cuts off
//! is the line of one write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use roan::outbox::Dialect;
use roan::{Nginx, Roan};
use roan_tests::{Connection, HOST, outbox, say};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::model::{GROUPS, POSTS, Page, Post, Untrue, posts};

/// The variable by which the test binary knows that it is the writer: `write`, or `relay` for one
/// that has a dispatcher and writes nothing.
pub(crate) const MODE: &str = "ROAN_CRASH_WRITER";

/// A purge is repeated after it. A fill that takes longer may leave a stale page, so the readers
/// watch for such.
pub(crate) const REBOUND: Duration = Duration::from_millis(250);

/// Between attempts to reach a database that is gone.
const PAUSE: Duration = Duration::from_millis(30);

/// What it is told, as arguments of the program.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) url: String,
    pub(crate) seed: u64,
    /// Another one for each writer.
    pub(crate) number: u64,
    pub(crate) purge_urls: Vec<String>,
}

impl Orders {
    pub(crate) fn to_args(&self) -> Vec<String> {
        let mut args = vec![
            self.url.clone(),
            self.seed.to_string(),
            self.number.to_string(),
        ];
        args.extend(self.purge_urls.iter().cloned());
        args
    }

    fn of_args(mut args: impl Iterator<Item = String>) -> Option<Self> {
        Some(Self {
            url: args.next()?,
            seed: args.next()?.parse().ok()?,
            number: args.next()?.parse().ok()?,
            purge_urls: args.collect(),
        })
    }
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// The dispatcher runs.
    Ready,
    Committed,
    RolledBack,
    /// A savepoint, in a transaction that committed.
    SavepointRolledBack,
    /// An [`Untrue`] that left from memory: the outbox did not take it, and Roan does not see a transaction that was begun as
    /// text.
    Unstored(u64),
    Failed(String),
}

impl Line {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        Some(match line.split_at_checked(1)? {
            ("+", _) => Self::Ready,
            ("c", _) => Self::Committed,
            ("r", _) => Self::RolledBack,
            ("s", _) => Self::SavepointRolledBack,
            ("u", number) => Self::Unstored(number.trim().parse().ok()?),
            ("e", error) => Self::Failed(error.trim().to_owned()),
            _ => return None,
        })
    }

    fn say(&self) {
        let line = match self {
            Self::Ready => "+",
            Self::Committed => "c",
            Self::RolledBack => "r",
            Self::SavepointRolledBack => "s",
            Self::Unstored(number) => &format!("u {number}"),
            Self::Failed(error) => &format!("e {error}"),
        };
        say(line);
    }
}

/// Runs until it is killed.
pub(crate) fn run(mode: &str, args: impl Iterator<Item = String>) {
    // However the harness ends, the writer ends with it, even one that is stopped.
    set_parent_process_death_signal(Some(Signal::KILL)).expect("a signal for the end");
    let orders = Arc::new(Orders::of_args(args).expect("the harness knows what to say"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let roan = start(&orders).await;
        Line::Ready.say();
        if mode == "write" {
            let untrue = Arc::new(AtomicU64::new(orders.number * 1_000_000));
            let dialect = outbox::at(&orders.url).dialect();
            let writers = if dialect == Dialect::Sqlite { 2 } else { 4 };
            for number in 0..writers {
                let writer = Writer {
                    orders: Arc::clone(&orders),
                    roan: roan.clone(),
                    rng: Rng::with_seed(orders.seed.wrapping_add(number)),
                    untrue: Arc::clone(&untrue),
                };
                tokio::spawn(writer.write());
            }
        }
        std::future::pending::<()>().await;
    });
}

/// A database that is about to come back is waited for.
async fn start(orders: &Orders) -> Roan {
    let mut nginx = Nginx::at(&orders.purge_urls[0]).expect("a purge URL");
    for url in &orders.purge_urls[1..] {
        nginx = nginx.node(url).expect("a purge URL");
    }
    loop {
        let started = Roan::builder()
            .cache(nginx.clone())
            .site(HOST)
            .rebound(REBOUND)
            .connect_timeout(Duration::from_millis(500))
            .timeout(Duration::from_millis(500))
            .backoff(Duration::from_millis(20), Duration::from_millis(200))
            .outbox(outbox::at(&orders.url))
            .build();
        match started {
            Ok(roan) => return roan,
            Err(error) => Line::Failed(error.to_string()).say(),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One connection that writes.
struct Writer {
    orders: Arc<Orders>,
    roan: Roan,
    rng: Rng,
    untrue: Arc<AtomicU64>,
}

impl Writer {
    async fn write(mut self) {
        loop {
            let failed = match Connection::open(&self.orders.url).await {
                Ok(connection) => self.write_on(connection).await,
                Err(error) => error,
            };
            Line::Failed(failed.to_string()).say();
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Until one fails: then the transaction, of which nobody knows how far it is, goes with the
    /// connection.
    async fn write_on(&mut self, mut connection: Connection) -> sqlx::Error {
        loop {
            match self.transaction(&mut connection).await {
                Ok(lines) => lines.iter().for_each(Line::say),
                Err(error) => return error,
            }
            let pause = Duration::from_micros(self.rng.u64(0..6_000));
            tokio::time::sleep(pause).await;
        }
    }

    async fn transaction(&mut self, db: &mut Connection) -> Result<Vec<Line>, sqlx::Error> {
        let begin = match db.dialect() {
            // One that began by reading could not go on to write.
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            _ => "BEGIN",
        };
        db.run(begin).await?;
        // In the order of ids, so that no two wait for each other.
        let mut ids = [self.rng.i64(0..POSTS), self.rng.i64(0..POSTS)];
        ids.sort_unstable();
        let [first, second] = ids;
        self.update(db, first).await?;
        let lines = match self.rng.u8(0..10) {
            0..=4 => vec![Line::Committed],
            5 => {
                self.update(db, second).await?;
                vec![Line::Committed]
            }
            6..=7 => {
                self.save_untrue(db).await?;
                vec![Line::RolledBack]
            }
            _ => {
                db.run("SAVEPOINT inner_one").await?;
                self.update(db, second).await?;
                self.save_untrue(db).await?;
                db.run("ROLLBACK TO SAVEPOINT inner_one").await?;
                vec![Line::SavepointRolledBack, Line::Committed]
            }
        };
        if self.rng.u8(0..8) == 0 {
            // Others commit meanwhile, whose rows of the outbox have higher ids.
            let pause = Duration::from_millis(self.rng.u64(1..15));
            tokio::time::sleep(pause).await;
        }
        let end = match lines[0] {
            Line::RolledBack => "ROLLBACK",
            _ => "COMMIT",
        };
        db.run(end).await?;
        self.roan.outbox().committed();
        Ok(lines)
    }

    async fn update(&mut self, db: &mut Connection, id: i64) -> Result<(), sqlx::Error> {
        let lock = match db.dialect() {
            Dialect::Sqlite => "",
            _ => " FOR UPDATE",
        };
        let rows = db.numbers(&(Page::Post(id).rows() + lock)).await?;
        let old = posts(&rows).pop().ok_or(sqlx::Error::RowNotFound)?;
        let group = match self.rng.u8(0..4) {
            0 => self.rng.i64(0..GROUPS),
            _ => old.group,
        };
        let version = old.version + 1;
        let new = Post { id, group, version };
        let sql = format!("UPDATE posts SET grp = {group}, version = {version} WHERE id = {id}");
        db.run(&sql).await?;
        db.purge(&self.roan, || roan::updated(&old, &new)).await
    }

    async fn save_untrue(&mut self, db: &mut Connection) -> Result<(), sqlx::Error> {
        let number = self.untrue.fetch_add(1, Ordering::Relaxed);
        let before = self.roan.stats().not_stored;
        let purged = db.purge(&self.roan, || roan::saved(&Untrue { number }));
        let purged = purged.await;
        if self.roan.stats().not_stored > before {
            Line::Unstored(number).say();
        }
        purged
    }
}
