//! Statements for many rows, which fire no hooks of the models.

use sea_orm::sea_query::{UpdateStatement, Values};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, DeleteMany, EntityTrait,
    FromQueryResult, InsertMany, IntoActiveModel, Iterable, ModelTrait, PrimaryKeyToColumn,
    QueryFilter, QueryTrait, Statement, StatementBuilder, TransactionSession, TransactionTrait,
    UpdateMany,
};

use super::current::dispatcher;
use super::rows::{ModelOf, key_of, locked};
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
    /// For `insert_many` also where the database returns no rows (MySQL; for MariaDB enable the
    /// feature `mariadb-use-returning` of SeaORM): insert the models one by one there.
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
        let models = self.exec_with_returning(&tx).await?;
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
            by_keys::<E, _>(&tx, &old).await?
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

/// The rows with these keys.
async fn by_keys<E, C>(db: &C, rows: &[E::Model]) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    let mut any = sea_orm::Condition::any();
    for row in rows {
        let mut this = sea_orm::Condition::all();
        for (column, value) in E::PrimaryKey::iter().zip(key_of(row)) {
            this = this.add(column.into_column().eq(value));
        }
        any = any.add(this);
    }
    E::find().filter(any).all(db).await
}

/// The rows that a statement is about to change, locked as it will lock them.
///
/// SeaORM shows nobody a statement's conditions. But they are what the statement's text has more than
/// that of one for `all` rows.
async fn affected<E, C>(
    db: &C,
    statement: &impl StatementBuilder,
    all: &impl StatementBuilder,
) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    let backend = db.get_database_backend();
    let (statement, all) = (backend.build(statement), backend.build(all));
    let Some(conditions) = statement.sql.strip_prefix(&all.sql) else {
        let told = "`exec_purging` cannot read the conditions of this statement: read the rows, run it with `exec`, and call `roan::updated` for each";
        return Err(DbErr::Custom(told.to_owned()));
    };
    let before = all.values.map_or(0, |values| values.0.len());
    let values = statement.values.map_or_else(Vec::new, |values| values.0);
    let of_conditions = values.into_iter().skip(before).collect();
    let select = backend.build(&locked(E::find(), db).into_query());
    // What locks the rows comes last.
    let (select, lock) = match select.sql.split_once(" FOR UPDATE") {
        Some((select, _)) => (select.to_owned(), " FOR UPDATE"),
        None => (select.sql, ""),
    };
    let conditions = numbered_from_one(conditions, before);
    let sql = format!("{select}{conditions}{lock}");
    let select = Statement {
        sql,
        values: Some(Values(of_conditions)),
        db_backend: backend,
    };
    let rows = db.query_all_raw(select).await?;
    rows.iter()
        .map(|row| E::Model::from_query_result(row, ""))
        .collect()
}

/// PostgreSQL's `$3`, `$4` as `$1`, `$2`, where two came before. They stand in this order, each once.
fn numbered_from_one(conditions: &str, before: usize) -> String {
    let mut rest = conditions;
    let mut text = String::with_capacity(rest.len());
    for number in 1.. {
        let Some((head, tail)) = rest.split_once(&format!("${}", before + number)) else {
            break;
        };
        text.push_str(head);
        text.push_str(&format!("${number}"));
        rest = tail;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_from_one() {
        let conditions = r#" WHERE "a" = $3 AND ("b" = $4 OR "c" IN ($5, $6))"#;
        assert_eq!(
            numbered_from_one(conditions, 2),
            r#" WHERE "a" = $1 AND ("b" = $2 OR "c" IN ($3, $4))"#
        );
        let many: String = (10..=21).map(|number| format!(" ${number}")).collect();
        let from_one: String = (1..=12).map(|number| format!(" ${number}")).collect();
        assert_eq!(numbered_from_one(&many, 9), from_one);
        assert_eq!(numbered_from_one(" WHERE x = ?", 3), " WHERE x = ?");
    }
}
