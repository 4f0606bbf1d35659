//! Statements of an entity, which fire no hooks of the models.

mod affected;
mod inserted;
mod upsert;
mod values;

use std::collections::HashMap;
use std::slice;

use sea_orm::sea_query::UpdateStatement;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, DbErr, DeleteMany, DeleteOne, EntityTrait,
    Insert, InsertMany, IntoActiveModel, ModelTrait, QueryFilter, QueryTrait,
    SqliteTransactionMode, TransactionOptions, TransactionSession, TransactionTrait, TryInsert,
    TryInsertResult, UpdateMany, UpdateOne, ValidatedDeleteOne, ValidatedUpdateOne,
};

use self::affected::{affected, check_read, keys_after, only, sets_key};
use self::inserted::{UNKNOWN_KEYS, insert};
use self::upsert::Upsert;
use super::current::dispatcher;
use super::related::{Change, Relations, related};
use super::rows::{EntityOf, Lock, ModelOf, by_keys, key_of, name};
#[cfg(feature = "_sql")]
use super::write::{State, write_own};
use super::write::{is_durable, send, write};
use crate::base::history::Fired;
use crate::hooks;

/// Runs a statement of an entity, and purges what shows its rows: `exec_and_purge` in place of `exec`,
/// on every statement that SeaORM has.
///
/// It opens a transaction, or inside of one a savepoint, for the statement, the reading of the rows
/// and the row of the outbox. The hooks of an `ActiveModelBehavior` do not run, as with `exec`.
///
/// An update first reads and locks its rows. If there are at most 500, it writes only these: another transaction may have
/// made more rows match meanwhile. For a larger update it reads again until it finds no new row. A row that the update has
/// written all the same, unread, is reported. A delete whose rules follow relations does the same.
///
/// Before an upsert (`on_conflict`) it reads the rows with the same primary key, conflict target, or key that the entity
/// declares (`#[sea_orm(unique)]`, `unique_key`). A row that was there fires the rules for `update`, with its old pages.
/// Another writer may have inserted any other row in the meantime, so it fires those for `create` and for `update`, whatever
/// fields they watch. MySQL's upserts do not name their target: declare its columns unique in the entity, or the old pages
/// of such a row stay. The same holds for a target that is an expression or a constraint's name, for a key that the
/// database computes, and for an `INSERT ... SELECT`.
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
/// use roan::orm::sea_orm::PurgeExt;
///
/// # async fn rename(db: &DatabaseConnection) -> Result<(), DbErr> {
/// let changed = post::Entity::update_many()
///     .col_expr(post::Column::Title, Expr::value("new"))
///     .filter(post::Column::Title.eq("old"))
///     .exec_and_purge(db)
///     .await?;
/// println!("{} posts", changed.len());
/// post::Entity::delete_by_id(7).exec_and_purge(db).await?;
/// # Ok(())
/// # }
/// ```
pub trait PurgeExt: sealed::Sealed + Sized {
    /// The row, or the rows: those that were inserted or deleted, and of an update the new ones.
    type Rows;

    /// Runs the statement, and purges.
    ///
    /// # Errors
    ///
    /// When the database refuses the statement, or the row of the outbox; nothing is written then.
    /// On MySQL, which returns no rows, also when the keys of new rows cannot be known: for an update, because a key is
    /// made of a column that is set before it.
    fn exec_and_purge<C>(self, db: &C) -> impl Future<Output = Result<Self::Rows, DbErr>> + Send
    where
        C: TransactionTrait + Send;
}

mod sealed {
    use super::*;

    pub trait Sealed {}
    impl<A: ActiveModelTrait> Sealed for Insert<A> {}
    impl<A: ActiveModelTrait> Sealed for InsertMany<A> {}
    impl<A: ActiveModelTrait> Sealed for TryInsert<A> {}
    impl<A: ActiveModelTrait> Sealed for UpdateOne<A> {}
    impl<A: ActiveModelTrait> Sealed for ValidatedUpdateOne<A> {}
    impl<E: EntityTrait> Sealed for UpdateMany<E> {}
    impl<E: EntityTrait> Sealed for DeleteOne<E> {}
    impl<E: EntityTrait> Sealed for ValidatedDeleteOne<E> {}
    impl<E: EntityTrait> Sealed for DeleteMany<E> {}
}

