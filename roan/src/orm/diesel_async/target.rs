//! Updates and deletes that read the old rows first.

use diesel::associations::Identifiable;
use diesel::dsl::AsSelect;
use diesel::expression::{Selectable, SelectableHelper};
use diesel::query_builder::{
    AsChangeset, AsQuery, DeleteStatement, IntoUpdateTarget, QueryFragment,
};
use diesel::{QueryResult, Table};
use diesel_async::RunQueryDsl;
use diesel_async::methods::{ExecuteDsl, LoadQuery};

use super::connection::{PurgeConnection, begin, end};
use super::statement::Written;
use crate::hooks;
use crate::model::Model;
use crate::orm::diesel::backend::Kind;
use crate::orm::diesel::rows::{
    Returning, Rows, add_others, again, all_found, check_read, fire_updated,
};
use crate::orm::diesel::target::{FromOf, StatementOf, WhereOf};
use crate::orm::diesel::{Delete, UpdateTo};

impl<'query, T, V, C, M> Written<'query, C, M> for UpdateTo<T, V>
where
    C: PurgeConnection,
    T: IntoUpdateTarget + Clone + Send + Sync,
    T::Table: Table,
    V: AsChangeset<Target = T::Table> + Send,
    M: Model + Selectable<C::Backend> + Send + Sync,
    FromOf<T>: QueryFragment<C::Backend> + Send + 'query,
    WhereOf<T>: QueryFragment<C::Backend> + Send + 'query,
    AsSelect<M, C::Backend>: Send,
    StatementOf<T, V>: AsQuery + ExecuteDsl<C> + Send + 'query,
    for<'a> Rows<'a, C::Backend, FromOf<T>, AsSelect<M, C::Backend>>: LoadQuery<'a, C, M>,
    Returning<StatementOf<T, V>, AsSelect<M, C::Backend>>: LoadQuery<'query, C, M> + 'query,
    for<'a> &'a M: Identifiable + IntoUpdateTarget<Table = T::Table>,
    for<'a> WhereOf<&'a M>: QueryFragment<C::Backend> + Send,
{
    async fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let kind = Kind::of::<C::Backend>();
        let begun = begin::<T, C>(conn).await?;
        let written = async {
            let target = self.target.clone().into_update_target();
            let old = Rows::to_write(target, M::as_select());
            let mut old: Vec<M> = RunQueryDsl::get_results(old, conn).await?;
            // While it waited for another writer, rows may have come that it did not see.
            while kind.waits() {
                let target = self.target.clone().into_update_target();
                let found = Rows::to_write(target, M::as_select());
                if !add_others(&mut old, RunQueryDsl::get_results(found, conn).await?) {
                    break;
                }
            }
            let statement = diesel::update(self.target).set(self.changes);
            let new: Vec<M> = if kind.has_returning() {
                let selection = M::as_select();
                let returning = Returning {
                    statement,
                    selection,
                };
                let new: Vec<M> = RunQueryDsl::get_results(returning, conn).await?;
                check_read(&old, new.len());
                new
            } else {
                check_read(&old, RunQueryDsl::execute(statement, conn).await?);
                let mut new = Vec::with_capacity(old.len());
                for rows in again(&old, M::as_select) {
                    let mut rows: Vec<M> = RunQueryDsl::get_results(rows, conn).await?;
                    new.append(&mut rows);
                }
                all_found(&old, &new)?;
                new
            };
            Ok((old, new))
        };
        let written = written.await;
        let written = end(conn, begun, written, |(old, new)| {
            fire_updated(old, new, hooks::saved);
        })
        .await?;
        Ok(written.1)
    }
}

impl<'query, T, C, M> Written<'query, C, M> for Delete<T>
where
    C: PurgeConnection,
    T: IntoUpdateTarget + Clone + Send + Sync,
    T::Table: Table,
    M: Model + Selectable<C::Backend> + Send + Sync,
    WhereOf<T>: QueryFragment<C::Backend> + Send + 'query,
    FromOf<T>: QueryFragment<C::Backend> + Send + 'query,
    AsSelect<M, C::Backend>: Send,
    DeleteStatement<T::Table, WhereOf<T>>: ExecuteDsl<C> + Send + 'query,
    for<'a> Rows<'a, C::Backend, FromOf<T>, AsSelect<M, C::Backend>>: LoadQuery<'a, C, M>,
    Returning<DeleteStatement<T::Table, WhereOf<T>>, AsSelect<M, C::Backend>>:
        LoadQuery<'query, C, M> + 'query,
{
    async fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let begun = begin::<T, C>(conn).await?;
        let written = async {
            let selection = M::as_select();
            let old: Vec<M> = if Kind::of::<C::Backend>().has_returning() {
                let statement = diesel::delete(self.target);
                let returning = Returning {
                    statement,
                    selection,
                };
                RunQueryDsl::get_results(returning, conn).await?
            } else {
                let target = self.target.clone().into_update_target();
                let old = Rows::to_write(target, selection);
                let old = RunQueryDsl::get_results(old, conn).await?;
                RunQueryDsl::execute(diesel::delete(self.target), conn).await?;
                old
            };
            Ok(old)
        };
        let written: QueryResult<Vec<M>> = written.await;
        end(conn, begun, written, |old| {
            old.iter().for_each(hooks::deleted);
        })
        .await
    }
}
