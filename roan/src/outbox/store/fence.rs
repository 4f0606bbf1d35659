//! The fence: the last purge of each key, and the number that orders purges and renders. The argument is in
//! `outbox/index/mod.rs`.

use super::{Result, Store};
use crate::outbox::connection::Value;
use crate::outbox::dialect::Dialect;

/// A purge is kept until the number is so far past it. Numbers follow the time in milliseconds, so this is ten minutes.
/// A render that takes longer counts as purged.
const KEPT: i64 = 10 * 60 * 1000;

/// The number of keys in one statement. SQLite allows 999 values.
const KEYS: usize = 512;

/// The number of purges that are deleted at a time.
const SWEPT: usize = 5000;

/// The most purges that are read at a time.
const READ: usize = 10_000;

/// What a notification of marks begins with; their number follows.
pub(crate) const MARKED: &str = "marked ";

/// How far the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epoch {
    /// The number of the last purge.
    pub number: i64,
    /// Changes when pages leave the index.
    pub forgets: i64,
    /// Purges up to this number are not known any more.
    swept: i64,
}

/// The answer to a check: the purges of some keys since a number.
#[derive(Debug, Default)]
pub struct Checked {
    /// As of the check, at the latest.
    pub epoch: Epoch,
    /// Keys by their hashes, with the number of the last purge.
    purged: Vec<(i64, i64)>,
}

impl Checked {
    /// Whether one of the keys was purged after `since`, or may have been.
    #[must_use]
    pub fn is_purged(&self, keys: impl IntoIterator<Item = i64>, since: i64) -> bool {
        self.is_unknown(since)
            || keys.into_iter().any(|key| {
                let found = self.purged.binary_search_by_key(&key, |(key, _)| *key);
                found.is_ok_and(|at| self.purged[at].1 > since)
            })
    }

    /// Whether anything may have been purged after `since`.
    pub(crate) fn is_unknown(&self, since: i64) -> bool {
        // The last: a database that was restored or has failed over does not know what it knew.
        since < self.epoch.swept || since > self.epoch.number
    }

    /// Anything may have been purged.
    pub(crate) fn forget(&mut self) {
        self.epoch.swept = self.epoch.number;
    }
}

#[cfg(all(test, feature = "web"))]
impl Checked {
    pub(crate) fn new(epoch: Epoch, mut purged: Vec<(i64, i64)>) -> Self {
        purged.sort_unstable();
        Self { epoch, purged }
    }
}

#[cfg(all(test, feature = "web"))]
impl Epoch {
    pub(crate) fn at(number: i64) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }
}

