//! The `INSERT` of a program into the outbox, for any database library.

use std::sync::Arc;

use super::dialect::Dialect;
use super::payload;
use crate::base::target::Target;

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
    prefix: String,
    notify: bool,
    /// The statement for one row.
    usual: Arc<str>,
}

impl Scribe {
    pub(crate) fn new(dialect: Dialect, prefix: &str, notify: bool) -> Self {
        Self {
            dialect,
            prefix: prefix.to_owned(),
            notify,
            usual: dialect.insert(prefix, 1, notify),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// `None` if there is nothing to purge.
    pub(crate) fn statement(&self, targets: &[Target]) -> Option<Statement> {
        if targets.is_empty() {
            return None;
        }
        let params: Vec<String> = targets
            .chunks(payload::LONGEST)
            .map(payload::encode)
            .collect();
        let sql = match params.len() {
            1 => Arc::clone(&self.usual),
            rows => self.dialect.insert(&self.prefix, rows, self.notify),
        };
        Some(Statement { sql, params })
    }
}
