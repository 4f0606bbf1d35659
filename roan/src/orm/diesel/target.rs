//! Updates and deletes that read the old rows first.

use diesel::associations::{HasTable, Identifiable};
use diesel::dsl::AsSelect;
use diesel::expression::{Selectable, SelectableHelper};
use diesel::query_builder::{
    AsChangeset, AsQuery, DeleteStatement, IntoUpdateTarget, QueryFragment, UpdateStatement,
};
use diesel::query_dsl::LoadQuery;
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::{QueryResult, QuerySource, RunQueryDsl, Table};

use super::backend::Kind;
use super::connection::{PurgeConnection, together};
use super::rows::{Returning, Rows, again, all_found, all_locked, check_read, fire_updated};
use super::statement::Written;
use crate::hooks;
use crate::model::Model;

/// As Diesel's `update`, for statements that purge.
pub fn update<T: IntoUpdateTarget>(target: T) -> Update<T> {
    Update { target }
}

/// As Diesel's `delete`, for statements that purge.
pub fn delete<T: IntoUpdateTarget>(target: T) -> Delete<T> {
    Delete { target }
}

/// From [`update`].
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is written before `set(...)`"]
pub struct Update<T> {
    pub(in crate::orm) target: T,
}

impl<T> Update<T> {
    /// As in Diesel.
    pub fn set<V>(self, changes: V) -> UpdateTo<T, V> {
        UpdateTo {
            target: self.target,
            changes,
        }
    }
}

/// From [`Update::set`].
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is written before `execute_and_purge` or one of its kin"]
pub struct UpdateTo<T, V> {
    pub(in crate::orm) target: T,
    pub(in crate::orm) changes: V,
}

/// From [`delete`].
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is written before `execute_and_purge` or one of its kin"]
pub struct Delete<T> {
    pub(in crate::orm) target: T,
}

pub(in crate::orm) type FromOf<T> = <<T as HasTable>::Table as QuerySource>::FromClause;
pub(in crate::orm) type WhereOf<T> = <T as IntoUpdateTarget>::WhereClause;
pub(in crate::orm) type StatementOf<T, V> =
    UpdateStatement<<T as HasTable>::Table, WhereOf<T>, <V as AsChangeset>::Changeset>;

impl<'query, T, V, C, M> Written<'query, C, M> for UpdateTo<T, V>
where
    C: PurgeConnection,
    T: IntoUpdateTarget + Clone,
    T::Table: Table,
    V: AsChangeset<Target = T::Table>,
    M: Model + Selectable<C::Backend>,
    FromOf<T>: QueryFragment<C::Backend>,
    StatementOf<T, V>: AsQuery + ExecuteDsl<C>,
    WhereOf<T>: QueryFragment<C::Backend> + Send + 'query,
    for<'a> Rows<'a, C::Backend, FromOf<T>, AsSelect<M, C::Backend>>: LoadQuery<'a, C, M>,
    Returning<StatementOf<T, V>, AsSelect<M, C::Backend>>: LoadQuery<'query, C, M>,
    for<'a> &'a M: Identifiable + IntoUpdateTarget<Table = T::Table>,
    for<'a> WhereOf<&'a M>: QueryFragment<C::Backend> + Send,
{
    fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let kind = Kind::of::<C::Backend>();
        let write = |conn: &mut C| {
            let old: Vec<M> = all_locked(kind, || {
                let target = self.target.clone().into_update_target();
                Rows::to_write(target, M::as_select()).get_results(conn)
            })?;
            let statement = diesel::update(self.target).set(self.changes);
            let new: Vec<M> = if kind.has_returning() {
                let selection = M::as_select();
                let returning = Returning {
                    statement,
                    selection,
                };
                let new: Vec<M> = returning.get_results(conn)?;
                check_read(&old, new.len());
                new
            } else {
                check_read(&old, statement.execute(conn)?);
                let mut new = Vec::with_capacity(old.len());
                for rows in again(&old, M::as_select) {
                    new.append(&mut rows.get_results(conn)?);
                }
                all_found(&old, &new)?;
                new
            };
            Ok((old, new))
        };
        let written = together::<T, C, _>(conn, write, |(old, new)| {
            fire_updated(old, new, hooks::saved);
        })?;
        Ok(written.1)
    }
}

impl<'query, T, C, M> Written<'query, C, M> for Delete<T>
where
    C: PurgeConnection,
    T: IntoUpdateTarget + Clone,
    T::Table: Table,
    M: Model + Selectable<C::Backend>,
    FromOf<T>: QueryFragment<C::Backend>,
    DeleteStatement<T::Table, WhereOf<T>>: ExecuteDsl<C>,
    WhereOf<T>: QueryFragment<C::Backend> + Send + 'query,
    for<'a> Rows<'a, C::Backend, FromOf<T>, AsSelect<M, C::Backend>>: LoadQuery<'a, C, M>,
    Returning<DeleteStatement<T::Table, WhereOf<T>>, AsSelect<M, C::Backend>>:
        LoadQuery<'query, C, M>,
{
    fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let write = |conn: &mut C| {
            let selection = M::as_select();
            let old: Vec<M> = if Kind::of::<C::Backend>().has_returning() {
                let statement = diesel::delete(self.target);
                Returning {
                    statement,
                    selection,
                }
                .get_results(conn)?
            } else {
                let target = self.target.clone().into_update_target();
                let old = Rows::to_write(target, selection).get_results(conn)?;
                diesel::delete(self.target).execute(conn)?;
                old
            };
            Ok(old)
        };
        together::<T, C, _>(conn, write, |old| old.iter().for_each(hooks::deleted))
    }
}
