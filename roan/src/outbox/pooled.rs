//! A connection to PostgreSQL through a pooler (PgBouncer, RDS Proxy, ...), which may give each
//! transaction to another backend, and each backend to other clients.
//!
//! So nothing is left on a backend: no setting, no prepared statement, no lock. Every call is one
//! simple query, and all that it sets is `SET LOCAL`: PostgreSQL runs the statements of one query in
//! one transaction ("Multiple Statements in a Simple Query" of its manual's chapter on the protocol).

use std::fmt::Write as _;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::connection::Value;

/// A connection through a pooler: nothing that it sets outlives a transaction.
#[derive(Debug)]
pub(super) struct Pooled {
    connection: PgConnection,
    /// What is set for each transaction.
    settings: String,
}

impl Pooled {
    pub(super) fn new(
        connection: PgConnection,
        silence: Duration,
        synchronous_commit: &str,
    ) -> Self {
        let settings = format!(
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = {synchronous_commit}; \
             SET LOCAL idle_in_transaction_session_timeout = {}; SET LOCAL bytea_output = hex; \
             SET LOCAL search_path TO DEFAULT; ",
            silence.as_millis()
        );
        Self {
            connection,
            settings,
        }
    }

    pub(super) async fn execute(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        let sql = format!("{}{}", self.settings, with_values(sql, values));
        let done = sqlx::raw_sql(AssertSqlSafe(sql));
        Ok(done.execute(&mut self.connection).await?.rows_affected())
    }

    pub(super) async fn rows(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let sql = format!("{}{}", self.settings, with_values(sql, values));
        let rows = sqlx::raw_sql(AssertSqlSafe(sql));
        rows.fetch_all(&mut self.connection).await
    }

    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.execute(sql, &[]).await.map(drop)
    }

    /// Of a transaction that has failed: nothing else can be asked in it, not even for settings.
    pub(super) async fn roll_back(&mut self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("ROLLBACK")
            .execute(&mut self.connection)
            .await
            .map(drop)
    }

    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

/// The statement with literals in the places of `$1`, `$2`, ...
fn with_values(sql: &str, values: &[Value<'_>]) -> String {
    let mut pieces = sql.split('$');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        let number: usize = number.parse().unwrap_or_default();
        match number.checked_sub(1).and_then(|index| values.get(index)) {
            Some(value) => push_literal(&mut out, *value),
            None => {
                out.push('$');
                out.push_str(&piece[..digits]);
            }
        }
        out.push_str(rest);
    }
    out
}

fn push_literal(out: &mut String, value: Value<'_>) {
    match value {
        Value::Int(number) => {
            // Writing to a `String` cannot fail. In brackets: `- -5` without its space is a comment.
            let _ = write!(out, "({number})::bigint");
        }
        Value::Maybe(None) => out.push_str("NULL::text"),
        Value::Text(text) | Value::Maybe(Some(text)) => {
            // Of this form a backslash means the same whatever `standard_conforming_strings` is.
            out.push_str("E'");
            for letter in text.chars() {
                match letter {
                    '\'' => out.push_str("''"),
                    '\\' => out.push_str("\\\\"),
                    // The protocol ends a query at a NUL. This way the server refuses it, as it does as a parameter.
                    '\0' => out.push_str("\\000"),
                    letter => out.push(letter),
                }
            }
            out.push_str("'::text");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_literals() {
        let values = [
            Value::Text(r"it's \ $1"),
            Value::Int(-5),
            Value::Maybe(None),
            Value::Maybe(Some("a\0b")),
        ];
        assert_eq!(
            with_values("SELECT $1, 3 - $2, $3, $4", &values),
            r"SELECT E'it''s \\ $1'::text, 3 - (-5)::bigint, NULL::text, E'a\000b'::text"
        );
        let many: Vec<_> = (1..=12).map(Value::Int).collect();
        assert_eq!(
            with_values("$12 $1 '$' $x $13", &many),
            "(12)::bigint (1)::bigint '$' $x $13"
        );
    }
}
