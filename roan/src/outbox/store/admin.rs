//! Occasional statements: counts, replay, cleaning up.

use super::{DEAD, DELIVERED_LATER, DONE, Result, Store, WAITING, list};
use crate::outbox::Backlog;
use crate::outbox::connection::Value;
use crate::outbox::dialect::Dialect;
use crate::outbox::history::{REPLAY, TRACE, TRACE_LEN};

/// The number of rows that are deleted, or given up, at a time.
const BATCH: usize = 1000;

impl Store {
    /// Counts waiting purges and deliveries, each up to `limit`.
    /// Deliveries to the nodes `except`, and those that a program with this knowledge has left, are not counted.
    pub(crate) async fn backlog(
        &mut self,
        limit: usize,
        except: &[(String, String)],
        left_by: Option<i64>,
    ) -> Result<Backlog> {
        let count = |table: &str, which: &str| {
            format!(
                "(SELECT count(*) FROM (SELECT id FROM {table} WHERE state = {WAITING}{which} LIMIT {limit}) counted)"
            )
        };
        let mut which = " AND NOT (cache = ? AND node = ?)".repeat(except.len());
        which.extend(left_by.map(|knowledge| format!(" AND relay <> {knowledge}")));
        let texts = except.iter().flat_map(|(cache, node)| [cache, node]);
        let values: Vec<_> = texts.map(|text| Value::Text(text)).collect();
        let sql = format!(
            "SELECT {}, {}",
            count("roan_outbox", ""),
            count("roan_delivery", &which)
        );
        let rows = self.connection.rows(&self.sql(&sql), &values).await?;
        let Some(row) = rows.first() else {
            return Ok(Backlog::default());
        };
        Ok(Backlog {
            purges: row.int(0)?.unsigned_abs(),
            deliveries: row.int(1)?.unsigned_abs(),
        })
    }

    /// A person has requested this, so it must not be lost in a crash.
    pub(super) async fn execute_durably(&mut self, sql: &str) -> Result<u64> {
        if self.dialect != Dialect::Postgres {
            return self.connection.execute(sql, &[]).await;
        }
        self.connection.batch("BEGIN".to_owned()).await?;
        let count = self.connection.execute(sql, &[]).await?;
        self.commit_durably().await?;
        Ok(count)
    }

