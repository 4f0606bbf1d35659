//! Upserts that read the old rows first.

use std::slice;

use diesel::associations::Identifiable;
use diesel::dsl::AsSelect;
use diesel::expression::{Selectable, SelectableHelper};
use diesel::query_builder::{InsertStatement, IntoUpdateTarget, QueryFragment};
use diesel::{QueryResult, Table};
use diesel_async::RunQueryDsl;
use diesel_async::methods::{ExecuteDsl, LoadQuery};

use super::connection::{PurgeConnection, begin, end};
use super::statement::Written;
use crate::hooks;
use crate::model::Model;
use crate::orm::diesel::Upsert;
use crate::orm::diesel::backend::Kind;
use crate::orm::diesel::rows::{Returning, Rows, add_others, again, fire_updated, others};
use crate::orm::diesel::statement::replaces;
use crate::orm::diesel::target::{FromOf, WhereOf};

impl<'query, Tab, U, Op, T, C, M> Written<'query, C, M> for Upsert<InsertStatement<Tab, U, Op>, T>
where
    C: PurgeConnection,
    Tab: Table + Send,
    T: IntoUpdateTarget<Table = Tab> + Clone + Send + Sync,
    M: Model + Selectable<C::Backend> + Send + Sync,
    FromOf<T>: QueryFragment<C::Backend> + Send + 'query,
    WhereOf<T>: QueryFragment<C::Backend> + Send + 'query,
    AsSelect<M, C::Backend>: Send,
    InsertStatement<Tab, U, Op>: ExecuteDsl<C> + Send + 'query,
    for<'a> Rows<'a, C::Backend, FromOf<T>, AsSelect<M, C::Backend>>: LoadQuery<'a, C, M>,
    Returning<InsertStatement<Tab, U, Op>, AsSelect<M, C::Backend>>:
        LoadQuery<'query, C, M> + 'query,
    for<'a> &'a M: Identifiable + IntoUpdateTarget<Table = Tab>,
    for<'a> WhereOf<&'a M>: QueryFragment<C::Backend> + Send,
{
    async fn write(self, conn: &mut C) -> QueryResult<Vec<M>> {
        let kind = Kind::of::<C::Backend>();
        let begun = begin::<T, C>(conn).await?;
        let written = async {
            let rows = self.rows.clone().into_update_target();
            let old: Vec<M> = if kind.locks_gaps() {
                let rows = Rows::to_read(rows, M::as_select());
                let there: Vec<M> = RunQueryDsl::get_results(rows, conn).await?;
                let mut old = Vec::with_capacity(there.len());
                for row in &there {
                    for row in again(slice::from_ref(row), M::as_select) {
                        let mut row: Vec<M> = RunQueryDsl::get_results(row.locked(), conn).await?;
                        old.append(&mut row);
                    }
                }
                old
            } else {
                let rows = Rows::to_write(rows, M::as_select());
                let mut old: Vec<M> = RunQueryDsl::get_results(rows, conn).await?;
                // While it waited for another writer, rows may have come that it did not see.
                while kind.waits() {
                    let rows = self.rows.clone().into_update_target();
                    let found = Rows::to_write(rows, M::as_select());
                    if !add_others(&mut old, RunQueryDsl::get_results(found, conn).await?) {
                        break;
                    }
                }
                old
            };
            let statement = self.statement;
            let new: Vec<M> = if kind.has_returning() {
                let selection = M::as_select();
                let returning = Returning {
                    statement,
                    selection,
                };
                RunQueryDsl::get_results(returning, conn).await?
            } else {
                RunQueryDsl::execute(statement, conn).await?;
                let mut new = Vec::with_capacity(old.len());
                for rows in again(&old, M::as_select) {
                    let mut rows: Vec<M> = RunQueryDsl::get_results(rows, conn).await?;
                    new.append(&mut rows);
                }
                let rows = Rows::to_read(self.rows.into_update_target(), M::as_select());
                let found: Vec<M> = RunQueryDsl::get_results(rows, conn).await?;
                new.append(&mut others(&new, found));
                new
            };
            Ok((old, new))
        };
        let written: QueryResult<(Vec<M>, Vec<M>)> = written.await;
        let gone = if replaces::<Op>() {
            hooks::deleted
        } else {
            hooks::saved
        };
        let hooks = |(old, new): &(Vec<M>, Vec<M>)| fire_updated(old, new, gone);
        Ok(end(conn, begun, written, hooks).await?.1)
    }
}