impl<A> PurgeExt for Insert<A>
where
    A: ActiveModelTrait + Send,
    ModelOf<A>: Relations + IntoActiveModel<A>,
{
    type Rows = ModelOf<A>;

    async fn exec_and_purge<C>(self, db: &C) -> Result<ModelOf<A>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        let tx = begin(db).await?;
        let upsert = Upsert::<EntityOf<A>>::of(&tx, self.as_query()).await?;
        let model = match &upsert {
            Some(upsert) if !tx.support_returning() && upsert.finds_rows() => {
                self.exec_without_returning(&tx).await?;
                let stored = upsert.stored(&tx).await?.into_iter().next();
                stored.ok_or(DbErr::RecordNotInserted)?
            }
            _ => self.exec_with_returning(&tx).await?,
        };
        commit_inserted::<C, _>(tx, upsert, slice::from_ref(&model)).await?;
        Ok(model)
    }
}

impl<A> PurgeExt for InsertMany<A>
where
    A: ActiveModelTrait + Send,
    ModelOf<A>: Relations + IntoActiveModel<A>,
{
    type Rows = Vec<ModelOf<A>>;

    async fn exec_and_purge<C>(self, db: &C) -> Result<Vec<ModelOf<A>>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        let tx = begin(db).await?;
        let upsert = Upsert::<EntityOf<A>>::of(&tx, self.as_query()).await?;
        let models = match &upsert {
            _ if tx.support_returning() => self.exec_with_returning(&tx).await?,
            Some(upsert) if upsert.finds_rows() => {
                self.exec_without_returning(&tx).await?;
                upsert.stored(&tx).await?
            }
            _ => insert(&tx, self).await?,
        };
        commit_inserted::<C, _>(tx, upsert, &models).await?;
        Ok(models)
    }
}

impl<A> PurgeExt for TryInsert<A>
where
    A: ActiveModelTrait + Send,
    ModelOf<A>: Relations + IntoActiveModel<A>,
{
    /// Those that were written.
    type Rows = Vec<ModelOf<A>>;

    async fn exec_and_purge<C>(self, db: &C) -> Result<Vec<ModelOf<A>>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        let tx = begin(db).await?;
        // On MySQL, SeaORM writes `DO NOTHING` as an upsert that changes nothing.
        let upsert = Upsert::<EntityOf<A>>::of(&tx, self.as_query()).await?;
        let models = match &upsert {
            _ if tx.support_returning() => match self.exec_with_returning_many(&tx).await? {
                TryInsertResult::Inserted(models) => models,
                TryInsertResult::Empty | TryInsertResult::Conflicted => Vec::new(),
            },
            Some(upsert) if upsert.finds_rows() => {
                self.exec_without_returning(&tx).await?;
                let mut stored = upsert.stored(&tx).await?;
                stored.retain(|row| !upsert.left_alone(row));
                stored
            }
            _ => return Err(DbErr::Custom(UNKNOWN_KEYS.to_owned())),
        };
        commit_inserted::<C, _>(tx, upsert, &models).await?;
        Ok(models)
    }
}

impl<A> PurgeExt for UpdateOne<A>
where
    A: ActiveModelTrait + Send,
    ModelOf<A>: Relations + IntoActiveModel<A>,
{
    type Rows = ModelOf<A>;

    async fn exec_and_purge<C>(self, db: &C) -> Result<ModelOf<A>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        self.validate()?.exec_and_purge(db).await
    }
}

