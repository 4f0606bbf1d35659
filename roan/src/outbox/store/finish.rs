//! The results of taken rows.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use super::fence::array;
use super::{DEAD, DELIVERED_LATER, DONE, LEFT, Result, Store, WAITING, code, list, mysql_number};
use crate::outbox::connection::Value;
use crate::outbox::dialect::Dialect;

/// The text of the notification that rows have ended.
pub(crate) const ENDED: &str = "ended";

/// The number of rows inserted at a time: SQLite allows 999 values in one statement.
const ROWS: usize = 90;

/// The number of texts for the history in one statement.
pub(super) const TEXTS: usize = 90;

/// A delivery to write.
#[derive(Debug)]
pub(crate) struct NewDelivery {
    pub(crate) purge: i64,
    pub(crate) cache: String,
    pub(crate) node: String,
    pub(crate) target: String,
    /// When it was written, by the database's clock.
    pub(crate) created_ms: i64,
    pub(crate) attempts: i64,
    /// Milliseconds until the next attempt. `None` if there is no next attempt.
    pub(crate) due_in_ms: Option<i64>,
    pub(crate) error: Option<String>,
}

/// The rows that the relay has finished, and the deliveries that remain.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Purges that every node answered.
    pub(crate) done: Vec<i64>,
    /// Purges that continue as deliveries.
    pub(crate) later: Vec<i64>,
    /// Purges that cannot be sent, and why.
    pub(crate) dead: Vec<(i64, String)>,
    /// Deliveries that cannot be sent, and why.
    pub(crate) dead_deliveries: Vec<(i64, String)>,
    /// Purges that another version of the program is to make, by the reason.
    pub(crate) left: BTreeMap<String, Vec<i64>>,
    /// The same of deliveries.
    pub(crate) left_deliveries: BTreeMap<String, Vec<i64>>,
    /// Milliseconds until other versions look at these.
    pub(crate) left_due_in_ms: i64,
    /// Deliveries, answered or written anew, and their purges.
    pub(crate) deliveries: Vec<(i64, i64)>,
    pub(crate) new: Vec<NewDelivery>,
    /// Lines for the history of purges.
    pub(crate) history: BTreeMap<String, Vec<i64>>,
    /// The same of deliveries, by their purges.
    pub(crate) history_of_deliveries: BTreeMap<i64, String>,
}

impl Ended {
    pub(crate) fn is_empty(&self) -> bool {
        self.done.is_empty() && self.is_done_only()
    }

    fn is_done_only(&self) -> bool {
        self.later.is_empty()
            && self.dead.is_empty()
            && self.left.is_empty()
            && self.dead_deliveries.is_empty()
            && self.left_deliveries.is_empty()
            && self.deliveries.is_empty()
            && self.new.is_empty()
    }
}

impl Store {
    /// Writes everything in one transaction. Rows that another relay has taken over meanwhile are left to it.
    pub(crate) async fn finish(&mut self, ended: &Ended, knowledge: i64) -> Result<()> {
        self.write_ended(ended, knowledge).await?;
        if let (Some(channel), Dialect::Postgres) = (&self.channel, self.dialect) {
            let sql = format!("SELECT pg_notify('{channel}', '{ENDED}')");
            // The rows are written, and must not be written again: whoever watches looks from time to time, too. If the
            // connection is lost, the next statement fails.
            let _ = self.connection.execute(&sql, &[]).await;
        }
        Ok(())
    }