    /// An expression for what a payload asks for. Writes in two traces may ask for the same.
    fn without_trace(&self) -> String {
        let ids = "_".repeat(32) + "-" + &"_".repeat(16);
        let traced = format!(r#"{{"purge":[%{TRACE}{ids}"}}"#);
        let cut = TRACE.len() + TRACE_LEN + 2;
        let without = match self.dialect {
            Dialect::MySql => format!("left(payload, char_length(payload) - {cut})"),
            Dialect::Postgres => format!("left(payload, -{cut})"),
            Dialect::Sqlite => format!("substr(payload, 1, length(payload) - {cut})"),
        };
        format!("CASE WHEN payload LIKE '{traced}' THEN {without} ELSE payload END")
    }

    /// Inserts the payloads that were purged since then again, each once, and returns the number of rows.
    pub(crate) async fn purge_since(&mut self, unix_ms: i64) -> Result<u64> {
        let sql = format!(
            "SELECT min(id) FROM roan_outbox \
             WHERE state IN ({DONE}, {DELIVERED_LATER}) AND ended_ms >= ? GROUP BY {}",
            self.without_trace()
        );
        let ids = self.ids(&sql, &[unix_ms.into()]).await?;
        let [begin, end] = REPLAY;
        let line = match self.dialect {
            Dialect::MySql => format!("concat('{begin}', id, '{end}')"),
            Dialect::Postgres | Dialect::Sqlite => format!("'{begin}' || id || '{end}'"),
        };
        let again = format!(
            "INSERT INTO roan_outbox (payload, history) SELECT payload, {line} FROM roan_outbox WHERE id IN"
        );
        self.in_batches(&again, &ids).await
    }

    /// The number of payloads that were purged since then.
    pub(crate) async fn count_since(&mut self, unix_ms: i64) -> Result<u64> {
        let sql = format!(
            "SELECT count(DISTINCT {}) FROM roan_outbox \
             WHERE state IN ({DONE}, {DELIVERED_LATER}) AND ended_ms >= ?",
            self.without_trace()
        );
        let counts = self.ids(&sql, &[unix_ms.into()]).await?;
        Ok(counts.first().copied().unwrap_or_default().unsigned_abs())
    }

    /// Deletes some of the rows that ended longer ago, and returns whether there may be more.
    pub(crate) async fn clean_up(&mut self, retention_ms: i64) -> Result<bool> {
        let mut more = false;
        for which in [
            format!("state = {DONE}"),
            format!(
                "state = {DELIVERED_LATER} AND NOT EXISTS \
                 (SELECT 1 FROM roan_delivery WHERE roan_delivery.purge_id = roan_outbox.id)"
            ),
        ] {
            let sql = self.sql(&format!(
                "SELECT id FROM roan_outbox WHERE {which} AND ended_ms < {{now}} - {retention_ms} \
                 ORDER BY ended_ms LIMIT {BATCH} {{skip locked}}"
            ));
            let rows = self.connection.rows(&sql, &[]).await?;
            let ids = rows
                .iter()
                .map(|row| row.int(0))
                .collect::<Result<Vec<_>>>()?;
            if !ids.is_empty() {
                more |= ids.len() == BATCH;
                let sql = format!("DELETE FROM roan_outbox WHERE id IN {}", list(ids));
                self.connection.batch(self.sql(&sql)).await?;
            }
        }
        Ok(more)
    }

    /// Gives up some deliveries that are older, and returns cache, node and target of each. Those for a node that is paused
    /// do not age.
    pub(crate) async fn expire(
        &mut self,
        max_age_ms: i64,
    ) -> Result<Vec<(String, String, String)>> {
        let sql = self.sql(&format!(
            "SELECT id, {}, {}, {} FROM roan_delivery \
             WHERE state = {WAITING} AND created_ms < {{now}} - {max_age_ms} \
             AND NOT EXISTS (SELECT 1 FROM roan_node WHERE paused_ms > 0 \
                 AND roan_node.cache = roan_delivery.cache AND roan_node.node = roan_delivery.node) \
             ORDER BY id LIMIT {BATCH} {{skip locked}}",
            self.dialect.bytes("cache"),
            self.dialect.bytes("node"),
            self.dialect.bytes("target")
        ));
        let rows = self.connection.rows(&sql, &[]).await?;
        let mut ids = Vec::new();
        let mut expired = Vec::new();
        for row in &rows {
            ids.push(row.int(0)?);
            expired.push((row.shown(1)?, row.shown(2)?, row.shown(3)?));
        }
        if !ids.is_empty() {
            let sql = self.sql(&format!(
                "UPDATE roan_delivery SET state = {DEAD}, \
                 error = coalesce(error, 'never sent: the node was down') \
                 WHERE state = {WAITING} AND id IN {}",
                list(ids)
            ));
            self.connection.batch(sql).await?;
        }
        Ok(expired)
    }

    /// Discards the deliveries to a node that is no longer configured, and returns their number.
    pub(crate) async fn end_deliveries(&mut self, cache: &str, node: &str) -> Result<u64> {
        let sql = format!(
            "SELECT id FROM roan_delivery WHERE state = {WAITING} AND cache = ? AND node = ?"
        );
        let values = [Value::Text(cache), Value::Text(node)];
        let ids = self.ids(&sql, &values).await?;
        let statement = format!("DELETE FROM roan_delivery WHERE state = {WAITING} AND id IN");
        self.in_batches(&statement, &ids).await
    }
}
