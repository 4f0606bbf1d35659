//! Upserts that read the old rows first.

use std::slice;

use diesel::associations::Identifiable;
use diesel::dsl::AsSelect;
use diesel::expression::{Selectable, SelectableHelper};
use diesel::query_builder::{InsertStatement, IntoUpdateTarget, QueryFragment};
use diesel::query_dsl::LoadQuery;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::{QueryResult, RunQueryDsl, Table};

use super::backend::Kind;
use super::connection::{PurgeConnection, together};
use super::rows::{Returning, Rows, again, all_locked, fire_updated, others};
use super::statement::{Written, replaces};
use super::target::{FromOf, WhereOf};
use crate::hooks;
use crate::model::Model;

/// An upsert that purges the pages of the rows that it changes, as they were and as they are.
///
/// `statement` is Diesel's `INSERT ... ON CONFLICT` (MySQL: `ON DUPLICATE KEY UPDATE`) or `REPLACE`, without `returning`
/// and on SQLite of one row. `rows` are those that it may change, before and after it: those with the values of its
/// conflict target. Roan reads and locks them first, in the transaction of the statement. A row that was there fires the
/// rules for `update`. Another row may have been inserted in the meantime, so it fires those for `create` and for
/// `update`, whatever fields they watch.
///
/// ```no_run
/// # #[cfg(feature = "sqlite")]
/// # mod app {
/// use diesel::prelude::*;
/// use roan::orm::diesel::{PurgeExt, upsert};
/// # use roan::purge_on;
/// # diesel::table! { posts (id) { id -> Integer, slug -> Text, title -> Text, } }
/// # #[purge_on(save, delete, url = "/posts/{slug}")]
/// # #[derive(Queryable, Selectable, Identifiable)]
/// # struct Post { id: i32, slug: String, title: String }
///
/// fn import(conn: &mut SqliteConnection, id: i32, slug: &str, title: &str) -> QueryResult<Post> {
///     let statement = diesel::insert_into(posts::table)
///         .values((posts::id.eq(id), posts::slug.eq(slug), posts::title.eq(title)))
///         .on_conflict(posts::id)
///         .do_update()
///         .set((posts::slug.eq(slug), posts::title.eq(title)));
///     upsert(statement, posts::table.find(id)).get_result_and_purge(conn)
/// }
/// # }
/// ```
pub fn upsert<S, T: IntoUpdateTarget>(statement: S, rows: T) -> Upsert<S, T> {
    Upsert { statement, rows }
}

/// From [`upsert`].
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is written before `execute_and_purge` or one of its kin"]
pub struct Upsert<S, T> {
    pub(in crate::orm) statement: S,
    pub(in crate::orm) rows: T,
}

impl<'query, Tab, U, Op, T, C, M> Written<'query, C, M> for Upsert<InsertStatement<Tab, U, Op>, T>
where
    C: PurgeConnection,
    Tab: Table,
    T: IntoUpdateTarget<Table = Tab> + Clone,
    M: Model + Selectable<C::Backend>,
    FromOf<T>: QueryFragment<C::Backend>,
    InsertStatement<Tab, U, Op>: ExecuteDsl<C>,
    WhereOf<T>: QueryFragment<C::Backend> + Send + 'query,
    for<'a> Rows<'a, C::Backend, FromOf<T>, AsSelect<M, C::Backend>>: LoadQuery<'a, C, M>,
    Returning<InsertStatement<Tab, U, Op>, AsSelect<M, C::Backend>>: LoadQuery<'query, C, M>,
    for<'a> &'a M: Identifiable + IntoUpdateTarget<Table = Tab>,
    for<'a> WhereOf<&'a M>: QueryFragment<C::Backend> + Send,
{
    fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let kind = Kind::of::<C::Backend>();
        let write = |conn: &mut C| {
            let old: Vec<M> = if kind.locks_gaps() {
                let rows = self.rows.clone().into_update_target();
                let there: Vec<M> = Rows::to_read(rows, M::as_select()).get_results(conn)?;
                let mut old = Vec::with_capacity(there.len());
                for row in &there {
                    for row in again(slice::from_ref(row), M::as_select) {
                        old.append(&mut row.locked().get_results(conn)?);
                    }
                }
                old
            } else {
                all_locked(kind, || {
                    let rows = self.rows.clone().into_update_target();
                    Rows::to_write(rows, M::as_select()).get_results(conn)
                })?
            };
            let statement = self.statement;
            let new: Vec<M> = if kind.has_returning() {
                let selection = M::as_select();
                Returning {
                    statement,
                    selection,
                }
                .get_results(conn)?
            } else {
                statement.execute(conn)?;
                let mut new = Vec::with_capacity(old.len());
                for rows in again(&old, M::as_select) {
                    new.append(&mut rows.get_results(conn)?);
                }
                let rows = self.rows.into_update_target();
                let found = Rows::to_read(rows, M::as_select()).get_results(conn)?;
                new.append(&mut others(&new, found));
                new
            };
            Ok((old, new))
        };
        let gone = if replaces::<Op>() {
            hooks::deleted
        } else {
            hooks::saved
        };
        let written = together::<T, C, _>(conn, write, |(old, new)| fire_updated(old, new, gone))?;
        Ok(written.1)
    }
}