    async fn write_ended(&mut self, ended: &Ended, knowledge: i64) -> Result<()> {
        let relay = self.relay;
        // Only taken rows contain the number of a relay. With `state` in the condition, too, PostgreSQL scans all taken
        // rows.
        let mine = format!("relay = {relay}");
        if ended.is_done_only() {
            match (self.dialect, ended.history.len()) {
                (Dialect::Postgres, 0) => return self.finish_done(&ended.done).await,
                (Dialect::Postgres, _) => return self.finish_noted(ended).await,
                (_, 1..=TEXTS) => return self.finish_noted_by_texts(ended).await,
                _ => {}
            }
        }
        let mut statements = Vec::new();
        for (state, ids) in [(DONE, &ended.done), (DELIVERED_LATER, &ended.later)] {
            if !ids.is_empty() {
                statements.push(self.sql(&format!(
                    "UPDATE roan_outbox SET state = {state}, relay = 0, ended_ms = {{now}} WHERE id IN {} AND {mine}",
                    list(ids.iter().copied())
                )));
            }
        }
        if !ended.deliveries.is_empty() {
            let ids = list(ended.deliveries.iter().map(|(id, _)| *id));
            statements.push(self.sql(&format!(
                "DELETE FROM roan_delivery WHERE id IN {ids} AND {mine}"
            )));
            let mut purges: Vec<i64> = ended.deliveries.iter().map(|(_, purge)| *purge).collect();
            purges.sort_unstable();
            purges.dedup();
            statements.push(self.ended_now(&list(purges)));
        }
        if !ended.dead_deliveries.is_empty() {
            let ids = list(ended.dead_deliveries.iter().map(|(id, _)| *id));
            let purges = format!("(SELECT purge_id FROM roan_delivery WHERE id IN {ids})");
            statements.push(self.ended_now(&purges));
        }
        let has_texts = !(ended.history.is_empty()
            && ended.history_of_deliveries.is_empty()
            && ended.new.is_empty()
            && ended.dead.is_empty()
            && ended.left.is_empty()
            && ended.dead_deliveries.is_empty()
            && ended.left_deliveries.is_empty());
        if !has_texts {
            return self.transaction(&statements).await;
        }
        self.connection.batch(self.begin().to_owned()).await?;
        // Before the rows are let go: what was written down already is not written again.
        self.add_history(ended).await?;
        for rows in ended.new.chunks(ROWS) {
            self.insert_deliveries(rows).await?;
        }
        for (table, dead) in [
            ("roan_outbox", &ended.dead),
            ("roan_delivery", &ended.dead_deliveries),
        ] {
            let ended_now = if table == "roan_outbox" {
                "ended_ms = {now}, "
            } else {
                ""
            };
            let sql = self.sql(&format!(
                "UPDATE {table} SET state = {DEAD}, relay = 0, {ended_now}error = ? WHERE id = ? AND {mine}"
            ));
            for (id, error) in dead {
                let error = storable(error);
                let values = [Value::Text(&error), Value::Int(*id)];
                self.connection.execute(&sql, &values).await?;
            }
        }
        let of_purges = format!(
            "UPDATE roan_outbox SET state = {LEFT}, relay = {knowledge}, error = ?, \
             ended_ms = CASE WHEN ended_ms = 0 THEN {{now}} ELSE ended_ms END"
        );
        let of_deliveries = format!(
            "UPDATE roan_delivery SET state = {WAITING}, relay = {knowledge}, error = ?, \
             attempts = CASE WHEN attempts < 1 THEN 1 ELSE attempts END, due_ms = {{now}} + {}",
            ended.left_due_in_ms
        );
        for (update, left) in [
            (of_purges, &ended.left),
            (of_deliveries, &ended.left_deliveries),
        ] {
            for (why, ids) in left {
                let ids = list(ids.iter().copied());
                let sql = self.sql(&format!("{update} WHERE id IN {ids} AND {mine}"));
                let why = storable(why);
                self.connection.execute(&sql, &[Value::Text(&why)]).await?;
            }
        }
        statements.push("COMMIT".to_owned());
        self.connection.batch(statements.join(";\n")).await
    }

    /// Whether the database refuses a value, so that the same statement would fail again: SQLSTATE
    /// class 22 or 23, MySQL's 1366 (incorrect string value), SQLite's TOOBIG, CONSTRAINT and MISMATCH.
    pub(crate) fn refuses_a_value(error: &sqlx::Error) -> bool {
        mysql_number(error) == Some(1366)
            || code(error).is_some_and(|code| {
                code.len() == 5 && (code.starts_with("22") || code.starts_with("23"))
                    || matches!(&*code, "18" | "19" | "20" | "1299" | "275")
            })
    }

