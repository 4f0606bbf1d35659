//! Statements for many rows, which fire no hooks of the models.

mod affected;
mod inserted;

use std::collections::HashMap;

use sea_orm::sea_query::UpdateStatement;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, DbErr, DeleteMany, EntityTrait, InsertMany,
    IntoActiveModel, ModelTrait, QueryTrait, TransactionSession, TransactionTrait, UpdateMany,
};

use self::affected::affected;
use self::inserted::insert;
use super::bypass::purging;
use super::current::dispatcher;
use super::related::{Change, Relations, related};
use super::rows::{ModelOf, by_keys, key_of};
use super::write::{is_durable, send, write};
use crate::hooks;

/// Runs a statement for many rows, and purges what shows them: `exec_purging` in place of `exec`.
///
/// It opens a transaction, or inside of one a savepoint, for the statement, the reading of the rows
/// and the row of the outbox.
///
/// ```no_run
/// # use sea_orm::entity::prelude::*;
/// # mod post {
/// #     use sea_orm::entity::prelude::*;
/// #     #[roan::purge_on(save, delete, url = "/posts/{slug}")]
/// #     #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "posts")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i64, pub slug: String, pub title: String }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     #[roan::hooks]
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// use roan::orm::sea_orm::ExecPurging;
///
/// # async fn rename(db: &DatabaseConnection) -> Result<(), DbErr> {
/// let changed = post::Entity::update_many()
///     .col_expr(post::Column::Title, Expr::value("new"))
///     .filter(post::Column::Title.eq("old"))
///     .exec_purging(db)
///     .await?;
/// println!("{} posts", changed.len());
/// # Ok(())
/// # }
/// ```
pub trait ExecPurging<M>: Sized {
    /// Runs the statement. The rows are those that were inserted or deleted, and of an update the new
    /// ones.
    ///
    /// # Errors
    ///
    /// When the database refuses the statement, or the row of the outbox; nothing is written then.
    /// On MySQL, which returns no rows, also when the keys of new rows cannot be told.
    fn exec_purging<C>(self, db: &C) -> impl Future<Output = Result<Vec<M>, DbErr>> + Send
    where
        C: TransactionTrait + Send;
}

impl<A> ExecPurging<ModelOf<A>> for InsertMany<A>
where
    A: ActiveModelTrait + Send,
    ModelOf<A>: Relations + IntoActiveModel<A>,
{
    async fn exec_purging<C>(self, db: &C) -> Result<Vec<ModelOf<A>>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        let tx = db.begin().await?;
        let models = if tx.support_returning() {
            purging(self.exec_with_returning(&tx)).await?
        } else {
            purging(insert(&tx, self)).await?
        };
        commit::<C, _>(tx, models.iter().map(Change::Created).collect()).await?;
        Ok(models)
    }
}

impl<E> ExecPurging<E::Model> for DeleteMany<E>
where
    E: EntityTrait,
    E::Model: Relations,
{
    async fn exec_purging<C>(self, db: &C) -> Result<Vec<E::Model>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        let tx = db.begin().await?;
        let models = if tx.support_returning() {
            purging(self.exec_with_returning(&tx)).await?
        } else {
            let all = E::delete_many();
            let models = affected::<E, _>(&tx, self.as_query(), all.as_query()).await?;
            purging(self.exec(&tx)).await?;
            models
        };
        commit::<C, _>(tx, models.iter().map(Change::Deleted).collect()).await?;
        Ok(models)
    }
}

impl<E> ExecPurging<E::Model> for UpdateMany<E>
where
    E: EntityTrait,
    E::Model: Relations,
{
    async fn exec_purging<C>(self, db: &C) -> Result<Vec<E::Model>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        if self.as_query().get_values().is_empty() {
            // SeaORM makes no statement of it.
            return Ok(Vec::new());
        }
        let tx = db.begin().await?;
        let mut all = UpdateStatement::new();
        all.table(E::default().table_ref());
        for (column, value) in self.as_query().get_values() {
            all.value(column.clone(), (**value).clone());
        }
        let old = affected::<E, _>(&tx, self.as_query(), &all).await?;
        let new = if tx.support_returning() && tx.get_database_backend() != DbBackend::MySql {
            purging(self.exec_with_returning(&tx)).await?
        } else {
            purging(self.exec(&tx)).await?;
            let keys = old.iter().map(key_of).collect();
            by_keys::<E, _>(&tx, keys).await?
        };
        commit::<C, _>(tx, paired(&old, &new)).await?;
        Ok(new)
    }
}

/// Pairs the rows by their keys. One whose key has changed has no other half.
fn paired<'a, M: ModelTrait>(old: &'a [M], new: &'a [M]) -> Vec<Change<'a, M>> {
    let mut by_key: HashMap<String, &M> = old
        .iter()
        .map(|row| (format!("{:?}", key_of(row)), row))
        .collect();
    let mut changes = Vec::with_capacity(new.len());
    for row in new {
        let old = by_key.remove(&format!("{:?}", key_of(row)));
        changes.push(Change::Updated(old.unwrap_or(row), row));
    }
    let gone = by_key.into_values().map(|row| Change::Updated(row, row));
    changes.extend(gone);
    changes
}

/// Ends the transaction of a statement, with the purges in it or after it.
async fn commit<C, M>(tx: C::Transaction, changes: Vec<Change<'_, M>>) -> Result<(), DbErr>
where
    C: TransactionTrait,
    M: Relations,
{
    let Some(roan) = dispatcher() else {
        return tx.commit().await;
    };
    let mut targets = hooks::recorded(&roan, || {
        for change in &changes {
            match *change {
                Change::Created(new) => hooks::created(new),
                Change::Updated(old, new) => hooks::updated(old, new),
                Change::Deleted(old) => hooks::deleted(old),
            }
        }
    });
    targets.extend(related(&roan, &changes, &tx).await?);
    if is_durable(&roan) {
        write(&roan, &tx, &targets).await?;
        return tx.commit().await;
    }
    let done = tx.commit().await;
    // A commit whose answer was lost has perhaps been done.
    send::<C>(&roan, &targets);
    done
}