impl Store {
    /// Says in the database that index and fence are used, so that relays mark what they purge from now on. A render that
    /// begins after this returns is fenced.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn use_index(&mut self) -> Result<Epoch> {
        if !self.look_for_use().await? {
            // A dump may have omitted the row. What an older one knew is lost: `swept` says so.
            let known = match self.dialect {
                Dialect::MySql => "DUPLICATE KEY UPDATE",
                Dialect::Postgres | Dialect::Sqlite => "CONFLICT (id) DO UPDATE SET",
            };
            // PostgreSQL's clock goes on within a statement, and `swept` must not be past `number`.
            let sql = self.sql(&format!(
                "INSERT INTO roan_epoch (id, number, forgets, swept, in_use) \
                 SELECT 1, begun.ms, begun.ms, begun.ms, 1 FROM (SELECT {{now}} AS ms) AS begun WHERE 1 = 1 \
                 ON {known} in_use = 1"
            ));
            self.execute_durably(&sql).await?;
            self.is_index_in_use = true;
        }
        self.epoch().await
    }

    /// Whether a program has ever used index and fence.
    pub(crate) async fn look_for_use(&mut self) -> Result<bool> {
        if !self.is_index_in_use {
            let sql = self.sql("SELECT in_use FROM roan_epoch WHERE id = 1");
            let in_use = self.connection.int(&sql, &[]).await?;
            self.is_index_in_use = in_use.unwrap_or_default() != 0;
        }
        Ok(self.is_index_in_use)
    }

    /// The present epoch.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn epoch(&mut self) -> Result<Epoch> {
        Ok(self.purged_since(&[], i64::MAX).await?.epoch)
    }

    /// Records a purge of each of the keys, by their hashes, and returns a number that is not below theirs. Returns `None`
    /// if no program uses the fence. It is called after the rows were taken, and before their purges leave.
    ///
    /// All marks wait for the row of `roan_epoch`, so their numbers are in the order of their commits. The commit is
    /// durable: a database that loses a mark, but not that its row was taken, would let a stale page through.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn mark(&mut self, keys: &[i64]) -> Result<Option<i64>> {
        if keys.is_empty() || !self.look_for_use().await? {
            return Ok(None);
        }
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let mut statements = vec![self.begin().to_owned()];
        if self.dialect == Dialect::Postgres {
            statements.push("SET LOCAL synchronous_commit = on".to_owned());
        }
        // Not below the time: a number that a crash or a failover lost is not used again.
        let greatest = self.dialect.greatest();
        statements.push(format!(
            "UPDATE roan_epoch SET number = {greatest}(number + 1, {{now}}) WHERE id = 1"
        ));
        if self.dialect == Dialect::MySql {
            let sql = "SELECT number INTO @roan_number FROM roan_epoch WHERE id = 1";
            statements.push(sql.to_owned());
        }
        for keys in keys.chunks(KEYS) {
            statements.push(self.upsert_marks(keys));
        }
        if let (Some(channel), Dialect::Postgres) = (&self.channel, self.dialect) {
            // It is sent with the commit.
            statements.push(format!(
                "SELECT pg_notify('{channel}', '{MARKED}' || number) FROM roan_epoch WHERE id = 1"
            ));
        }
        statements.push("COMMIT".to_owned());
        self.connection
            .batch(self.sql(&statements.join(";\n")))
            .await?;
        Ok(Some(self.epoch().await?.number))
    }

    fn upsert_marks(&self, keys: &[i64]) -> String {
        const NUMBER: &str = "(SELECT number FROM roan_epoch WHERE id = 1)";
        let values = |number: &str| {
            let values = keys.iter().map(|key| format!("({key}, {number})"));
            values.collect::<Vec<_>>().join(", ")
        };
        match self.dialect {
            Dialect::MySql => format!(
                "INSERT INTO roan_fence (page_key, number) VALUES {} \
                 ON DUPLICATE KEY UPDATE number = VALUES(number)",
                values("@roan_number")
            ),
            Dialect::Postgres => format!(
                "INSERT INTO roan_fence (page_key, number) \
                 SELECT marked, {NUMBER} FROM unnest('{}'::bigint[]) AS marked \
                 ON CONFLICT (page_key) DO UPDATE SET number = excluded.number",
                array(keys)
            ),
            Dialect::Sqlite => format!(
                "INSERT INTO roan_fence (page_key, number) VALUES {} \
                 ON CONFLICT (page_key) DO UPDATE SET number = excluded.number",
                values(NUMBER)
            ),
        }
    }

    /// Which of these keys, by their hashes, were purged after `since`. The epoch is not after the check.
    ///
    /// # Errors
    ///
    /// Those of the database, and `RowNotFound` if the epoch is missing.
    pub async fn purged_since(&mut self, keys: &[i64], since: i64) -> Result<Checked> {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let mut checked: Option<Checked> = None;
        let mut rest = &keys[..];
        loop {
            let (some, others) = rest.split_at(rest.len().min(KEYS));
            let found = self.check_some(some, since).await?;
            match &mut checked {
                None => checked = Some(found),
                Some(checked) => {
                    checked.purged.extend(found.purged);
                    checked.epoch.swept = checked.epoch.swept.max(found.epoch.swept);
                }
            }
            rest = others;
            if rest.is_empty() {
                let mut checked = checked.unwrap_or_default();
                checked.purged.sort_unstable();
                return Ok(checked);
            }
        }
    }

    /// All purges after `since`. If they are too many to be read, anything may have been purged.
    #[cfg_attr(
        not(feature = "web"),
        expect(dead_code, reason = "for pages that this program renders")
    )]
    pub(crate) async fn all_purged_since(&mut self, since: i64) -> Result<Checked> {
        let most = READ + 1;
        let limit = format!("LIMIT {most}");
        let mut checked = self
            .check_keys(&[Value::Int(since)], "", &limit, since)
            .await?;
        if checked.purged.len() == most {
            checked.purged.clear();
            checked.forget();
        }
        checked.purged.sort_unstable();
        Ok(checked)
    }

    async fn check_some(&mut self, keys: &[i64], since: i64) -> Result<Checked> {
        let mut values = vec![Value::Int(since)];
        let text;
        let of_keys = if self.dialect == Dialect::Postgres {
            text = array(keys);
            values.push(Value::Text(&text));
            "= ANY(?::bigint[])".to_owned()
        } else {
            // Few forms, so that statements stay prepared: the last key fills the rest.
            let last = keys.last().copied().unwrap_or_default();
            let fill = std::iter::repeat(&last);
            let count = keys.len().max(1).next_power_of_two();
            values.extend(keys.iter().chain(fill).take(count).copied().map(Value::Int));
            format!("IN ({})", vec!["?"; count].join(", "))
        };
        let of_keys = format!("AND f.page_key {of_keys}");
        self.check_keys(&values, &of_keys, "", since).await
    }

    /// One statement, so that epoch and purges are of the same moment.
    async fn check_keys(
        &mut self,
        values: &[Value<'_>],
        of_keys: &str,
        limit: &str,
        since: i64,
    ) -> Result<Checked> {
        let sql = self.sql(&format!(
            "SELECT e.number, e.forgets, e.swept, f.page_key, f.number \
             FROM roan_epoch AS e LEFT JOIN roan_fence AS f ON f.number > ? {of_keys} WHERE e.id = 1 {limit}"
        ));
        let rows = self.connection.rows(&sql, values).await?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let epoch = Epoch {
            number: first.int(0)?,
            forgets: first.int(1)?,
            swept: first.int(2)?,
        };
        let purged = rows.iter().map(|row| Ok((row.int(3)?, row.int(4)?)));
        let mut purged = purged.collect::<Result<Vec<_>>>()?;
        // Without any, the only row has no purge.
        purged.retain(|(_, number)| *number > since.max(0));
        Ok(Checked { epoch, purged })
    }

    /// Deletes some of the old purges, and returns whether there may be more.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn sweep(&mut self) -> Result<bool> {
        self.sweep_but(KEPT).await
    }

    /// The same, with another distance.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn sweep_but(&mut self, kept: i64) -> Result<bool> {
        let sql = self.sql(&format!(
            "SELECT number FROM roan_fence WHERE number < (SELECT number - ? FROM roan_epoch WHERE id = 1) \
             ORDER BY number LIMIT {SWEPT}"
        ));
        let rows = self.connection.rows(&sql, &[Value::Int(kept)]).await?;
        let Some(last) = rows.last() else {
            return Ok(false);
        };
        let last = last.int(0)?;
        let greatest = self.dialect.greatest();
        // The epoch first, as marks do: so they do not wait for each other in a circle.
        let statements = [
            format!("UPDATE roan_epoch SET swept = {greatest}(swept, {last}) WHERE id = 1"),
            format!("DELETE FROM roan_fence WHERE number <= {last}"),
        ];
        let statements = statements.map(|sql| self.sql(&sql));
        self.transaction(&statements).await?;
        Ok(rows.len() == SWEPT)
    }
}

/// An array of PostgreSQL.
pub(super) fn array(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}
