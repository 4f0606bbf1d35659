//! The rows before and after a statement.

use std::collections::HashSet;

use sea_orm::sea_query::{Expr, LockType, Value};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr,
    EntityTrait, IdenStatic, Identity, Iterable, ModelTrait, PrimaryKeyToColumn, QueryFilter,
    QuerySelect, RelationDef, Select,
};

use super::write::State;

pub(super) type EntityOf<A> = <A as ActiveModelTrait>::Entity;
pub(super) type ModelOf<A> = <EntityOf<A> as EntityTrait>::Model;

/// The primary key; `None` when a part of it is not set.
pub(super) fn key<A: ActiveModelTrait>(row: &A) -> Option<Vec<Value>> {
    let keys = <EntityOf<A> as EntityTrait>::PrimaryKey::iter();
    keys.map(|key| row.get(key.into_column()).into_value())
        .collect()
}

/// The primary key of a row that was stored.
pub(super) fn key_of<M: ModelTrait>(row: &M) -> Vec<Value> {
    let keys = <M::Entity as EntityTrait>::PrimaryKey::iter();
    keys.map(|key| row.get(key.into_column())).collect()
}

pub(super) fn has_key<E: EntityTrait>(key: &[Value]) -> Condition {
    has_values(
        E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column),
        key,
    )
}

fn has_values<T: ColumnTrait>(columns: impl Iterator<Item = T>, values: &[Value]) -> Condition {
    let columns = columns.zip(values);
    columns.fold(Condition::all(), |all, (column, value)| {
        all.add(column.eq(value.clone()))
    })
}

pub(super) fn has_one_of<E: EntityTrait>(keys: &[Vec<Value>]) -> Condition {
    let keys = keys.iter().map(|key| has_key::<E>(key));
    keys.fold(Condition::any(), Condition::add)
}

/// The key as a text, which distinguishes rows.
pub(super) fn name<M: ModelTrait>(row: &M) -> String {
    format!("{:?}", key_of(row))
}

/// Adds the rows that are not among these; returns whether there were any.
pub(super) fn add_others<M: ModelTrait>(rows: &mut Vec<M>, found: Vec<M>) -> bool {
    let known: HashSet<String> = rows.iter().map(name).collect();
    let count = rows.len();
    rows.extend(found.into_iter().filter(|row| !known.contains(&name(row))));
    rows.len() > count
}

/// Makes a transaction of SQLite one that writes: if its first statement were to read, the first one
/// that writes would fail where another connection has written in between (`SQLITE_BUSY_SNAPSHOT`),
/// and no timeout helps.
pub(super) async fn begin_writing<E, C>(db: &C) -> Result<(), DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    let key = E::PrimaryKey::iter()
        .next()
        .map(PrimaryKeyToColumn::into_column);
    if let (DbBackend::Sqlite, Some(key)) = (db.get_database_backend(), key) {
        let nothing = E::update_many()
            .col_expr(key, key.into_expr())
            .filter(Expr::cust("0"));
        let done = nothing.exec(db).await;
        done.inspect_err(crate::orm::sqlite::notice)?;
    }
    Ok(())
}

/// The row as it is stored. In a transaction it is locked, as it will be by the statement: else
/// another writer could change it in between.
pub(super) async fn stored<E, C>(
    db: &C,
    key: &[Value],
    lock: Option<Lock>,
) -> Result<Option<E::Model>, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    let mut select = E::find().filter(has_key::<E>(key));
    if let Some(lock) = lock {
        begin_writing::<E, C>(db).await?;
        select = locked(select, db, lock);
    }
    select.one(db).await
}

/// What a row is locked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    Update,
    /// PostgreSQL's lock for it waits for inserts of rows that refer to this one, which are then read with it.
    Delete,
}

impl Lock {
    /// In a transaction: elsewhere a lock ends with its statement.
    pub(super) fn within<C>(self) -> Option<Self> {
        (State::of::<C>() != State::Autocommit).then_some(self)
    }
}

pub(super) fn locked<E, C>(select: Select<E>, db: &C, lock: Lock) -> Select<E>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    match db.get_database_backend() {
        // It has one writer at a time, and no such lock.
        DbBackend::Sqlite => select,
        // As an UPDATE does: a stronger lock would wait for inserts of rows that refer to this one.
        DbBackend::Postgres if lock == Lock::Update => select.lock(LockType::NoKeyUpdate),
        _ => select.lock_exclusive(),
    }
}

/// So many keys at a time: a database takes only so many parameters.
pub(super) const KEYS: usize = 500;

/// The rows with these keys.
pub(super) async fn by_keys<E, C>(db: &C, keys: Vec<Vec<Value>>) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    select_by_keys::<E, E, C>(db, keys, E::find).await
}

/// What this selects for the rows of `E` with these keys.
pub(super) async fn select_by_keys<E, R, C>(
    db: &C,
    keys: Vec<Vec<Value>>,
    select: impl Fn() -> Select<R> + Send,
) -> Result<Vec<R::Model>, DbErr>
where
    E: EntityTrait,
    R: EntityTrait,
    C: ConnectionTrait,
{
    let mut rows = Vec::with_capacity(keys.len());
    for keys in keys.chunks(KEYS) {
        let any = has_one_of::<E>(keys);
        rows.extend(select().filter(any).all(db).await?);
    }
    Ok(rows)
}

/// The rows of `R` that these rows belong to, by the columns that name them. Joined by the database, a row that has just
/// changed them would belong to one of the two only.
pub(super) async fn owners<M, R, C>(
    db: &C,
    rows: &[&M],
    belongs_to: &RelationDef,
) -> Result<Vec<R::Model>, DbErr>
where
    M: ModelTrait,
    R: EntityTrait,
    C: ConnectionTrait,
{
    let mut keys: Vec<Vec<Value>> = Vec::new();
    for row in rows {
        let key = columns::<M::Entity>(&belongs_to.from_col).map(|column| row.get(column));
        let key = key.collect();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut owners = Vec::with_capacity(keys.len());
    for keys in keys.chunks(KEYS) {
        let keys = keys.iter();
        let keys = keys.map(|key| has_values(columns::<R>(&belongs_to.to_col), key));
        let any = keys.fold(Condition::any(), Condition::add);
        owners.extend(R::find().filter(any).all(db).await?);
    }
    Ok(owners)
}

/// The columns with these names, in their order.
fn columns<E: EntityTrait>(names: &Identity) -> impl Iterator<Item = E::Column> {
    names.iter().filter_map(|name| {
        let name = name.to_string();
        E::Column::iter().find(|column| column.as_str() == name)
    })
}

/// The row with the values that are set in the other.
pub(super) fn changed<A: ActiveModelTrait>(
    mut stored: ModelOf<A>,
    row: &A,
) -> Result<ModelOf<A>, DbErr> {
    for column in <EntityOf<A> as EntityTrait>::Column::iter() {
        if let ActiveValue::Set(value) = row.get(column) {
            stored.try_set(column, value)?;
        }
    }
    Ok(stored)
}