    /// Whether another transaction is in the way, so that the same may go well later: SQLSTATE class 40 and 55P03
    /// (`lock_timeout`), MySQL's 1205 (lock wait timeout), SQLite's BUSY (5, with 261 and 517) and LOCKED.
    pub(crate) fn is_conflict(error: &sqlx::Error) -> bool {
        mysql_number(error) == Some(1205)
            || code(error).is_some_and(|code| {
                code.len() == 5 && code.starts_with("40")
                    || matches!(&*code, "55P03" | "5" | "261" | "517" | "6" | "262")
            })
    }

    /// Rolls back a transaction after a statement has failed.
    pub(crate) async fn roll_back(&mut self) -> Result<()> {
        let rolled_back = self.connection.roll_back().await;
        // SQLite has usually done so itself: then there is no transaction.
        rolled_back.or_else(|error| match self.dialect {
            Dialect::Sqlite => Ok(()),
            Dialect::Postgres | Dialect::MySql => Err(error),
        })
    }

    /// The usual result of a write. As a prepared statement with one parameter for all rows, it costs PostgreSQL less than
    /// half of a list in the text.
    async fn finish_done(&mut self, ids: &[i64]) -> Result<()> {
        let sql = self.sql(&format!(
            "UPDATE roan_outbox SET state = {DONE}, relay = 0, ended_ms = (SELECT {{now}}) \
             WHERE id = ANY(?::bigint[]) AND relay = ?"
        ));
        let ids = array(ids);
        let values = [Value::Text(&ids), Value::Int(self.relay)];
        self.connection.execute(&sql, &values).await?;
        Ok(())
    }

    /// The same, with the lines of each row.
    async fn finish_noted(&mut self, ended: &Ended) -> Result<()> {
        let sql = self.sql(&format!(
            "UPDATE roan_outbox SET state = {DONE}, relay = 0, ended_ms = (SELECT {{now}}), \
                 history = coalesce(history, '') || noted.lines \
             FROM unnest(?::bigint[], ?::text[]) AS noted (id, lines) \
             WHERE roan_outbox.id = noted.id AND relay = ?"
        ));
        let (mut ids, mut lines) = (String::from("{"), String::from("{"));
        let texts = ended.history.iter();
        let noted = texts.flat_map(|(text, ids)| ids.iter().map(move |id| (*id, text.as_str())));
        let known: HashSet<i64> = ended.history.values().flatten().copied().collect();
        let unknown = ended.done.iter().filter(|id| !known.contains(id));
        for (number, (id, text)) in noted.chain(unknown.map(|id| (*id, ""))).enumerate() {
            if number > 0 {
                ids.push(',');
                lines.push(',');
            }
            ids.push_str(&id.to_string());
            lines.push('"');
            for letter in text.chars() {
                if matches!(letter, '"' | '\\') {
                    lines.push('\\');
                }
                lines.push(letter);
            }
            lines.push('"');
        }
        ids.push('}');
        lines.push('}');
        let values = [
            Value::Text(&ids),
            Value::Text(&lines),
            Value::Int(self.relay),
        ];
        self.connection.execute(&sql, &values).await?;
        Ok(())
    }

    /// The same without arrays: most rows have one of a few texts.
    async fn finish_noted_by_texts(&mut self, ended: &Ended) -> Result<()> {
        let texts: Vec<_> = ended.history.iter().collect();
        let noted: usize = ended.history.values().map(Vec::len).sum();
        let (lines, values) = self.by_texts(&texts, noted == ended.done.len());
        let sql = self.sql(&format!(
            "UPDATE roan_outbox SET state = {DONE}, relay = 0, ended_ms = {{now}}, history = {lines} \
             WHERE id IN {} AND relay = {}",
            list(ended.done.iter().copied()),
            self.relay
        ));
        self.connection.execute(&sql, &values).await?;
        Ok(())
    }

