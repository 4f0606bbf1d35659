//! What is in the tables, counted.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{DEAD, DELIVERED_LATER, DONE, LEFT, Result, Store, TAKEN, WAITING};
use crate::outbox::schema;
use crate::outbox::status::{NodeStatus, Status};

impl Store {
    /// Counts what waits and what is dead, and lists the nodes.
    pub(crate) async fn status(&mut self) -> Result<Status> {
        let mut status = Status {
            // It was checked when the connection was opened.
            schema: Some(schema::VERSION),
            ..Status::default()
        };
        let sql = self.sql(&format!(
            "SELECT state, count(*), min({{now}}), min(created_ms) FROM roan_outbox \
             WHERE state IN ({WAITING}, {TAKEN}, {DEAD}, {LEFT}) GROUP BY state"
        ));
        for row in &self.connection.rows(&sql, &[]).await? {
            let state = row.int(0)?;
            let count = row.int(1)?.unsigned_abs();
            match state {
                WAITING => status.waiting = count,
                TAKEN => status.taken = count,
                LEFT => status.left = count,
                _ => status.dead = count,
            }
            if state != DEAD {
                let age = since(row.int(2)?, row.int(3)?);
                status.oldest = status.oldest.max(Some(age));
            }
        }
        let relays = self
            .ids("SELECT count(*) FROM roan_relay", &[])
            .await?
            .first()
            .copied();
        status.relays = relays.unwrap_or_default().unsigned_abs();
        status.kept = self.kept().await?;
        let mut nodes: BTreeMap<(String, String), NodeStatus> = BTreeMap::new();
        self.add_known(&mut nodes).await?;
        self.add_deliveries(&mut nodes).await?;
        status.nodes = nodes
            .into_iter()
            .map(|((cache, node), known)| NodeStatus {
                cache,
                node,
                ..known
            })
            .collect();
        Ok(status)
    }

    /// How long ago the oldest row ended that is kept. The index has them by this time.
    async fn kept(&mut self) -> Result<Option<Duration>> {
        let oldest = |state: i64, which: &str| {
            format!(
                "coalesce((SELECT ended_ms FROM roan_outbox WHERE state = {state} AND ended_ms > 0{which} \
                 ORDER BY ended_ms LIMIT 1), 0)"
            )
        };
        // A row with a delivery, dead or waiting, is kept for longer, and says nothing about others.
        let without_deliveries = " AND NOT EXISTS \
            (SELECT 1 FROM roan_delivery WHERE roan_delivery.purge_id = roan_outbox.id)";
        let sql = self.sql(&format!(
            "SELECT {{now}}, {}, {}",
            oldest(DONE, ""),
            oldest(DELIVERED_LATER, without_deliveries)
        ));
        let rows = self.connection.rows(&sql, &[]).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let now = row.int(0)?;
        let ended = [row.int(1)?, row.int(2)?].into_iter();
        let oldest = ended.filter(|ended| *ended > 0).min();
        Ok(oldest.map(|oldest| since(now, oldest)))
    }

    async fn add_known(
        &mut self,
        nodes: &mut BTreeMap<(String, String), NodeStatus>,
    ) -> Result<()> {
        let sql = self.sql(&format!(
            "SELECT {}, {}, {{now}}, seen_ms, paused_ms FROM roan_node",
            self.dialect.bytes("cache"),
            self.dialect.bytes("node")
        ));
        for row in &self.connection.rows(&sql, &[]).await? {
            let now = row.int(2)?;
            let paused = Some(row.int(4)?).filter(|paused| *paused > 0);
            let known = nodes.entry((row.shown(0)?, row.shown(1)?)).or_default();
            known.seen = Some(since(now, row.int(3)?));
            known.paused = paused.map(|paused| since(now, paused));
        }
        Ok(())
    }

    async fn add_deliveries(
        &mut self,
        nodes: &mut BTreeMap<(String, String), NodeStatus>,
    ) -> Result<()> {
        let (cache, node) = (self.dialect.bytes("cache"), self.dialect.bytes("node"));
        let sql = self.sql(&format!(
            "SELECT {cache}, {node}, state, count(*), min({{now}}), min(created_ms), \
             count(CASE WHEN attempts > 0 THEN 1 END), \
             count(CASE WHEN state = {WAITING} AND relay <> 0 THEN 1 END) FROM roan_delivery GROUP BY cache, node, state"
        ));
        for row in &self.connection.rows(&sql, &[]).await? {
            let place = (row.shown(0)?, row.shown(1)?);
            let count = row.int(3)?.unsigned_abs();
            let known = nodes.entry(place).or_default();
            if row.int(2)? == DEAD {
                known.dead += count;
            } else {
                known.waiting += count;
                known.failing += row.int(6)?.unsigned_abs();
                known.left += row.int(7)?.unsigned_abs();
                let age = since(row.int(4)?, row.int(5)?);
                known.oldest = known.oldest.max(Some(age));
            }
        }
        // Each failure writes another row, so the highest id with an error has the last one. A retry replaces the row at any time:
        // two statements would not see the same.
        let sql = self.sql(&format!(
            "SELECT {cache}, {node}, {} FROM roan_delivery \
             WHERE id IN (SELECT max(id) FROM roan_delivery WHERE error IS NOT NULL GROUP BY cache, node)",
            self.dialect.bytes("error")
        ));
        for row in &self.connection.rows(&sql, &[]).await? {
            if let Some(known) = nodes.get_mut(&(row.shown(0)?, row.shown(1)?)) {
                known.last_error = Some(row.shown(2)?);
            }
        }
        Ok(())
    }
}

/// The time between two readings of the database's clock, which may have been set back.
fn since(now: i64, then: i64) -> Duration {
    Duration::from_millis(u64::try_from(now.saturating_sub(then)).unwrap_or(0))
}
