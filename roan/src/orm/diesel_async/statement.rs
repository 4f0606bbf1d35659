//! Statements that purge what they write.

use diesel::associations::HasTable;
use diesel::query_builder::{AsChangeset, DeleteStatement, InsertStatement, IntoUpdateTarget};
use diesel::result::Error;
use diesel::{QueryResult, QuerySource};
use diesel_async::methods::LoadQuery;
use diesel_async::{AsyncConnection, RunQueryDsl};

use super::connection::{Purging, begin_one, end};
use crate::hooks;
use crate::model::Model;
use crate::orm::diesel::statement::fire_inserted;
use crate::orm::diesel::{UpdateTo, update};

/// A statement that can hand back the rows that it writes as `M`, and purge what shows them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no statement that can purge what it writes",
    note = "an `INSERT` or `DELETE` needs a database that can return rows, and columns that fit `{M}`: add `.returning({M}::as_returning())`",
    note = "an `UPDATE` has to read the old rows first: write `roan::orm::diesel_async::update(...)` in place of `diesel::update(...)`",
    note = "on MySQL: `roan::orm::diesel_async::delete(...)`, and `.created(conn)` on a row that was inserted"
)]
pub trait Written<'query, C, M>: Sized {
    /// Runs the statement.
    #[doc(hidden)]
    fn write(self, conn: &mut C) -> impl Future<Output = QueryResult<Vec<M>>> + Send;
}

/// The methods of diesel-async that run a statement, each with a twin that purges what the statement
/// writes: the row and its purges in one transaction.
pub trait PurgingDsl<C>: Sized {
    /// As `get_result`: one row.
    ///
    /// # Errors
    ///
    /// As diesel-async's, and when the purge cannot be written ([`Purging::purging`]); then the
    /// statement is undone.
    fn get_result_purging<'query, M>(
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
    /// As [`get_result_purging`](Self::get_result_purging).
    fn get_results_purging<'query, M>(
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
    /// As [`get_result_purging`](Self::get_result_purging).
    fn execute_purging<'query, M>(
        self,
        conn: &mut C,
    ) -> impl Future<Output = QueryResult<usize>> + Send
    where
        Self: Written<'query, C, M> + Send,
        C: Send,
    {
        async { self.write(conn).await.map(|rows| rows.len()) }
    }
}

impl<Q, C> PurgingDsl<C> for Q {}

/// The twin of diesel-async's `SaveChangesDsl`.
pub trait SaveChangesPurgingDsl<C>: Sized {
    /// As `save_changes`, on a changeset that is `Identifiable`: the row as it is now.
    ///
    /// # Errors
    ///
    /// As [`PurgingDsl::get_result_purging`].
    fn save_changes_purging<'query, M>(
        self,
        conn: &mut C,
    ) -> impl Future<Output = QueryResult<M>> + Send
    where
        Self: IntoUpdateTarget + Copy,
        UpdateTo<Self, Self>: Written<'query, C, M> + Send,
        C: Send,
        M: Send,
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
    Self: LoadQuery<'query, C, M> + Send + 'query,
    C: AsyncConnection + Purging,
    M: Model + Send + Sync,
{
    async fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let has_begun = begin_one(conn).await?;
        let written = async {
            let rows = RunQueryDsl::get_results(self, conn).await?;
            conn.purging_table(M::TABLE, || fire_inserted::<Self, M>(&rows))
                .await?;
            Ok(rows)
        };
        let written = written.await;
        end(conn, has_begun, written).await
    }
}

impl<'query, T, U, Ret, C, M> Written<'query, C, M> for DeleteStatement<T, U, Ret>
where
    T: QuerySource,
    Self: LoadQuery<'query, C, M> + Send + 'query,
    C: AsyncConnection + Purging,
    M: Model + Send + Sync,
{
    async fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let has_begun = begin_one(conn).await?;
        let written = async {
            let rows: Vec<M> = RunQueryDsl::get_results(self, conn).await?;
            conn.purging_table(M::TABLE, || rows.iter().for_each(hooks::deleted))
                .await?;
            Ok(rows)
        };
        let written = written.await;
        end(conn, has_begun, written).await
    }
}