    /// An expression for the history of these rows, with their new lines, and its values. `is_all` if no other rows are
    /// written.
    pub(super) fn by_texts<'t>(
        &self,
        texts: &[(&'t String, &Vec<i64>)],
        is_all: bool,
    ) -> (String, Vec<Value<'t>>) {
        let mut texts = texts.to_vec();
        texts.sort_by_key(|(_, ids)| ids.len());
        // The most common one needs no list of ids.
        let last = texts.pop_if(|_| is_all).map(|(text, _)| text);
        let mut case = String::new();
        let mut values = Vec::new();
        for (text, ids) in texts {
            case.push_str(&format!("WHEN id IN {} THEN ? ", list(ids.iter().copied())));
            values.push(Value::Text(text));
        }
        values.extend(last.map(|text| Value::Text(text)));
        let case = match (case.is_empty(), last) {
            (true, _) => "?".to_owned(),
            (false, Some(_)) => format!("CASE {case}ELSE ? END"),
            (false, None) => format!("CASE {case}ELSE '' END"),
        };
        let lines = match self.dialect {
            Dialect::MySql => format!("concat(coalesce(history, ''), {case})"),
            Dialect::Sqlite | Dialect::Postgres => format!("coalesce(history, '') || {case}"),
        };
        (lines, values)
    }

    /// Adds lines to the history of rows that are held, and of those whose deliveries are.
    async fn add_history(&mut self, ended: &Ended) -> Result<()> {
        let relay = self.relay;
        let held = format!("relay = {relay}");
        let delivered = format!(
            "EXISTS (SELECT 1 FROM roan_delivery \
             WHERE roan_delivery.purge_id = roan_outbox.id AND roan_delivery.relay = {relay})"
        );
        let of_purges: Vec<_> = ended.history.iter().collect();
        let of_deliveries = ended.history_of_deliveries.iter();
        let of_deliveries: Vec<_> = of_deliveries.map(|(id, text)| (text, vec![*id])).collect();
        let of_deliveries: Vec<_> = of_deliveries
            .iter()
            .map(|(text, ids)| (*text, ids))
            .collect();
        for (texts, which) in [(of_purges, held), (of_deliveries, delivered)] {
            for texts in texts.chunks(TEXTS) {
                let (lines, values) = self.by_texts(texts, true);
                let ids = texts.iter().flat_map(|(_, ids)| ids.iter().copied());
                let sql = self.sql(&format!(
                    "UPDATE roan_outbox SET history = {lines} WHERE id IN {} AND {which}",
                    list(ids)
                ));
                self.connection.execute(&sql, &values).await?;
            }
        }
        Ok(())
    }

    async fn insert_deliveries(&mut self, rows: &[NewDelivery]) -> Result<()> {
        // By a clock that was set back a row may be from the future.
        let created = format!("{{now}} - {}({{now}} - ?, 0)", self.dialect.greatest());
        let row = format!("(?, ?, ?, ?, {created}, ?, ?, {{now}} + ?, ?)");
        let places = vec![&*row; rows.len()].join(", ");
        let sql = self.sql(&format!(
            "INSERT INTO roan_delivery \
             (purge_id, cache, node, target, created_ms, state, attempts, due_ms, error) VALUES {places}"
        ));
        let mut values = Vec::with_capacity(rows.len() * 9);
        let errors: Vec<_> = rows
            .iter()
            .map(|row| row.error.as_deref().map(storable))
            .collect();
        for (row, error) in rows.iter().zip(&errors) {
            let state = if row.due_in_ms.is_some() {
                WAITING
            } else {
                DEAD
            };
            values.extend([
                Value::Int(row.purge),
                Value::Text(&row.cache),
                Value::Text(&row.node),
                Value::Text(&row.target),
                Value::Int(row.created_ms),
                Value::Int(state),
                Value::Int(row.attempts),
                Value::Int(row.due_in_ms.unwrap_or_default()),
                Value::Maybe(error.as_deref()),
            ]);
        }
        self.connection.execute(&sql, &values).await?;
        Ok(())
    }
}

/// The longest error that is kept, in bytes. The narrowest column, MySQL's `text`, holds 65,535.
const LONGEST_ERROR: usize = 4000;

/// A text that every database can store: PostgreSQL takes no NUL, and a column has an end.
pub(super) fn storable(error: &str) -> Cow<'_, str> {
    let end = error.floor_char_boundary(LONGEST_ERROR);
    if error[..end].contains('\0') {
        Cow::Owned(error[..end].replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(&error[..end])
    }
}
