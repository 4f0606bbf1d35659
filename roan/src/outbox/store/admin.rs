//! Occasional statements: counts, replay, cleaning up.

use std::collections::BTreeMap;

use super::finish::storable;
use super::{DEAD, DELIVERED_LATER, DONE, Result, Store, WAITING, list};
use crate::outbox::Backlog;
use crate::outbox::connection::Value;
use crate::outbox::dialect::Dialect;
use crate::outbox::history::{REPLAY, TRACE, TRACE_LEN};

/// A delivery that was given up since it was too old.
#[derive(Debug)]
pub(crate) struct Expired {
    pub(crate) cache: String,
    pub(crate) node: String,
    pub(crate) target: String,
    pub(crate) attempts: u32,
    /// How the last attempt failed, or why there was none.
    pub(crate) error: String,
}

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
        let sql = self.sql(&format!(
            "SELECT count(DISTINCT {}) FROM roan_outbox \
             WHERE state IN ({DONE}, {DELIVERED_LATER}) AND ended_ms >= ?",
            self.without_trace()
        ));
        let count = self.connection.int(&sql, &[unix_ms.into()]).await?;
        Ok(count.unwrap_or_default().unsigned_abs())
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
            let sql = format!(
                "SELECT id FROM roan_outbox WHERE {which} AND ended_ms < {{now}} - {retention_ms} \
                 ORDER BY ended_ms LIMIT {BATCH} {{skip locked}}"
            );
            let ids = self.ids(&sql, &[]).await?;
            if !ids.is_empty() {
                more |= ids.len() == BATCH;
                let sql = format!("DELETE FROM roan_outbox WHERE id IN {}", list(ids));
                self.connection.batch(self.sql(&sql)).await?;
            }
        }
        Ok(more)
    }

    /// Gives up some deliveries that are older. Those for a node that is paused do not age. `why` is asked for the reason of
    /// one that was never sent.
    pub(crate) async fn expire(
        &mut self,
        max_age_ms: i64,
        why: impl Fn((&str, &str)) -> String,
    ) -> Result<Vec<Expired>> {
        let sql = self.sql(&format!(
            "SELECT id, {}, {}, {}, purge_id, attempts, {} FROM roan_delivery \
             WHERE state = {WAITING} AND created_ms < {{now}} - {max_age_ms} \
             AND NOT EXISTS (SELECT 1 FROM roan_node WHERE paused_ms > 0 \
                 AND roan_node.cache = roan_delivery.cache AND roan_node.node = roan_delivery.node) \
             ORDER BY id LIMIT {BATCH} {{skip locked}}",
            self.dialect.bytes("cache"),
            self.dialect.bytes("node"),
            self.dialect.bytes("target"),
            self.dialect.bytes("error")
        ));
        let rows = self.connection.rows(&sql, &[]).await?;
        let mut expired = Vec::new();
        let mut purges = Vec::new();
        // By their reasons, since all that wait for a node have the same one.
        let mut ids: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for row in &rows {
            let (cache, node) = (row.shown(1)?, row.shown(2)?);
            let known = Some(row.shown(6)?).filter(|error| !error.is_empty());
            let error = known.unwrap_or_else(|| why((&cache, &node)));
            purges.push(row.int(4)?);
            ids.entry(error.clone()).or_default().push(row.int(0)?);
            expired.push(Expired {
                cache,
                node,
                target: row.shown(3)?,
                attempts: u32::try_from(row.int(5)?).unwrap_or(0),
                error,
            });
        }
        if expired.is_empty() {
            return Ok(expired);
        }
        self.connection.batch(self.begin().to_owned()).await?;
        for (error, ids) in ids {
            let sql = self.sql(&format!(
                "UPDATE roan_delivery SET state = {DEAD}, error = coalesce(error, ?) \
                 WHERE state = {WAITING} AND id IN {}",
                list(ids)
            ));
            self.connection
                .execute(&sql, &[Value::Text(&storable(&error))])
                .await?;
        }
        let ended = self.ended_now(&list(purges));
        self.connection.batch(format!("{ended};\nCOMMIT")).await?;
        Ok(expired)
    }

    /// The statement that notes the end of something of these purges: a list of ids, or a query for them.
    pub(super) fn ended_now(&self, purges: &str) -> String {
        self.sql(&format!(
            "UPDATE roan_outbox SET ended_ms = {{now}} WHERE id IN {purges} AND state IN ({DONE}, {DELIVERED_LATER})"
        ))
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
