//! Statements and rows that purge what shows them.

use std::any::{TypeId, type_name};
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::associations::HasTable;
use diesel::query_builder::{
    AsChangeset, DeleteStatement, InsertStatement, IntoUpdateTarget, QueryFragment,
    ReplaceStatement,
};
use diesel::query_dsl::LoadQuery;
use diesel::result::Error;
use diesel::{QueryResult, QuerySource, RunQueryDsl};

use super::connection::{PurgeConnection, at_once};
use super::target::{FromOf, UpdateTo, update};
use crate::base::log::warn_loudly;
use crate::hooks;
use crate::model::Model;

/// A statement that can hand back the rows that it writes as `M`, and purge what shows them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a statement that can purge what it writes",
    note = "an `INSERT` or `DELETE` needs a database that can return rows, and columns that fit `{M}`: add `.returning({M}::as_returning())`",
    note = "an upsert by `upsert(statement, rows)` takes a statement without `.returning(...)`, and on SQLite one row",
    note = "an `UPDATE` has to read the old rows first: write `roan::orm::diesel::update(...)` in place of `diesel::update(...)`",
    note = "on MySQL: `roan::orm::diesel::delete(...)`, and `.created(conn)` on a row that was inserted"
)]
pub trait Written<'query, C, M>: Sized {
    /// Runs the statement.
    fn write(self, conn: &mut C) -> QueryResult<Vec<M>>;
}

/// Diesel's methods that write, each in a form that purges, and hooks for rows that were written in
/// another way.
///
/// - On a statement: `get_result_and_purge`, `get_results_and_purge`, `execute_and_purge`. `INSERT` is
///   Diesel's; an update, delete or upsert begins with [`update`], [`delete`](super::delete) or [`upsert`](super::upsert)
///   of Roan, which read the old rows.
///   An update that changes keys is refused on a database that returns no rows (MySQL), since the new rows cannot be
///   found: run Diesel's own, and call `updated` on each row.
/// - On a changeset: `save_changes_and_purge`.
/// - On a row, which is any type with `#[purge_on]`: `created`, `updated`, `saved`, `deleted`.
///
/// The write and its purges are one transaction. Where Roan itself has begun it, an outbox that does not take the purges
/// does not undo the write: see [`PurgeConnection::run_hooks`].
pub trait PurgeExt<C>: Sized {
    /// As Diesel's `get_result`: one row.
    ///
    /// # Errors
    ///
    /// As Diesel's. In a transaction of yours, also when the purge cannot be written
    /// ([`PurgeConnection::run_hooks`]).
    fn get_result_and_purge<'query, M>(self, conn: &mut C) -> QueryResult<M>
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
    /// As [`get_result_and_purge`](Self::get_result_and_purge).
    fn get_results_and_purge<'query, M>(self, conn: &mut C) -> QueryResult<Vec<M>>
    where
        Self: Written<'query, C, M>,
    {
        self.write(conn)
    }

    /// As Diesel's `execute`: how many rows were written. They are read all the same, as `M`.
    ///
    /// # Errors
    ///
    /// As [`get_result_and_purge`](Self::get_result_and_purge).
    fn execute_and_purge<'query, M>(self, conn: &mut C) -> QueryResult<usize>
    where
        Self: Written<'query, C, M>,
    {
        self.write(conn).map(|rows| rows.len())
    }