impl<A> PurgeExt for ValidatedUpdateOne<A>
where
    A: ActiveModelTrait + Send,
    ModelOf<A>: Relations + IntoActiveModel<A>,
{
    type Rows = ModelOf<A>;

    async fn exec_and_purge<C>(mut self, db: &C) -> Result<ModelOf<A>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        let tx = begin(db).await?;
        let old = to_update::<EntityOf<A>, _>(&tx, self.as_query()).await?;
        let is_written = !self.as_query().get_values().is_empty();
        let only = only::<EntityOf<A>>(tx.get_database_backend(), &old);
        if let Some(only) = only.filter(|_| is_written) {
            self = self.filter(only);
        }
        let new = self.exec(&tx).await?;
        let new = slice::from_ref(&new);
        let changes = if old.is_empty() {
            Vec::new()
        } else {
            paired(&old, new, Change::Saved)
        };
        commit::<C, _>(tx, changes).await?;
        Ok(new[0].clone())
    }
}

impl<E> PurgeExt for UpdateMany<E>
where
    E: EntityTrait,
    E::Model: Relations,
{
    type Rows = Vec<E::Model>;

    async fn exec_and_purge<C>(mut self, db: &C) -> Result<Vec<E::Model>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        if self.as_query().get_values().is_empty() {
            // SeaORM makes no statement of it.
            return Ok(Vec::new());
        }
        let tx = begin(db).await?;
        let old = to_update::<E, _>(&tx, self.as_query()).await?;
        let sets_key = sets_key::<E>(self.as_query());
        let only = only::<E>(tx.get_database_backend(), &old);
        let has_known_keys = only.is_some() && !sets_key;
        if let Some(only) = only {
            self = self.filter(only);
        }
        let new = if tx.support_returning() && tx.get_database_backend() != DbBackend::MySql {
            self.exec_with_returning(&tx).await?
        } else {
            let keys = if has_known_keys {
                old.iter().map(key_of).collect()
            } else {
                let statement = self.as_query();
                keys_after::<E, _>(&tx, statement, &of_all::<E>(statement)).await?
            };
            self.exec(&tx).await?;
            by_keys::<E, _>(&tx, keys).await?
        };
        if !sets_key {
            check_read(&old, &new);
        }
        commit::<C, _>(tx, paired(&old, &new, Change::Saved)).await?;
        Ok(new)
    }
}

impl<E> PurgeExt for DeleteOne<E>
where
    E: EntityTrait,
    E::Model: Relations,
{
    type Rows = Option<E::Model>;

    async fn exec_and_purge<C>(self, db: &C) -> Result<Option<E::Model>, DbErr>
    where
        C: TransactionTrait + Send,
    {
        self.validate()?.exec_and_purge(db).await
    }
}

/// The deletes return the rows, or read them first.
macro_rules! delete {
    ($statement:ident, $rows:ty, $from:expr) => {
        impl<E> PurgeExt for $statement<E>
        where
            E: EntityTrait,
            E::Model: Relations,
        {
            type Rows = $rows;

            async fn exec_and_purge<C>(mut self, db: &C) -> Result<$rows, DbErr>
            where
                C: TransactionTrait + Send,
            {
                let tx = begin(db).await?;
                let (returns, follows) = (tx.support_returning(), E::Model::FOLLOWS_RELATIONS);
                let mut rows = Vec::new();
                if follows || !returns {
                    let all = E::delete_many();
                    let (statement, all) = (self.as_query(), all.as_query());
                    rows = affected::<E, _>(&tx, statement, all, Lock::Delete).await?;
                    if let Some(only) = only::<E>(tx.get_database_backend(), &rows) {
                        self = self.filter(only);
                    }
                }
                // The database may delete those rows, too.
                let related = if follows {
                    of_related(&tx, &rows.iter().map(Change::Deleted).collect::<Vec<_>>()).await?
                } else {
                    Vec::new()
                };
                let models = if returns {
                    let models = self.exec_with_returning(&tx).await?;
                    if follows {
                        check_read(&rows, models.as_slice());
                    }
                    models
                } else {
                    self.exec(&tx).await?;
                    $from(rows)
                };
                let changes = models.iter().map(Change::Deleted).collect();
                commit_with::<C, _>(tx, changes, related).await?;
                Ok(models)
            }
        }
    };
}

delete!(DeleteMany, Vec<E::Model>, |rows| rows);
delete!(ValidatedDeleteOne, Option<E::Model>, |rows: Vec<_>| rows
    .into_iter()
    .next());

