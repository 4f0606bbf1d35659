//! The tables, and how they come into the database.

use super::dialect::Dialect;

/// The version that this crate needs.
pub(super) const VERSION: i64 = 1;

/// One step of the schema, for a migration tool: `sqlx migrate`, Diesel's and SeaORM's run `up` and
/// `down` as they are.
///
/// The same text lies in the crate's `migrations/` folder, for the prefix `roan_`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// Counted from 1.
    pub version: i64,
    /// A name for the file.
    pub name: &'static str,
    /// The statements that take the step.
    pub up: String,
    /// Those that take it back. What waits in the outbox is lost.
    pub down: String,
}

macro_rules! files {
    ($dialect:literal) => {
        (
            include_str!(concat!(
                "../../migrations/",
                $dialect,
                "/0001_roan_outbox.up.sql"
            )),
            include_str!(concat!(
                "../../migrations/",
                $dialect,
                "/0001_roan_outbox.down.sql"
            )),
        )
    };
}

/// The steps of the schema, oldest first, for tables whose names begin with `prefix`.
pub(super) fn migrations(dialect: Dialect, prefix: &str) -> Vec<Migration> {
    let (up, down) = match dialect {
        Dialect::Postgres => files!("postgres"),
        Dialect::MySql => files!("mysql"),
        Dialect::Sqlite => files!("sqlite"),
    };
    vec![Migration {
        version: 1,
        name: "roan_outbox",
        up: up.replace("roan_", prefix),
        down: down.replace("roan_", prefix),
    }]
}
