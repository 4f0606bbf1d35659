//! Statements that purge what they write.

use std::any::type_name;

use diesel::associations::HasTable;
use diesel::connection::Connection;
use diesel::query_builder::{AsChangeset, DeleteStatement, InsertStatement, IntoUpdateTarget};
use diesel::query_dsl::LoadQuery;
use diesel::result::Error;
use diesel::{QueryResult, QuerySource, RunQueryDsl};

use super::connection::{Purging, at_once};
use super::target::{UpdateTo, update};
use crate::hooks;
use crate::model::Model;

/// A statement that can hand back the rows that it writes as `M`, and purge what shows them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no statement that can purge what it writes",
    note = "an `INSERT` or `DELETE` needs a database that can return rows, and columns that fit `{M}`: add `.returning({M}::as_returning())`",
    note = "an `UPDATE` has to read the old rows first: write `roan::orm::diesel::update(...)` in place of `diesel::update(...)`",
    note = "on MySQL: `roan::orm::diesel::delete(...)`, and `.created(conn)` on a row that was inserted"
)]
pub trait Written<'query, C, M>: Sized {
    /// Runs the statement.
    #[doc(hidden)]
    fn write(self, conn: &mut C) -> QueryResult<Vec<M>>;
}

/// The methods of Diesel that run a statement, each with a twin that purges what the statement
/// writes: the row and its purges in one transaction.
pub trait PurgingDsl<C>: Sized {
    /// As Diesel's `get_result`: one row.
    ///
    /// # Errors
    ///
    /// As Diesel's, and when the purge cannot be written ([`Purging::purging`]); then the statement
    /// is undone.
    fn get_result_purging<'query, M>(self, conn: &mut C) -> QueryResult<M>
    where
        Self: Written<'query, C, M>,
    {
        let row = self.write(conn)?.into_iter().next();
        row.ok_or(Error::NotFound)
    }

    /// As Diesel's `get_results`: all rows.
    ///
    /// # Errors
    ///
    /// As [`get_result_purging`](Self::get_result_purging).
    fn get_results_purging<'query, M>(self, conn: &mut C) -> QueryResult<Vec<M>>
    where
        Self: Written<'query, C, M>,
    {
        self.write(conn)
    }

    /// As Diesel's `execute`: how many rows were written. They are read all the same, as `M`.
    ///
    /// # Errors
    ///
    /// As [`get_result_purging`](Self::get_result_purging).
    fn execute_purging<'query, M>(self, conn: &mut C) -> QueryResult<usize>
    where
        Self: Written<'query, C, M>,
    {
        self.write(conn).map(|rows| rows.len())
    }
}

impl<Q, C> PurgingDsl<C> for Q {}

/// The twin of Diesel's `SaveChangesDsl`.
pub trait SaveChangesPurgingDsl<C>: Sized {
    /// As Diesel's `save_changes`, on a changeset that is `Identifiable`: the row as it is now.
    ///
    /// # Errors
    ///
    /// As [`PurgingDsl::get_result_purging`].
    fn save_changes_purging<'query, M>(self, conn: &mut C) -> QueryResult<M>
    where
        Self: IntoUpdateTarget + Copy,
        UpdateTo<Self, Self>: Written<'query, C, M>,
    {
        update(self).set(self).get_result_purging(conn)
    }
}

impl<Q, C> SaveChangesPurgingDsl<C> for Q where
    Q: Copy + AsChangeset<Target = <Q as HasTable>::Table> + IntoUpdateTarget
{
}

impl<'query, T, U, Op, Ret, C, M> Written<'query, C, M> for InsertStatement<T, U, Op, Ret>
where
    T: QuerySource,
    Self: LoadQuery<'query, C, M>,
    C: Connection + Purging,
    M: Model,
{
    fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        at_once(conn, |conn| {
            let rows = self.get_results(conn)?;
            conn.purging_table(M::TABLE, || fire_inserted::<Self, M>(&rows))?;
            Ok(rows)
        })
    }
}

/// Fires the hooks for the rows of an `INSERT` of type `Q`.
pub(in crate::orm) fn fire_inserted<Q, M: Model>(rows: &[M]) {
    // `ON CONFLICT` and `REPLACE` may have changed a row in place of making one.
    let statement = type_name::<Q>();
    if statement.contains("OnConflict") || statement.contains("Replace") {
        rows.iter().for_each(hooks::saved);
    } else {
        rows.iter().for_each(hooks::created);
    }
}

impl<'query, T, U, Ret, C, M> Written<'query, C, M> for DeleteStatement<T, U, Ret>
where
    T: QuerySource,
    Self: LoadQuery<'query, C, M>,
    C: Connection + Purging,
    M: Model,
{
    fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        at_once(conn, |conn| {
            let rows = self.get_results(conn)?;
            conn.purging_table(M::TABLE, || rows.iter().for_each(hooks::deleted))?;
            Ok(rows)
        })
    }
}
