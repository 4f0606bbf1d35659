//! Statements for many rows, which fire no hooks of the models.

mod affected;
mod inserted;

use sea_orm::sea_query::UpdateStatement;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, DbErr, DeleteMany, EntityTrait, InsertMany,
    IntoActiveModel, ModelTrait, QueryTrait, TransactionSession, TransactionTrait, UpdateMany,
};

use self::affected::affected;
use self::inserted::insert;
use super::current::dispatcher;
use super::rows::{ModelOf, by_keys, key_of};
use super::write::write;
use crate::hook;
use crate::model::Model;

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
    ModelOf<A>: Model + IntoActiveModel<A> + Send + Sync,
{
    async fn exec_purging<C>(self, db: &C) -> Result<Vec<ModelOf<A>>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        let tx = db.begin().await?;
        let models = if tx.support_returning() {
            self.exec_with_returning(&tx).await?
        } else {
            insert(&tx, self).await?
        };
        purge(&tx, || models.iter().for_each(hook::created)).await?;
        tx.commit().await?;
        Ok(models)
    }
}

impl<E> ExecPurging<E::Model> for DeleteMany<E>
where
    E: EntityTrait,
    E::Model: Model + Send + Sync,
{
    async fn exec_purging<C>(self, db: &C) -> Result<Vec<E::Model>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        let tx = db.begin().await?;
        let models = if tx.support_returning() {
            self.exec_with_returning(&tx).await?
        } else {
            let all = E::delete_many();
            let models = affected::<E, _>(&tx, self.as_query(), all.as_query()).await?;
            self.exec(&tx).await?;
            models
        };
        purge(&tx, || models.iter().for_each(hook::deleted)).await?;
        tx.commit().await?;
        Ok(models)
    }
}

impl<E> ExecPurging<E::Model> for UpdateMany<E>
where
    E: EntityTrait,
    E::Model: Model + Send + Sync,
{
    async fn exec_purging<C>(self, db: &C) -> Result<Vec<E::Model>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        let tx = db.begin().await?;
        let mut all = UpdateStatement::new();
        all.table(E::default().table_ref());
        for (column, value) in self.as_query().get_values() {
            all.value(column.clone(), (**value).clone());
        }
        let old = affected::<E, _>(&tx, self.as_query(), &all).await?;
        let new = if old.is_empty() {
            // Also when another writer has just made a row that fits.
            self.exec(&tx).await?;
            Vec::new()
        } else if tx.support_returning() && tx.get_database_backend() != DbBackend::MySql {
            self.exec_with_returning(&tx).await?
        } else {
            self.exec(&tx).await?;
            let keys = old.iter().map(key_of).collect();
            by_keys::<E, _>(&tx, keys).await?
        };
        purge(&tx, || updated(&old, &new)).await?;
        tx.commit().await?;
        Ok(new)
    }
}

/// Pairs the rows by their keys. One whose key has changed has no other half.
fn updated<M: ModelTrait + Model>(old: &[M], new: &[M]) {
    let mut by_key: std::collections::HashMap<String, &M> = old
        .iter()
        .map(|row| (format!("{:?}", key_of(row)), row))
        .collect();
    for row in new {
        let old = by_key.remove(&format!("{:?}", key_of(row)));
        hook::updated(old.unwrap_or(row), row);
    }
    for row in by_key.values() {
        hook::updated(*row, *row);
    }
}

async fn purge<C: ConnectionTrait>(db: &C, hooks: impl FnOnce()) -> Result<(), DbErr> {
    let Some(roan) = dispatcher() else {
        return Ok(());
    };
    let targets = hook::recorded(&roan, hooks);
    write(&roan, db, &targets).await
}
