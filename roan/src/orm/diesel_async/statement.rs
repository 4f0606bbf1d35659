//! Statements and rows that purge what shows them.

use diesel::associations::HasTable;
use diesel::query_builder::{
    AsChangeset, DeleteStatement, InsertStatement, IntoUpdateTarget, QueryFragment,
};
use diesel::result::Error;
use diesel::{QueryResult, QuerySource};
use diesel_async::RunQueryDsl;
use diesel_async::methods::LoadQuery;

use super::connection::{PurgeConnection, begin_one, end};
use crate::hooks;
use crate::model::Model;
use crate::orm::diesel::statement::fire_inserted;
use crate::orm::diesel::target::FromOf;
use crate::orm::diesel::{UpdateTo, update};

/// A statement that can hand back the rows that it writes as `M`, and purge what shows them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a statement that can purge what it writes",
    note = "an `INSERT` or `DELETE` needs a database that can return rows, and columns that fit `{M}`: add `.returning({M}::as_returning())`",
    note = "an upsert by `upsert(statement, rows)` takes a statement without `.returning(...)`",
    note = "an `UPDATE` has to read the old rows first: write `roan::orm::diesel_async::update(...)` in place of `diesel::update(...)`",
    note = "on MySQL: `roan::orm::diesel_async::delete(...)`, and `.created(conn)` on a row that was inserted"
)]
pub trait Written<'query, C, M>: Sized {
    /// Runs the statement.
    fn write(self, conn: &mut C) -> impl Future<Output = QueryResult<Vec<M>>> + Send;
}

/// As [`orm::diesel::PurgeExt`](crate::orm::diesel::PurgeExt), with `.await`: the methods of
/// diesel-async that write, each in a form that purges, and hooks for rows that were written in another
/// way.
pub trait PurgeExt<C>: Sized {
    /// As `get_result`: one row.
    ///
    /// # Errors
    ///
    /// As diesel-async's. In a transaction of yours, also when the purge cannot be written
    /// ([`PurgeConnection::run_hooks`]).
    fn get_result_and_purge<'query, M>(
        self,
        conn: &mut C,
    ) -> impl Future<Output = QueryResult<M>> + Send
    where
        Self: Written<'query, C, M> + Send,
        C: Send,
        M: Send,
    {
        async {
            let row = self.write(conn).await?.into_iter().next();
            row.ok_or(Error::NotFound)
        }
    }

    /// As `get_results`: all rows.
    ///
    /// # Errors
    ///
    /// As [`get_result_and_purge`](Self::get_result_and_purge).
    fn get_results_and_purge<'query, M>(
        self,
        conn: &mut C,
    ) -> impl Future<Output = QueryResult<Vec<M>>> + Send
    where
        Self: Written<'query, C, M>,
    {
        self.write(conn)
    }

    /// As `execute`: how many rows were written. They are read all the same, as `M`.
    ///
    /// # Errors
    ///
    /// As [`get_result_and_purge`](Self::get_result_and_purge).
    fn execute_and_purge<'query, M>(
        self,
        conn: &mut C,
    ) -> impl Future<Output = QueryResult<usize>> + Send
    where
        Self: Written<'query, C, M> + Send,
        C: Send,
    {
        async { self.write(conn).await.map(|rows| rows.len()) }
    }

    /// As `save_changes`, on a changeset that is `Identifiable`: the row as it is now.
    ///
    /// # Errors
    ///
    /// As [`get_result_and_purge`](Self::get_result_and_purge).
    fn save_changes_and_purge<'query, 'a, M>(
        &'a self,
        conn: &mut C,
    ) -> impl Future<Output = QueryResult<M>> + Send
    where
        &'a Self: AsChangeset<Target = <&'a Self as HasTable>::Table> + IntoUpdateTarget,
        UpdateTo<&'a Self, &'a Self>: Written<'query, C, M> + Send,
        C: Send,
        M: Send,
    {
        update(self).set(self).get_result_and_purge(conn)
    }

    /// After an insert. See [`crate::created`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn created(&self, conn: &mut C) -> impl Future<Output = QueryResult<()>> + Send
    where
        Self: Model + Sync,
        C: PurgeConnection,
    {
        conn.run_hooks(None, || hooks::created(self))
    }

    /// After an update; `old` is the row as it was. See [`crate::updated`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn updated(&self, old: &Self, conn: &mut C) -> impl Future<Output = QueryResult<()>> + Send
    where
        Self: Model + Sync,
        C: PurgeConnection,
    {
        conn.run_hooks(None, || hooks::updated(old, self))
    }

    /// After an insert or update, where the old row is not at hand. See [`crate::saved`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn saved(&self, conn: &mut C) -> impl Future<Output = QueryResult<()>> + Send
    where
        Self: Model + Sync,
        C: PurgeConnection,
    {
        conn.run_hooks(None, || hooks::saved(self))
    }

    /// After a delete. See [`crate::deleted`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn deleted(&self, conn: &mut C) -> impl Future<Output = QueryResult<()>> + Send
    where
        Self: Model + Sync,
        C: PurgeConnection,
    {
        conn.run_hooks(None, || hooks::deleted(self))
    }
}

impl<Q, C> PurgeExt<C> for Q {}

impl<'query, T, U, Op, Ret, C, M> Written<'query, C, M> for InsertStatement<T, U, Op, Ret>
where
    T: QuerySource + HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend> + Send,
    Self: LoadQuery<'query, C, M> + Send + 'query,
    C: PurgeConnection,
    M: Model + Send + Sync,
{
    async fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let begun = begin_one::<T, C>(conn).await?;
        let written: QueryResult<Vec<M>> = RunQueryDsl::get_results(self, conn).await;
        end(conn, begun, written, |rows| fire_inserted::<U, Op, M>(rows)).await
    }
}

impl<'query, T, U, Ret, C, M> Written<'query, C, M> for DeleteStatement<T, U, Ret>
where
    T: QuerySource + HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend> + Send,
    Self: LoadQuery<'query, C, M> + Send + 'query,
    C: PurgeConnection,
    M: Model + Send + Sync,
{
    async fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let begun = begin_one::<T, C>(conn).await?;
        let written: QueryResult<Vec<M>> = RunQueryDsl::get_results(self, conn).await;
        end(conn, begun, written, |rows| {
            rows.iter().for_each(hooks::deleted);
        })
        .await
    }
}
