//! The outbox of programs that are killed at any time, and what is left in it afterwards.

use std::time::Duration;

use roan::outbox::Outbox;

use crate::Connection;

/// What its dispatchers may hold for so long is taken by another one.
pub const LEASE: Duration = Duration::from_millis(200);

const UNFINISHED: &str = "SELECT (SELECT count(*) FROM roan_outbox WHERE state IN (0, 1, 5)), \
                          (SELECT count(*) FROM roan_delivery WHERE state IN (0, 1))";

const DEAD: &str = "SELECT (SELECT count(*) FROM roan_outbox WHERE state = 3), \
                    (SELECT count(*) FROM roan_delivery WHERE state = 3)";

const DUMP: [&str; 3] = [
    "SELECT concat_ws(' ', 'outbox: row', id, 'state', state, 'relay', relay, 'created', created_ms, \
     'ended', ended_ms, payload, error) FROM roan_outbox WHERE state IN (0, 1, 3, 5) ORDER BY id LIMIT 20",
    "SELECT concat_ws(' ', 'delivery: row', id, 'of', purge_id, 'to', node, target, 'state', state, \
     'relay', relay, 'attempts', attempts, 'due', due_ms, error) FROM roan_delivery ORDER BY id LIMIT 20",
    "SELECT concat_ws(' ', 'relay', id, 'beat', beat) FROM roan_relay",
];

/// One with short times.
pub fn at(url: &str) -> Outbox {
    Outbox::at(url)
        .expect("the URL of our own database")
        .lease(LEASE)
        .poll(Duration::from_millis(50))
        .retention(Duration::from_secs(2))
}

/// Whether nothing waits in it: all purges are delivered, or dead.
pub async fn is_drained(db: &mut Connection) -> bool {
    is_zero(db, UNFINISHED).await
}

/// # Panics
///
/// When a purge is dead.
pub async fn assert_none_dead(db: &mut Connection) {
    let none = is_zero(db, DEAD).await;
    assert!(none, "dead purges: {}", dump(db).await);
}

async fn is_zero(db: &mut Connection, sql: &str) -> bool {
    let counts = db.numbers(sql).await;
    counts.unwrap_or_else(|error| panic!("{sql}: {error}")) == [[0, 0]]
}

/// Some of its rows, for the message of a test that fails.
pub async fn dump(db: &mut Connection) -> String {
    let mut lines = Vec::new();
    for sql in DUMP {
        let texts = db.texts(sql).await;
        lines.extend(texts.unwrap_or_else(|error| vec![error.to_string()]));
    }
    lines.join("\n")
}
