//! Taking rows: waiting rows, oldest first, that no other relay is taking.

use super::{Result, Store, TAKEN, WAITING, list};
use crate::outbox::connection::{Row, Value};
use crate::outbox::dialect::Dialect;

/// A write's purges.
#[derive(Debug)]
pub(crate) struct TakenPurge {
    pub(crate) id: i64,
    pub(crate) payload: String,
    /// Milliseconds since the write, by the database's clock.
    pub(crate) age_ms: i64,
}

/// A purge that one node has not answered yet.
#[derive(Debug)]
pub(crate) struct TakenDelivery {
    pub(crate) id: i64,
    pub(crate) purge: i64,
    pub(crate) target: String,
    pub(crate) attempts: i64,
    pub(crate) age_ms: i64,
}

impl Store {
    /// Whether a purge waits. This is cheaper than taking one.
    pub(crate) async fn is_purge_waiting(&mut self) -> Result<bool> {
        let sql = self.sql(&format!(
            "SELECT id FROM roan_outbox WHERE state = {WAITING} AND ended_ms = 0 LIMIT 1"
        ));
        Ok(!self.connection.rows(&sql, &[]).await?.is_empty())
    }

    pub(crate) async fn take_purges(&mut self, limit: usize) -> Result<Vec<TakenPurge>> {
        let columns = "id, payload, (SELECT {now}) - created_ms";
        let rows = self
            .take("roan_outbox", columns, "ended_ms = 0", &[], limit)
            .await?;
        let taken = rows.iter().map(|row| {
            Ok(TakenPurge {
                id: row.int(0)?,
                payload: row.text(1)?,
                age_ms: row.int(2)?,
            })
        });
        let mut taken = taken.collect::<Result<Vec<_>>>()?;
        taken.sort_unstable_by_key(|taken| taken.id);
        Ok(taken)
    }

    /// The nodes that deliveries wait for, by cache and name.
    pub(crate) async fn waiting_nodes(&mut self) -> Result<Vec<(String, String)>> {
        let sql = self.sql("SELECT DISTINCT cache, node FROM roan_delivery WHERE state = 0");
        let rows = self.connection.rows(&sql, &[]).await?;
        rows.iter()
            .map(|row| Ok((row.text(0)?, row.text(1)?)))
            .collect()
    }

    /// Takes deliveries to one node: those that are due, or all.
    ///
    /// A delivery is never due later than `cap_ms` from now. If the row says so, it was written before the clock was set
    /// back, and does not have to wait.
    pub(crate) async fn take_deliveries(
        &mut self,
        (cache, node): (&str, &str),
        due_only: Option<i64>,
        limit: usize,
    ) -> Result<Vec<TakenDelivery>> {
        let mut which = "cache = ? AND node = ?".to_owned();
        if let Some(cap_ms) = due_only {
            which.push_str(&format!(
                " AND NOT (due_ms > {{now}} AND due_ms <= {{now}} + {cap_ms})"
            ));
        }
        let columns = "id, purge_id, target, attempts, (SELECT {now}) - created_ms";
        let values = [Value::Text(cache), Value::Text(node)];
        let rows = self
            .take("roan_delivery", columns, &which, &values, limit)
            .await?;
        let taken = rows.iter().map(|row| {
            Ok(TakenDelivery {
                id: row.int(0)?,
                purge: row.int(1)?,
                target: row.text(2)?,
                attempts: row.int(3)?,
                age_ms: row.int(4)?,
            })
        });
        let mut taken = taken.collect::<Result<Vec<_>>>()?;
        taken.sort_unstable_by_key(|taken| taken.id);
        Ok(taken)
    }

    async fn take(
        &mut self,
        table: &str,
        columns: &str,
        which: &str,
        values: &[Value<'_>],
        limit: usize,
    ) -> Result<Vec<Row>> {
        let of_waiting = format!(
            "FROM {table} WHERE state = {WAITING} AND {which} ORDER BY id LIMIT ? {{skip locked}}"
        );
        let mut values = values.to_vec();
        values.push(Value::Int(i64::try_from(limit).unwrap_or(i64::MAX)));
        let relay = self.relay;
        let taking = format!("UPDATE {table} SET state = {TAKEN}, relay = {relay} WHERE id");
        let sql = match self.dialect {
            // An array selects the rows once. PostgreSQL may run a subquery for each row.
            Dialect::Postgres => {
                format!("{taking} = ANY(ARRAY(SELECT id {of_waiting})) RETURNING {columns}")
            }
            Dialect::Sqlite => format!("{taking} IN (SELECT id {of_waiting}) RETURNING {columns}"),
            Dialect::MySql => {
                self.connection.batch("BEGIN".to_owned()).await?;
                let sql = self.sql(&format!("SELECT {columns} {of_waiting}"));
                let rows = self.connection.rows(&sql, &values).await?;
                let ids = rows
                    .iter()
                    .map(|row| row.int(0))
                    .collect::<Result<Vec<_>>>()?;
                let sql = self.sql(&format!("{taking} IN {}; COMMIT", list(ids)));
                self.connection.batch(sql).await?;
                return Ok(rows);
            }
        };
        self.connection.rows(&self.sql(&sql), &values).await
    }
}
