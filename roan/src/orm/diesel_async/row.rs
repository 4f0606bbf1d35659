//! Hooks on rows.

use diesel::QueryResult;

use super::connection::Purging;
use crate::hooks;
use crate::model::Model;

/// Hooks on the rows of a program, by the connection that wrote them. Implemented for every type
/// with `#[purge_on]`.
pub trait PurgingRow: Model + Sized + Sync {
    /// After an insert. See [`crate::created`].
    ///
    /// # Errors
    ///
    /// As [`Purging::purging`].
    fn created(&self, conn: &mut impl Purging) -> impl Future<Output = QueryResult<()>> + Send {
        conn.purging_table(Self::TABLE, || hooks::created(self))
    }

    /// After an update; `old` is the row as it was. See [`crate::updated`].
    ///
    /// # Errors
    ///
    /// As [`Purging::purging`].
    fn updated(
        &self,
        old: &Self,
        conn: &mut impl Purging,
    ) -> impl Future<Output = QueryResult<()>> + Send {
        conn.purging_table(Self::TABLE, || hooks::updated(old, self))
    }

    /// After an insert or update, where the old row is not at hand. See [`crate::saved`].
    ///
    /// # Errors
    ///
    /// As [`Purging::purging`].
    fn saved(&self, conn: &mut impl Purging) -> impl Future<Output = QueryResult<()>> + Send {
        conn.purging_table(Self::TABLE, || hooks::saved(self))
    }

    /// After a delete. See [`crate::deleted`].
    ///
    /// # Errors
    ///
    /// As [`Purging::purging`].
    fn deleted(&self, conn: &mut impl Purging) -> impl Future<Output = QueryResult<()>> + Send {
        conn.purging_table(Self::TABLE, || hooks::deleted(self))
    }
}

impl<M: Model + Sync> PurgingRow for M {}
