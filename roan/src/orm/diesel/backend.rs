//! Which database a connection speaks to.

use std::any::{TypeId, type_name};
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::backend::Backend;

use crate::base::log::warn_loudly;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::orm) enum Kind {
    Postgres,
    MySql,
    Sqlite,
    /// Of another crate, or several behind `#[derive(MultiConnection)]`.
    Other,
}

impl Kind {
    pub(in crate::orm) fn of<DB: Backend>() -> Self {
        static TOLD: AtomicBool = AtomicBool::new(false);
        let backend = typeid::of::<DB>();
        if backend == TypeId::of::<diesel::pg::Pg>() {
            return Self::Postgres;
        }
        if backend == TypeId::of::<diesel::mysql::Mysql>() {
            return Self::MySql;
        }
        // Diesel has this type only with the C library, which the feature brings along.
        #[cfg(feature = "sqlite")]
        if backend == TypeId::of::<diesel::sqlite::Sqlite>() {
            return Self::Sqlite;
        }
        if !TOLD.swap(true, Ordering::Relaxed) {
            warn_loudly(format_args!(
                "Roan does not know Diesel's backend `{}`: it reads no rows by `RETURNING`, and locks \
                 none. For SQLite, enable the feature `sqlite` of `roan`",
                type_name::<DB>()
            ));
        }
        Self::Other
    }

    /// Whether `UPDATE` and `DELETE` can return the rows.
    pub(in crate::orm) fn has_returning(self) -> bool {
        matches!(self, Self::Postgres | Self::Sqlite)
    }

    /// What locks a row that is read as an `UPDATE` locks it. A stronger lock of PostgreSQL would wait for inserts of rows
    /// that refer to this one.
    pub(in crate::orm) fn lock(self) -> &'static str {
        match self {
            Self::Postgres => " FOR NO KEY UPDATE",
            Self::MySql => " FOR UPDATE",
            Self::Sqlite | Self::Other => "",
        }
    }

    /// Whether a statement that locks waits for other writers, and may miss rows that they commit meanwhile.
    pub(in crate::orm) fn waits(self) -> bool {
        !self.lock().is_empty()
    }

    /// Whether a lock on a row that does not exist (a gap) can make inserts wait for each other.
    pub(in crate::orm) fn locks_gaps(self) -> bool {
        self == Self::MySql
    }

    #[cfg(feature = "_sql")]
    pub(in crate::orm) fn dialect(self) -> Option<crate::outbox::Dialect> {
        use crate::outbox::Dialect;
        match self {
            Self::Postgres => Some(Dialect::Postgres),
            Self::MySql => Some(Dialect::MySql),
            Self::Sqlite => Some(Dialect::Sqlite),
            Self::Other => None,
        }
    }
}
