//! Taking rows: waiting rows, oldest first, that no other relay is taking.

use std::time::{Duration, Instant};

use super::{DEAD, LEFT, Store, TAKEN, WAITING, list};
use crate::base::created::{Created, age};
use crate::base::log::loudly;
use crate::outbox::connection::{Row, Value};
use crate::outbox::dialect::Dialect;

/// A write's purges.
#[derive(Debug)]
pub(crate) struct TakenPurge {
    pub(crate) id: i64,
    /// Or why it cannot be read.
    pub(crate) payload: Result<String, String>,
    pub(crate) created: Created,
    /// Whether it has waited long enough for another version of the program.
    pub(crate) is_overdue: bool,
}

/// What a look sees without taking anything.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The transactions that run: `xmin:xmax:xip_list` of PostgreSQL.
    pub(crate) snapshot: String,
    /// The highest id.
    pub(crate) top: i64,
    pub(crate) is_one_waiting: bool,
    /// The number of the last purge that the fence has.
    pub(crate) number: i64,
}

/// A purge that one node has not answered yet.
#[derive(Debug)]
pub(crate) struct TakenDelivery {
    pub(crate) id: i64,
    pub(crate) purge: i64,
    /// Or why it cannot be read.
    pub(crate) target: Result<String, String>,
    pub(crate) attempts: i64,
    /// As its write, unless it was queued anew.
    pub(crate) created: Created,
}

/// Which deliveries to take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    /// Those that no attempt was made for.
    New,
    /// Those that have failed, or that programs with other knowledge than this have left. With `due_within`, those that are
    /// due: none is due later than that from now, so one that says so was written before the clock was set back.
    Failed {
        due_within: Option<Duration>,
        knowledge: i64,
    },
}

/// Of the purges that were left: those of programs with other knowledge, and those that have waited long enough.
const FOR_US: &str = "(relay <> ? OR ended_ms <= {now} - ?)";

impl Store {
    /// Whether a purge waits, and the number of the last purge that the fence has. This is cheaper than taking one.
    pub(crate) async fn is_purge_waiting(&mut self) -> sqlx::Result<(bool, i64)> {
        let sql = self.sql(&format!(
            "SELECT EXISTS (SELECT id FROM roan_outbox WHERE state = {WAITING} AND ended_ms = 0), \
                 coalesce((SELECT number FROM roan_epoch WHERE id = 1), 0)"
        ));
        let rows = self.connection.rows(&sql, &[]).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        Ok((row.int(0)? != 0, row.int(1)?))
    }

