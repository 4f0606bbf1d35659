//! What the tests share: what is in a stream, and an outbox in a file.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::stream::Stream;
use roan::outbox::Outbox;
use roan::{Fleet, Roan, RoanBuilder};
pub(crate) use roan_tests::nats::connect as client;
use roan_tests::{Connection, SqliteFile, logged, wait};
use serde_json::Value;

/// The rows that are not done. Those in state 4 have deliveries, which are gone when they are done.
const LEFT: &str = "SELECT (SELECT count(*) FROM roan_outbox WHERE state NOT IN (2, 4)) + (SELECT count(*) FROM roan_delivery)";

pub(crate) const STREAM: &str = "ROAN";

/// A message of the stream.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) id: String,
    pub(crate) message: Value,
}

impl Stored {
    /// Its one target.
    pub(crate) fn target(&self) -> &Value {
        &self.message["purge"][0]
    }
}

/// The messages of the stream, in their order.
pub(crate) async fn stored(client: &jetstream::Context) -> Vec<Stored> {
    let stream = stream_of_leader(client).await;
    let state = &stream.cached_info().state;
    let mut all = Vec::new();
    for sequence in state.first_sequence.max(1)..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let id = message.headers.get("Nats-Msg-Id");
        all.push(Stored {
            subject: message.subject.to_string(),
            id: id.map(ToString::to_string).unwrap_or_default(),
            message: serde_json::from_slice(&message.payload).unwrap(),
        });
    }
    all
}

/// While copies that were restarted have no leader, each answers for itself, and may lack messages.
async fn stream_of_leader(client: &jetstream::Context) -> Stream {
    wait::until_ok_async(wait::LONG, "an answer of the leader", async || {
        let stream = client.get_stream(STREAM).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let cluster = stream.cached_info().cluster.as_ref();
        let leads = cluster.is_none_or(|cluster| cluster.leader.is_some());
        leads.then_some(stream).ok_or_else(String::new)
    })
    .await
}

/// The targets of the messages.
pub(crate) async fn targets(client: &jetstream::Context) -> Vec<Value> {
    let stored = stored(client).await;
    stored
        .iter()
        .map(|stored| stored.target().clone())
        .collect()
}

/// A dispatcher for a fleet, which waits for little.
pub(crate) fn builder(fleet: Fleet) -> RoanBuilder {
    let short = Duration::from_millis(50);
    Roan::builder()
        .cache(fleet)
        .rebound(None)
        .backoff(short, 4 * short)
        .site("https://www.example.org")
}

/// Waits until this is said of a fleet.
pub(crate) fn until_logged(text: &str) -> String {
    let start = Instant::now();
    wait::until_some(2 * wait::LONG, text, || {
        let said = logged::errors_with(text).pop();
        let is_late = start.elapsed() > wait::LONG;
        assert!(
            said.is_some() || !is_late,
            "not logged: {text}; but {:#?}",
            logged::errors_with("fleet")
        );
        said
    })
}

/// A durable outbox in a file.
pub(crate) struct Rows {
    pub(crate) file: SqliteFile,
    pub(crate) outbox: Outbox,
    connection: Connection,
}

impl Rows {
    pub(crate) async fn new() -> Self {
        Self::of(SqliteFile::new()).await
    }

    /// The same file, by a new connection.
    pub(crate) async fn reopened(self) -> Self {
        drop(self.connection);
        Self::of(self.file).await
    }

    async fn of(file: SqliteFile) -> Self {
        let outbox = Outbox::at(&file.url()).unwrap();
        let outbox = outbox
            .poll(Duration::from_millis(50))
            .lease(Duration::from_secs(1));
        outbox.migrate().await.unwrap();
        let connection = Connection::open(&file.url()).await.unwrap();
        Self {
            file,
            outbox,
            connection,
        }
    }

    pub(crate) async fn run(&mut self, sql: &str) {
        self.connection.run(sql).await.unwrap();
    }

    /// Writes a row, as a program in any language may.
    pub(crate) async fn insert(&mut self, purge: &str) {
        let payload = format!(r#"{{"v":1,"purge":[{purge}]}}"#);
        let sql = format!("INSERT INTO roan_outbox (payload) VALUES ('{payload}')");
        self.run(&sql).await;
    }

    /// Waits until all rows are done.
    pub(crate) async fn until_done(&mut self) {
        self.connection.wait_for_count(LEFT, 0).await;
    }

    /// The number of rows that are not done.
    pub(crate) async fn left(&mut self) -> i64 {
        self.connection.numbers(LEFT).await.unwrap()[0][0]
    }

    /// As after the death of a program that has published, and not written it down.
    pub(crate) async fn forget_that_they_are_done(&mut self) {
        self.run("UPDATE roan_outbox SET state = 0, ended_ms = 0, relay = 0")
            .await;
    }
}
