//! Dead purges, and those that wait: lists and counts by a filter, and what is done with the dead ones.

use std::time::{Duration, Instant};

use super::{DEAD, LEFT, Result, Store, TAKEN, WAITING, list};
use crate::base::created::milliseconds;
use crate::outbox::connection::{Row, Value};
use crate::outbox::dialect::Dialect;
use crate::outbox::filter::Filter;
use crate::outbox::status::{DeadPurge, WaitingPurge, Waits};
use crate::outbox::stored_target::target_of_delivery;

/// The number of rows that are changed at a time, and of ids in a statement.
const BATCH: usize = 1000;

/// The two tables with purges. The ids of one are shown as negative numbers, so that an id says its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Deliveries,
    Purges,
}

const TABLES: [Table; 2] = [Table::Deliveries, Table::Purges];

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Deliveries => "roan_delivery",
            Self::Purges => "roan_outbox",
        }
    }

    /// The column with what is to be purged.
    fn target(self) -> &'static str {
        match self {
            Self::Deliveries => "target",
            Self::Purges => "payload",
        }
    }

    fn sign(self) -> i64 {
        match self {
            Self::Deliveries => 1,
            Self::Purges => -1,
        }
    }
}

/// What a person wants of dead purges.
#[derive(Debug, Clone, Copy)]
enum Order {
    Requeue,
    Drop,
}

/// A condition on the rows of a table, and the values for its places.
struct Condition<'a> {
    sql: String,
    values: Vec<Value<'a>>,
}