    /// Whether [`Store::see_purges`] can be asked.
    pub(crate) fn has_snapshots(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// Whether a purge waits above this id, and what else there is to see in the same snapshot.
    pub(crate) async fn see_purges(&mut self, above: i64) -> sqlx::Result<Seen> {
        let sql = self.sql(&format!(
            "SELECT txid_current_snapshot()::text, \
                 coalesce((SELECT max(id) FROM roan_outbox WHERE id >= ?), 0), \
                 EXISTS (SELECT FROM roan_outbox \
                     WHERE state = {WAITING} AND ended_ms = 0 AND id > ?)::int::bigint, \
                 coalesce((SELECT number FROM roan_epoch WHERE id = 1), 0)"
        ));
        let values = [Value::Int(above), Value::Int(above)];
        let rows = self.connection.rows(&sql, &values).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        Ok(Seen {
            snapshot: row.shown(0)?,
            top: row.int(1)?,
            is_one_waiting: row.int(2)? != 0,
            number: row.int(3)?,
        })
    }

    /// Takes waiting purges above this id, the lowest ids first.
    pub(crate) async fn take_purges(
        &mut self,
        above: i64,
        limit: usize,
    ) -> sqlx::Result<Vec<TakenPurge>> {
        let payload = self.dialect.bytes("payload");
        let columns = format!("id, {payload}, (SELECT {{now}}), created_ms");
        let which = (WAITING, "ended_ms = 0 AND id > ?");
        let rows = self
            .take(
                "roan_outbox",
                &columns,
                which,
                ("id", limit),
                &[Value::Int(above)],
            )
            .await?;
        taken_purges(&rows, |_| Ok(false))
    }

    /// Whether [`Store::take_left`] would take one. An idle relay does not write.
    pub(crate) async fn is_left(&mut self, knowledge: i64, grace_ms: i64) -> sqlx::Result<bool> {
        let sql = self.sql(&format!(
            "SELECT id FROM roan_outbox WHERE state = {LEFT} AND {FOR_US} LIMIT 1"
        ));
        let values = [Value::Int(knowledge), Value::Int(grace_ms)];
        Ok(!self.connection.rows(&sql, &values).await?.is_empty())
    }

    /// Takes purges that programs with other knowledge have left, and those that nobody has taken for `grace_ms`.
    pub(crate) async fn take_left(
        &mut self,
        knowledge: i64,
        grace_ms: i64,
        limit: usize,
    ) -> sqlx::Result<Vec<TakenPurge>> {
        let values = [Value::Int(knowledge), Value::Int(grace_ms)];
        let payload = self.dialect.bytes("payload");
        let columns = format!("id, {payload}, (SELECT {{now}}), created_ms, ended_ms");
        let rows = self
            .take(
                "roan_outbox",
                &columns,
                (LEFT, FOR_US),
                ("id", limit),
                &values,
            )
            .await?;
        taken_purges(&rows, |row| Ok(age(row.int(2)?, row.int(4)?) >= grace_ms))
    }

    /// Nodes cannot have such names, so these deliveries are dead.
    pub(super) async fn end_unreadable_nodes(
        &mut self,
        cache: &str,
        node: &str,
    ) -> sqlx::Result<()> {
        let sql = self.sql(&format!(
            "SELECT id, {cache}, {node} FROM roan_delivery WHERE state = {WAITING}"
        ));
        let mut unreadable = Vec::new();
        for row in &self.connection.rows(&sql, &[]).await? {
            let texts = [("cache", row.text(1)?), ("node", row.text(2)?)];
            let error = texts
                .into_iter()
                .find_map(|(name, text)| text.err().map(|bytes| not_utf8(name, &bytes)));
            if let Some(error) = error {
                unreadable.push((row.int(0)?, error));
            }
        }
        for (id, error) in &unreadable {
            loudly(format_args!("delivery {id} of the outbox is dead: {error}"));
            let sql = self.sql(&format!(
                "UPDATE roan_delivery SET state = {DEAD}, error = ? WHERE id = ? AND state = {WAITING}"
            ));
            let values = [Value::Text(error), Value::Int(*id)];
            self.connection.execute(&sql, &values).await?;
        }
        Ok(())
    }

    /// Takes deliveries to one node.
    pub(crate) async fn take_deliveries(
        &mut self,
        (cache, node): (&str, &str),
        which: Which,
        limit: usize,
    ) -> sqlx::Result<Vec<TakenDelivery>> {
        let mut condition = "cache = ? AND node = ? AND ".to_owned();
        condition += &match which {
            Which::New => "attempts <= 0".to_owned(),
            Which::Failed { knowledge, .. } => format!("attempts > 0 AND relay <> {knowledge}"),
        };
        if let Which::Failed {
            due_within: Some(cap),
            ..
        } = which
        {
            let cap_ms = cap.as_millis();
            condition.push_str(&format!(
                " AND NOT (due_ms > {{now}} AND due_ms <= {{now}} + {cap_ms})"
            ));
        }
        let target = self.dialect.bytes("target");
        let columns = format!("id, purge_id, {target}, attempts, (SELECT {{now}}), created_ms");
        let values = [Value::Text(cache), Value::Text(node)];
        let order = match which {
            // Of a node that is down: see `Queue::next`.
            Which::New if limit == 1 => "attempts DESC, id DESC",
            // What has failed often has had its turns.
            Which::New | Which::Failed { .. } => "attempts, id",
        };
        let rows = self
            .take(
                "roan_delivery",
                &columns,
                (WAITING, &condition),
                (order, limit),
                &values,
            )
            .await?;
        let now = Instant::now();
        let taken = rows.iter().map(|row| {
            Ok(TakenDelivery {
                id: row.int(0)?,
                purge: row.int(1)?,
                target: row.text(2)?.map_err(|bytes| not_utf8("target", &bytes)),
                attempts: row.int(3)?,
                created: Created::read(row.int(4)?, row.int(5)?, now),
            })
        });
        let mut taken = taken.collect::<sqlx::Result<Vec<_>>>()?;
        taken.sort_unstable_by_key(|taken| (taken.attempts, taken.id));
        Ok(taken)
    }

    async fn take(
        &mut self,
        table: &str,
        columns: &str,
        (state, which): (i64, &str),
        (order, limit): (&str, usize),
        values: &[Value<'_>],
    ) -> sqlx::Result<Vec<Row>> {
        let of_waiting = format!(
            "FROM {table} WHERE state = {state} AND {which} ORDER BY {order} LIMIT ? {{skip locked}}"
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
                    .collect::<sqlx::Result<Vec<_>>>()?;
                let sql = self.sql(&format!("{taking} IN {}; COMMIT", list(ids)));
                self.connection.batch(sql).await?;
                return Ok(rows);
            }
        };
        self.connection.rows(&self.sql(&sql), &values).await
    }
}

fn taken_purges(
    rows: &[Row],
    is_overdue: impl Fn(&Row) -> sqlx::Result<bool>,
) -> sqlx::Result<Vec<TakenPurge>> {
    let now = Instant::now();
    let taken = rows.iter().map(|row| {
        Ok(TakenPurge {
            id: row.int(0)?,
            payload: row.text(1)?.map_err(|bytes| not_utf8("payload", &bytes)),
            created: Created::read(row.int(2)?, row.int(3)?, now),
            is_overdue: is_overdue(row)?,
        })
    });
    let mut taken = taken.collect::<sqlx::Result<Vec<_>>>()?;
    taken.sort_unstable_by_key(|taken| taken.id);
    Ok(taken)
}

fn not_utf8(column: &str, bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]);
    format!("the column `{column}` is not UTF-8: {shown:?}")
}
