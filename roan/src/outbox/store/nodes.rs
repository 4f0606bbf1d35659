//! The nodes that programs have, and those that are paused.

use std::time::{Duration, Instant};

use super::{Result, Store, TAKEN, WAITING};
use crate::outbox::connection::Value;
use crate::outbox::dialect::Dialect;

/// The number of ids whose rows are changed at a time.
const SPAN: i64 = 1000;

/// A node that no program has had for so long is forgotten, if it is not paused: a week, in milliseconds.
const FORGOTTEN_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// The longest name that each database stores, in characters.
const LONGEST_NAME: usize = 255;

/// What a look at the nodes sees.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    /// Those that deliveries wait for, by cache and name.
    pub(crate) waiting: Vec<(String, String)>,
    /// Those that are paused, and for how long they have been.
    pub(crate) paused: Vec<(String, String, Duration)>,
    /// Those of programs that were at work lately.
    pub(crate) at_work: Vec<(String, String)>,
}

impl Store {
    /// Notes that a program with these nodes is at work, and forgets nodes that none has had for long.
    pub(crate) async fn note_nodes(&mut self, nodes: &[(&str, &str)]) -> Result<()> {
        let is_storable = |name: &str| name.chars().count() <= LONGEST_NAME && !name.contains('\0');
        let insert = "INSERT INTO roan_node (cache, node, seen_ms) VALUES (?, ?, {now})";
        let sql = self.sql(&match self.dialect {
            Dialect::Postgres | Dialect::Sqlite => {
                format!("{insert} ON CONFLICT (cache, node) DO UPDATE SET seen_ms = {{now}}")
            }
            Dialect::MySql => format!("{insert} ON DUPLICATE KEY UPDATE seen_ms = {{now}}"),
        });
        let mut nodes = nodes.to_vec();
        // In the same order in each program, so that two of them do not wait for each other.
        nodes.sort_unstable();
        for (cache, node) in nodes {
            if is_storable(cache) && is_storable(node) {
                let values = [Value::Text(cache), Value::Text(node)];
                self.connection.execute(&sql, &values).await?;
            }
        }
        let sql = self.sql(&format!(
            "DELETE FROM roan_node WHERE paused_ms = 0 AND seen_ms < {{now}} - {FORGOTTEN_MS}"
        ));
        self.connection.execute(&sql, &[]).await.map(drop)
    }

    /// The names of the nodes that can be paused.
    pub(crate) async fn known_nodes(&mut self) -> Result<Vec<(String, String)>> {
        let (cache, node) = (self.dialect.bytes("cache"), self.dialect.bytes("node"));
        let sql = self.sql(&format!(
            "SELECT {cache}, {node} FROM roan_node ORDER BY cache, node"
        ));
        let rows = self.connection.rows(&sql, &[]).await?;
        rows.iter()
            .map(|row| Ok((row.shown(0)?, row.shown(1)?)))
            .collect()
    }

