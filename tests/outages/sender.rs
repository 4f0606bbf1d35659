//! The sending program: an app that writes pages, with a dispatcher of its own, until it is killed. It is this very test
//! binary, selected by [`MODE`].
//!
//! It says what it did in lines on its standard output, each written at once. It ends when its standard input does: with
//! the harness, however that ends.

use std::io::Read as _;
use std::time::Duration;

use fastrand::Rng;
use roan::Roan;
use roan_tests::{Connection, HOST, outbox, say};

use crate::model::{PAGES, Page};
use crate::stream;

/// The variable by which the test binary knows that it is a sender: `write`, or `relay` for one that has a dispatcher
/// and writes nothing.
pub(crate) const MODE: &str = "ROAN_OUTAGES_SENDER";

/// Between attempts to reach a database or a stream that is gone.
const PAUSE: Duration = Duration::from_millis(30);

/// Microseconds between two writes of a connection, at most.
const BREATH: u64 = 60_000;

const CONNECTIONS: u64 = 2;

/// What it gets, as arguments of the program.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) database: String,
    pub(crate) servers: String,
    pub(crate) seed: u64,
}

impl Orders {
    pub(crate) fn to_args(&self) -> [String; 3] {
        let seed = self.seed.to_string();
        [self.database.clone(), self.servers.clone(), seed]
    }

    fn of_args(mut args: impl Iterator<Item = String>) -> Option<Self> {
        Some(Self {
            database: args.next()?,
            servers: args.next()?,
            seed: args.next()?.parse().ok()?,
        })
    }
}

/// What it says: that its dispatcher runs, that a write is committed, or that something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Ready,
    Committed,
    Failed(String),
}

impl Line {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        Some(match line.split_at_checked(1)? {
            ("+", _) => Self::Ready,
            ("c", _) => Self::Committed,
            ("e", error) => Self::Failed(error.trim().to_owned()),
            _ => return None,
        })
    }

    fn say(&self) {
        let line = match self {
            Self::Ready => "+",
            Self::Committed => "c",
            Self::Failed(error) => &format!("e {error}"),
        };
        say(line);
    }
}

/// Runs until it is killed.
pub(crate) fn run(mode: &str, args: impl Iterator<Item = String>) {
    std::thread::spawn(|| {
        let _end = std::io::stdin().read(&mut [0]);
        std::process::abort();
    });
    let orders = Orders::of_args(args).expect("the harness knows what to say");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let roan = start(&orders).await;
        Line::Ready.say();
        if mode == "write" {
            for number in 0..CONNECTIONS {
                let writer = Writer {
                    database: orders.database.clone(),
                    roan: roan.clone(),
                    rng: Rng::with_seed(orders.seed.wrapping_add(number)),
                };
                tokio::spawn(writer.write());
            }
        }
        std::future::pending::<()>().await;
    });
}

/// What is about to come back is waited for.
async fn start(orders: &Orders) -> Roan {
    loop {
        let started = Roan::builder()
            .cache(stream::sending(&orders.servers))
            .site(HOST)
            .timeout(Duration::from_secs(2))
            .backoff(Duration::from_millis(20), Duration::from_millis(200))
            .outbox(outbox::at(&orders.database))
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
    database: String,
    roan: Roan,
    rng: Rng,
}

impl Writer {
    async fn write(mut self) {
        loop {
            let failed = match Connection::open(&self.database).await {
                Ok(connection) => self.write_on(connection).await,
                Err(error) => error,
            };
            Line::Failed(failed.to_string()).say();
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Until one fails: then the transaction, of which nobody knows how far it is, goes with the connection.
    async fn write_on(&mut self, mut db: Connection) -> sqlx::Error {
        loop {
            let committed = match self.transaction(&mut db).await {
                Ok(committed) => committed,
                Err(error) => return error,
            };
            if committed {
                Line::Committed.say();
            }
            let pause = Duration::from_micros(self.rng.u64(0..BREATH));
            tokio::time::sleep(pause).await;
        }
    }

    async fn transaction(&mut self, db: &mut Connection) -> Result<bool, sqlx::Error> {
        let id = self.rng.i64(0..PAGES);
        db.run("BEGIN").await?;
        let sql = format!("UPDATE pages SET version = version + 1 WHERE id = {id}");
        db.run(&sql).await?;
        db.purge(&self.roan, || roan::saved(&Page { id })).await?;
        let commits = self.rng.u8(0..8) > 0;
        db.run(if commits { "COMMIT" } else { "ROLLBACK" }).await?;
        self.roan.outbox().committed();
        Ok(commits)
    }
}
