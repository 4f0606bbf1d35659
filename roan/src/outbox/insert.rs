//! The `INSERT` of a program into the outbox, for any database library.

use std::sync::{Arc, OnceLock};

use super::dialect::Dialect;
use super::payload;
use crate::base::history::Fired;

/// One `INSERT` for the purges of a write. Run it in the transaction of the write itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statement {
    /// The text, with `$1` (PostgreSQL) or `?` (MySQL, SQLite) for each parameter.
    pub sql: Arc<str>,
    /// The parameters: one text for each row. Usually there is one.
    pub params: Vec<String>,
}

/// Writes statements for one outbox.
#[derive(Debug)]
pub(crate) struct Scribe {
    dialect: Dialect,
    /// The channel for `NOTIFY`, if it is enabled.
    channel: Option<String>,
    /// Whether payloads say what has asked for their purges.
    causes: bool,
    place: OnceLock<Place>,
}

/// Where rows are inserted.
#[derive(Debug)]
struct Place {
    table: String,
    /// The statement for one row.
    usual: Arc<str>,
}

impl Scribe {
    pub(crate) fn new(dialect: Dialect, channel: Option<String>, causes: bool) -> Self {
        Self {
            dialect,
            channel,
            causes,
            place: OnceLock::new(),
        }
    }

    /// At the start, before there are hooks: the table, as each connection to the database finds it.
    pub(crate) fn insert_into(&self, table: String) {
        let usual = self.dialect.insert(&table, 1, self.channel.as_deref());
        let _ = self.place.set(Place { table, usual });
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// `None` if there is nothing to purge.
    pub(crate) fn statement(&self, targets: &[Fired]) -> Option<Statement> {
        if targets.is_empty() {
            return None;
        }
        let place = self.place.get()?;
        let params: Vec<String> = targets
            .chunks(payload::LONGEST)
            .map(|fired| payload::encode(fired, self.causes))
            .collect();
        let sql = match params.len() {
            1 => Arc::clone(&place.usual),
            rows => {
                let channel = self.channel.as_deref();
                self.dialect.insert(&place.table, rows, channel)
            }
        };
        Some(Statement { sql, params })
    }
}