    /// As Diesel's `save_changes`, on a changeset that is `Identifiable`: the row as it is now.
    ///
    /// # Errors
    ///
    /// As [`get_result_and_purge`](Self::get_result_and_purge).
    fn save_changes_and_purge<'query, 'a, M>(&'a self, conn: &mut C) -> QueryResult<M>
    where
        &'a Self: AsChangeset<Target = <&'a Self as HasTable>::Table> + IntoUpdateTarget,
        UpdateTo<&'a Self, &'a Self>: Written<'query, C, M>,
    {
        update(self).set(self).get_result_and_purge(conn)
    }

    /// After an insert. See [`crate::created`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn created(&self, conn: &mut C) -> QueryResult<()>
    where
        Self: Model,
        C: PurgeConnection,
    {
        conn.run_hooks(None, || hooks::created(self))
    }

    /// After an update; `old` is the row as it was. See [`crate::updated`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn updated(&self, old: &Self, conn: &mut C) -> QueryResult<()>
    where
        Self: Model,
        C: PurgeConnection,
    {
        conn.run_hooks(None, || hooks::updated(old, self))
    }

    /// After an insert or update, where the old row is not at hand. See [`crate::saved`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn saved(&self, conn: &mut C) -> QueryResult<()>
    where
        Self: Model,
        C: PurgeConnection,
    {
        conn.run_hooks(None, || hooks::saved(self))
    }

    /// After a delete. See [`crate::deleted`].
    ///
    /// # Errors
    ///
    /// As [`PurgeConnection::run_hooks`].
    fn deleted(&self, conn: &mut C) -> QueryResult<()>
    where
        Self: Model,
        C: PurgeConnection,
    {
        conn.run_hooks(None, || hooks::deleted(self))
    }
}

impl<Q, C> PurgeExt<C> for Q {}

impl<'query, T, U, Op, Ret, C, M> Written<'query, C, M> for InsertStatement<T, U, Op, Ret>
where
    T: QuerySource + HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend>,
    Self: LoadQuery<'query, C, M>,
    C: PurgeConnection,
    M: Model,
{
    fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let write = |conn: &mut C| self.get_results(conn);
        at_once::<T, C, Vec<M>>(conn, write, |rows| fire_inserted::<U, Op, M>(rows))
    }
}

/// Fires the hooks for the rows of an `INSERT` with these records and this verb.
pub(in crate::orm) fn fire_inserted<U, Op, M: Model>(rows: &[M]) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if only_inserts::<U>() && !replaces::<Op>() {
        return rows.iter().for_each(hooks::created);
    }
    rows.iter().for_each(hooks::saved);
    if !TOLD.swap(true, Ordering::Relaxed) {
        warn_loudly(format_args!(
            "an upsert purges the pages of its rows as they are now, and not those of the rows that it replaced. \
             Name the rows that it may change, and it purges both: \
             `upsert(statement, posts::table.filter(posts::slug.eq(slug)))`, from `roan::orm::diesel` or \
             `roan::orm::diesel_async`"
        ));
    }
}

/// Whether the verb is `REPLACE`.
pub(in crate::orm) fn replaces<Op>() -> bool {
    trait Verb {
        type Verb;
    }
    impl<T: QuerySource, U, Op, Ret> Verb for InsertStatement<T, U, Op, Ret> {
        type Verb = Op;
    }
    diesel::table! { any (id) { id -> Integer, } }
    typeid::of::<Op>() == TypeId::of::<<ReplaceStatement<any::table, ()> as Verb>::Verb>()
}

/// Whether these records can only make rows. Those of an upsert have a type of Diesel's, too, but neither it nor a trait
/// that only it has is public, and not every statement can show its text (a batch on SQLite). So this knows the
/// names of the others. The docs of `type_name` promise no name: any name that it does not know may be an upsert's, which
/// purges too much and never too little.
fn only_inserts<U>() -> bool {
    let whole = type_name::<U>();
    let path = whole.split_once('<').map_or(whole, |(path, _)| path);
    let plain = [
        "ValuesClause",
        "BatchInsert",
        "InsertFromSelect",
        "DefaultValues",
    ];
    plain.iter().any(|name| path.ends_with(name))
}

impl<'query, T, U, Ret, C, M> Written<'query, C, M> for DeleteStatement<T, U, Ret>
where
    T: QuerySource + HasTable<Table: QuerySource>,
    FromOf<T>: QueryFragment<C::Backend>,
    Self: LoadQuery<'query, C, M>,
    C: PurgeConnection,
    M: Model,
{
    fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let write = |conn: &mut C| self.get_results(conn);
        at_once::<T, C, Vec<M>>(conn, write, |rows| rows.iter().for_each(hooks::deleted))
    }
}