/// A transaction that writes: one of SQLite that began by reading could not write after another
/// connection has.
async fn begin<C: TransactionTrait>(db: &C) -> Result<C::Transaction, DbErr> {
    db.begin_with_options(TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    })
    .await
}

/// The rows that an update is about to change.
async fn to_update<E, C>(tx: &C, statement: &UpdateStatement) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    if statement.get_values().is_empty() {
        return Ok(Vec::new());
    }
    affected::<E, _>(tx, statement, &of_all::<E>(statement), Lock::Update).await
}

/// The update without its conditions.
fn of_all<E: EntityTrait>(statement: &UpdateStatement) -> UpdateStatement {
    let mut all = UpdateStatement::new();
    all.table(E::default().table_ref());
    for (column, value) in statement.get_values() {
        all.value(column.clone(), (**value).clone());
    }
    all
}

/// Pairs the rows by their keys. Any field of a new row without an old one may have changed: its key has, or another writer
/// has made the row in between. `gone` is for the old rows without a new one.
fn paired<'a, M: ModelTrait>(
    old: &'a [M],
    new: &'a [M],
    gone: fn(&'a M) -> Change<'a, M>,
) -> Vec<Change<'a, M>> {
    let mut by_key: HashMap<String, &M> = old.iter().map(|row| (name(row), row)).collect();
    let mut changes = Vec::with_capacity(new.len());
    for row in new {
        changes.push(match by_key.remove(&name(row)) {
            Some(old) => Change::Updated(old, row),
            None => Change::Saved(row),
        });
    }
    changes.extend(by_key.into_values().map(gone));
    changes
}

async fn of_related<C, M>(tx: &C, changes: &[Change<'_, M>]) -> Result<Vec<Fired>, DbErr>
where
    C: ConnectionTrait,
    M: Relations,
{
    match dispatcher() {
        Some(roan) => related(&roan, changes, tx).await,
        None => Ok(Vec::new()),
    }
}

/// Ends the transaction of an insert, which has written these rows.
async fn commit_inserted<C, E>(
    tx: C::Transaction,
    upsert: Option<Upsert<E>>,
    new: &[E::Model],
) -> Result<(), DbErr>
where
    C: TransactionTrait,
    E: EntityTrait,
    E::Model: Relations,
{
    let Some(mut upsert) = upsert else {
        return commit::<C, _>(tx, new.iter().map(Change::Created).collect()).await;
    };
    upsert.drop_left_alone(&tx, new).await?;
    let related = upsert.take_related();
    commit_with::<C, _>(tx, upsert.changes(new), related).await
}

async fn commit<C, M>(tx: C::Transaction, changes: Vec<Change<'_, M>>) -> Result<(), DbErr>
where
    C: TransactionTrait,
    M: Relations,
{
    commit_with::<C, M>(tx, changes, Vec::new()).await
}

/// Ends the transaction of a statement, with the purges in it or after it.
async fn commit_with<C, M>(
    tx: C::Transaction,
    changes: Vec<Change<'_, M>>,
    mut targets: Vec<Fired>,
) -> Result<(), DbErr>
where
    C: TransactionTrait,
    M: Relations,
{
    let Some(roan) = dispatcher() else {
        return tx.commit().await;
    };
    targets.extend(hooks::recorded(&roan, || {
        for change in &changes {
            match *change {
                Change::Created(new) => hooks::created(new),
                Change::Saved(new) => hooks::saved(new),
                Change::Updated(old, new) => hooks::updated(old, new),
                Change::Deleted(old) => hooks::deleted(old),
            }
        }
    }));
    targets.extend(related(&roan, &changes, &tx).await?);
    #[cfg(feature = "_sql")]
    if is_durable(&roan) && State::of::<C>() == State::Autocommit {
        let later = write_own(&roan, &tx, &targets).await?;
        let done = tx.commit().await;
        drop(later);
        return done;
    }
    if is_durable(&roan) {
        write(&roan, &tx, &targets).await?;
        return tx.commit().await;
    }
    let done = tx.commit().await;
    // A commit whose answer was lost may have been done.
    send::<C>(&roan, &targets);
    done
}
