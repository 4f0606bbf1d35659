//! The tables and their migrations.

use super::dialect::Dialect;

/// The version that this crate needs.
pub(super) const VERSION: i64 = 1;

/// One migration of the tables, for a migration tool. Those of sqlx, Diesel and SeaORM run `up` and `down` as they are.
///
/// The crate's folder `migrations/` has the same text, for the prefix `roan_`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The version, counted from 1.
    pub version: i64,
    /// A name for the file, without extension.
    pub name: &'static str,
    /// The statements that apply the migration.
    pub up: String,
    /// The statements that revert the migration. They delete all waiting purges.
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

/// The migrations, oldest first, for tables whose names begin with `prefix`.
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