    /// For how long the node has been paused, in milliseconds: 0 if it is not. `None` if no program has it.
    async fn paused_since(&mut self, values: &[Value<'_>]) -> Result<Option<i64>> {
        let sql = self.sql("SELECT paused_ms FROM roan_node WHERE cache = ? AND node = ?");
        self.connection.int(&sql, values).await
    }

    /// Pauses a node, and returns whether that is new. `None` if no program has it.
    pub(crate) async fn pause(&mut self, cache: &str, node: &str) -> Result<Option<bool>> {
        let values = [Value::Text(cache), Value::Text(node)];
        let sql = self.sql(
            "UPDATE roan_node SET paused_ms = {now} WHERE cache = ? AND node = ? AND paused_ms = 0",
        );
        if self.connection.execute(&sql, &values).await? > 0 {
            return Ok(Some(true));
        }
        Ok(self.paused_since(&values).await?.map(|_| false))
    }

    /// Resumes a node, and returns whether it was paused. `None` if no program has it.
    pub(crate) async fn resume(&mut self, cache: &str, node: &str) -> Result<Option<bool>> {
        let values = [Value::Text(cache), Value::Text(node)];
        let since = match self.paused_since(&values).await? {
            None => return Ok(None),
            Some(0) => return Ok(Some(false)),
            Some(since) => since,
        };
        // First, so that nothing is too old when the pause is over.
        self.leave_out_of_ages(since, &values).await?;
        let sql = self.sql(
            "UPDATE roan_node SET paused_ms = 0 WHERE cache = ? AND node = ? AND paused_ms > 0",
        );
        let count = self.connection.execute(&sql, &values).await?;
        Ok(Some(count > 0))
    }

    /// Makes what waits for a node as old as it was when the pause began.
    async fn leave_out_of_ages(&mut self, since: i64, place: &[Value<'_>]) -> Result<()> {
        let which = format!("state IN ({WAITING}, {TAKEN}) AND cache = ? AND node = ?");
        let sql = self.sql(&format!(
            "SELECT coalesce(min(id), 0), coalesce(max(id), -1) FROM roan_delivery WHERE {which}"
        ));
        let rows = self.connection.rows(&sql, place).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let (mut from, top) = (row.int(0)?, row.int(1)?);
        let greatest = self.dialect.greatest();
        // By a clock that was set back a row may be from the future.
        let sql = self.sql(&format!(
            "UPDATE roan_delivery SET created_ms = created_ms + {{now}} - {greatest}(created_ms, ?) \
             WHERE {which} AND created_ms < {{now}} AND id >= ? AND id < ?"
        ));
        while from <= top {
            let mut values = vec![Value::Int(since)];
            values.extend_from_slice(place);
            values.extend([Value::Int(from), Value::Int(from.saturating_add(SPAN))]);
            let begun = Instant::now();
            self.connection.execute(&sql, &values).await?;
            self.let_others_write(begun).await;
            from = from.saturating_add(SPAN);
        }
        Ok(())
    }

    /// Where to find the nodes that deliveries wait for, with what comes before the statement. Millions may wait for a node
    /// that is paused, and the relay looks each second: PostgreSQL and SQLite, which would read them all, are led through
    /// the index from node to node. MySQL finds this way by itself.
    fn waiting_places(&self) -> (String, String) {
        let waiting = |which: &str| {
            format!(
                "FROM roan_delivery WHERE state = {WAITING}{which} ORDER BY cache, node LIMIT 1"
            )
        };
        let first = waiting("");
        match self.dialect {
            Dialect::Postgres => {
                let next = waiting(" AND (cache, node) > (place.cache, place.node)");
                let with = format!(
                    "WITH RECURSIVE place AS ((SELECT cache, node {first}) UNION ALL \
                     SELECT next.cache, next.node FROM place, LATERAL (SELECT cache, node {next}) next) "
                );
                (with, "place".to_owned())
            }
            Dialect::Sqlite => {
                let of =
                    |column| format!("(SELECT {column} FROM roan_delivery WHERE id = found.id)");
                let (cache, node) = (of("cache"), of("node"));
                let same_cache = waiting(&format!(" AND cache = {cache} AND node > {node}"));
                let next_cache = waiting(&format!(" AND cache > {cache}"));
                let with = format!(
                    "WITH RECURSIVE found (id) AS (SELECT (SELECT id {first}) UNION ALL \
                     SELECT coalesce((SELECT id {same_cache}), (SELECT id {next_cache})) \
                     FROM found WHERE found.id IS NOT NULL) "
                );
                (
                    with,
                    "roan_delivery WHERE id IN (SELECT id FROM found)".to_owned(),
                )
            }
            Dialect::MySql => (
                String::new(),
                format!("roan_delivery WHERE state = {WAITING}"),
            ),
        }
    }

    /// The nodes that deliveries wait for, those that are paused, and those of programs that were at work within
    /// `lately_ms`.
    pub(crate) async fn nodes(&mut self, lately_ms: i64) -> Result<Nodes> {
        let (cache, node) = (self.dialect.bytes("cache"), self.dialect.bytes("node"));
        let (greatest, bigint) = (self.dialect.greatest(), self.dialect.bigint());
        let (with, waiting) = self.waiting_places();
        let sql = self.sql(&format!(
            "{with}SELECT DISTINCT {cache}, {node}, CAST(-1 AS {bigint}) FROM {waiting} \
             UNION ALL SELECT {cache}, {node}, {greatest}({{now}} - paused_ms, 0) FROM roan_node WHERE paused_ms > 0 \
             UNION ALL SELECT {cache}, {node}, CAST(-2 AS {bigint}) FROM roan_node WHERE seen_ms > {{now}} - {lately_ms}"
        ));
        let rows = self.connection.rows(&sql, &[]).await?;
        let mut nodes = Nodes::default();
        let mut is_one_unreadable = false;
        for row in &rows {
            match (row.text(0)?, row.text(1)?, row.int(2)?) {
                (Ok(cache), Ok(node), -1) => nodes.waiting.push((cache, node)),
                (Ok(cache), Ok(node), -2) => nodes.at_work.push((cache, node)),
                (Ok(cache), Ok(node), so_long) => {
                    let so_long = Duration::from_millis(u64::try_from(so_long).unwrap_or(0));
                    nodes.paused.push((cache, node, so_long));
                }
                _ => is_one_unreadable = true,
            }
        }
        if is_one_unreadable {
            self.end_unreadable_nodes(&cache, &node).await?;
        }
        Ok(nodes)
    }
}
