//! Which database a connection speaks to. Diesel's types for that come with the C libraries, which
//! Roan does not link: so it goes by their names.

use std::any::type_name;

use diesel::backend::Backend;

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
        match type_name::<DB>().rsplit("::").next() {
            Some("Pg") => Self::Postgres,
            Some("Mysql") => Self::MySql,
            Some("Sqlite") => Self::Sqlite,
            _ => Self::Other,
        }
    }

    /// Whether `UPDATE` and `DELETE` can return the rows.
    pub(in crate::orm) fn has_returning(self) -> bool {
        matches!(self, Self::Postgres | Self::Sqlite)
    }

    /// Whether a row that is read can be locked.
    pub(in crate::orm) fn has_for_update(self) -> bool {
        matches!(self, Self::Postgres | Self::MySql)
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