impl Store {
    /// What of the filter is about the rows of a table, but for ids, order and limit. `None` if it picks none of them.
    fn condition<'a>(&self, table: Table, filter: &'a Filter) -> Option<Condition<'a>> {
        if table == Table::Purges && filter.is_for_nodes() {
            return None;
        }
        let mut sql = String::new();
        let mut values = Vec::new();
        for (column, text) in [("cache", &filter.cache), ("node", &filter.node)] {
            if let Some(text) = text {
                sql += &format!(" AND {column} = ?");
                values.push(Value::Text(text));
            }
        }
        for (column, text) in [(table.target(), &filter.target), ("error", &filter.error)] {
            if let Some(text) = text {
                sql += &format!(" AND {}", self.dialect.contains(column));
                values.push(Value::Text(text));
            }
        }
        for (age, sign) in [(filter.older_than, "<"), (filter.newer_than, ">=")] {
            if let Some(age) = age {
                let age = milliseconds(age).min(i64::MAX / 2);
                sql += &format!(" AND created_ms {sign} {{now}} - {age}");
            }
        }
        if let Some(after) = filter.after {
            // The rows of writes come after the deliveries.
            match (table, after.signum()) {
                (Table::Deliveries, -1) => return None,
                (Table::Purges, 1) => {}
                _ => {
                    let sign = if filter.newest_first { "<" } else { ">" };
                    sql += &format!(" AND id {sign} ?");
                    values.push(Value::Int(after.abs()));
                }
            }
        }
        Some(Condition { sql, values })
    }

    /// The ids of a table that the filter lists, in lists that fit into a statement. One list, which is `None`, if it does
    /// not list any.
    fn ids_of(table: Table, filter: &Filter) -> Vec<Option<Vec<i64>>> {
        let Some(ids) = &filter.ids else {
            return vec![None];
        };
        let of_table = ids.iter().filter(|id| id.signum() == table.sign());
        let mut ids: Vec<i64> = of_table.map(|id| id.saturating_abs()).collect();
        ids.sort_unstable();
        ids.dedup();
        if filter.newest_first {
            ids.reverse();
        }
        ids.chunks(BATCH).map(|ids| Some(ids.to_vec())).collect()
    }

    /// The rows in these states that the filter picks, in its order, up to `limit`.
    async fn pick(
        &mut self,
        table: Table,
        (states, columns): (&str, &str),
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let Some(condition) = self.condition(table, filter) else {
            return Ok(rows);
        };
        let order = if filter.newest_first { "DESC" } else { "ASC" };
        for ids in Self::ids_of(table, filter) {
            let room = limit.saturating_sub(rows.len());
            if room == 0 {
                break;
            }
            let ids = ids.map(|ids| format!(" AND id IN {}", list(ids)));
            let sql = self.sql(&format!(
                "SELECT {columns} FROM {} WHERE {states}{}{} ORDER BY id {order} LIMIT {room}",
                table.name(),
                ids.unwrap_or_default(),
                condition.sql
            ));
            rows.extend(self.connection.rows(&sql, &condition.values).await?);
        }
        Ok(rows)
    }

    /// The columns `id`, cache, node, target, attempts, the time, `created_ms` and error of a table.
    fn purge_columns(&self, table: Table) -> String {
        let target = self.dialect.bytes(table.target());
        let error = self.dialect.bytes("error");
        let (cache, node, attempts) = match table {
            Table::Deliveries => (
                self.dialect.bytes("cache"),
                self.dialect.bytes("node"),
                "attempts".to_owned(),
            ),
            Table::Purges => (
                "''".to_owned(),
                "''".to_owned(),
                format!("CAST(0 AS {})", self.dialect.bigint()),
            ),
        };
        format!("id, {cache}, {node}, {target}, {attempts}, {{now}}, created_ms, {error}")
    }

    /// Lists dead purges.
    pub(crate) async fn dead(&mut self, filter: &Filter) -> Result<Vec<DeadPurge>> {
        let mut dead = Vec::new();
        for table in TABLES {
            let columns = self.purge_columns(table);
            let which = (&*format!("state = {DEAD}"), &*columns);
            let room = filter.page().saturating_sub(dead.len());
            for row in self.pick(table, which, filter, room).await? {
                dead.push(DeadPurge {
                    id: table.sign() * row.int(0)?,
                    cache: row.shown(1)?,
                    node: row.shown(2)?,
                    target: target_of_delivery(row.shown(3)?),
                    attempts: count(row.int(4)?),
                    age: age(&row)?,
                    error: row.shown(7)?,
                });
            }
        }
        Ok(dead)
    }

    /// Lists purges that wait.
    pub(crate) async fn waiting(&mut self, filter: &Filter) -> Result<Vec<WaitingPurge>> {
        let mut waiting = Vec::new();
        for table in TABLES {
            let due = match table {
                Table::Deliveries => "due_ms".to_owned(),
                Table::Purges => format!("CAST(0 AS {})", self.dialect.bigint()),
            };
            let columns = format!("{}, state, {due}, relay", self.purge_columns(table));
            let states = format!("state IN ({WAITING}, {TAKEN}, {LEFT})");
            let room = filter.page().saturating_sub(waiting.len());
            for row in self.pick(table, (&states, &columns), filter, room).await? {
                let due_in = row.int(9)?.saturating_sub(row.int(5)?);
                waiting.push(WaitingPurge {
                    id: table.sign() * row.int(0)?,
                    cache: row.shown(1)?,
                    node: row.shown(2)?,
                    target: target_of_delivery(row.shown(3)?),
                    attempts: count(row.int(4)?),
                    age: age(&row)?,
                    error: Some(row.shown(7)?).filter(|error| !error.is_empty()),
                    state: match (row.int(8)?, row.int(10)?) {
                        (TAKEN, _) => Waits::Taken,
                        // A delivery that waits has the knowledge of the program that has left it.
                        (LEFT, _) | (_, 1..) => Waits::Left,
                        _ => Waits::Waiting,
                    },
                    due_in: Duration::from_millis(u64::try_from(due_in).unwrap_or(0)),
                });
            }
        }
        Ok(waiting)
    }

    /// Counts dead purges.
    pub(crate) async fn count_dead(&mut self, filter: &Filter) -> Result<u64> {
        let mut count = 0;
        for table in TABLES {
            let Some(condition) = self.condition(table, filter) else {
                continue;
            };
            for ids in Self::ids_of(table, filter) {
                let ids = ids.map(|ids| format!(" AND id IN {}", list(ids)));
                let sql = self.sql(&format!(
                    "SELECT count(*) FROM {} WHERE state = {DEAD}{}{}",
                    table.name(),
                    ids.unwrap_or_default(),
                    condition.sql
                ));
                let number = self.connection.int(&sql, &condition.values).await?;
                count += number.unwrap_or_default().unsigned_abs();
            }
        }
        Ok(count.min(u64::try_from(filter.most()).unwrap_or(u64::MAX)))
    }

    /// Queues dead purges again as new ones, and returns their number.
    pub(crate) async fn requeue(&mut self, filter: &Filter) -> Result<u64> {
        self.of_dead(filter, Order::Requeue).await
    }

    /// Deletes dead purges, and returns their number.
    pub(crate) async fn discard(&mut self, filter: &Filter) -> Result<u64> {
        self.of_dead(filter, Order::Drop).await
    }

    /// Does so with the dead purges of each table that the filter picks, a batch at a time. What dies meanwhile is
    /// left out: a purge that is refused at once would come round again and again.
    async fn of_dead(&mut self, filter: &Filter, order: Order) -> Result<u64> {
        let mut left = filter.most();
        let mut total = 0;
        for table in TABLES {
            let newest = Filter::new().newest_first();
            let dead = (&*format!("state = {DEAD}"), "id");
            let top = self.pick(table, dead, &newest, 1).await?;
            let Some(top) = top.first().map(|row| row.int(0)).transpose()? else {
                continue;
            };
            let mut rest = Filter {
                // The order of a list does not matter here, and a batch goes on where the last one ended.
                newest_first: false,
                ..filter.clone()
            };
            while left > 0 {
                let batch = self.pick(table, dead, &rest, left.min(BATCH)).await?;
                let ids = batch.iter().map(|row| row.int(0));
                let mut ids = ids.collect::<Result<Vec<_>>>()?;
                let is_last = ids.len() < left.min(BATCH);
                ids.retain(|id| *id <= top);
                let Some(last) = ids.last().copied() else {
                    break;
                };
                left -= ids.len().min(left);
                total += self.obey(order, table, &ids).await?;
                if is_last {
                    break;
                }
                rest.after = Some(table.sign() * last);
            }
        }
        Ok(total)
    }

    async fn obey(&mut self, order: Order, table: Table, ids: &[i64]) -> Result<u64> {
        let anew = "state = 0, created_ms = {now}, error = NULL";
        let statement = match (order, table) {
            (Order::Requeue, Table::Deliveries) => {
                format!("UPDATE roan_delivery SET relay = 0, attempts = 0, due_ms = 0, {anew}")
            }
            (Order::Requeue, Table::Purges) => {
                format!("UPDATE roan_outbox SET relay = 0, ended_ms = 0, {anew}")
            }
            (Order::Drop, Table::Deliveries) => return self.drop_deliveries(ids).await,
            (Order::Drop, Table::Purges) => "DELETE FROM roan_outbox".to_owned(),
        };
        let statement = format!("{statement} WHERE state = {DEAD} AND id IN");
        self.in_batches(&statement, ids).await
    }

    /// The ids that a query yields.
    pub(super) async fn ids(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<i64>> {
        let rows = self.connection.rows(&self.sql(sql), values).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// Runs a statement with these ids, some at a time: a save of the program waits for the end of each on SQLite, and
    /// for an `INSERT ... SELECT` on MySQL. Returns the number of rows.
    pub(super) async fn in_batches(&mut self, statement: &str, ids: &[i64]) -> Result<u64> {
        let mut count = 0;
        for ids in ids.chunks(BATCH) {
            let sql = self.sql(&format!("{statement} {}", list(ids.iter().copied())));
            let begun = Instant::now();
            count += self.execute_durably(&sql).await?;
            self.let_others_write(begun).await;
        }
        Ok(count)
    }

    /// SQLite has one writer at a time, and no queue of those that wait: the next one is whoever tries first.
    pub(super) async fn let_others_write(&self, begun: Instant) {
        if self.dialect == Dialect::Sqlite {
            let pause = begun.elapsed().min(Duration::from_millis(100));
            tokio::time::sleep(pause).await;
        }
    }
}

fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// By the columns of [`Store::purge_columns`].
fn age(row: &Row) -> Result<Duration> {
    let age = row.int(5)?.saturating_sub(row.int(6)?);
    Ok(Duration::from_millis(u64::try_from(age).unwrap_or(0)))
}
