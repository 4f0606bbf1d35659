//! The rows that an upsert may change.

use std::collections::HashSet;
use std::mem;

use sea_orm::sea_query::{InsertStatement, Value};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic, Iterable,
    ModelTrait, PrimaryKeyToColumn, QueryFilter, Schema, Statement,
};

use super::super::related::{Change, Relations};
use super::super::rows::{
    KEYS, Lock, add_others, begin_writing, by_keys, has_key, key_of, locked, name,
};
use super::values::{Written, written};
use super::{of_related, paired};
use crate::base::history::Fired;

/// An `INSERT` that may change rows in place of making them.
pub(super) struct Upsert<E: EntityTrait> {
    /// They find the rows that have a unique key with the statement in common. Empty when its values are not known.
    same: Vec<Condition>,
    old: Vec<E::Model>,
    is_replace: bool,
    /// What shows the rows that the database may delete together with those that are replaced.
    related: Vec<Fired>,
}

impl<E> Upsert<E>
where
    E: EntityTrait,
    E::Model: Relations,
{
    /// Reads the rows that the statement may change, and locks them; `None` for one that changes no row.
    ///
    /// SeaORM does not give access to the parts of a statement, only to its text, where values are parameters.
    pub(super) async fn of<C>(db: &C, statement: &InsertStatement) -> Result<Option<Self>, DbErr>
    where
        C: ConnectionTrait,
    {
        let backend = db.get_database_backend();
        let statement = backend.build(statement);
        let is_replace = statement.sql.starts_with("REPLACE ");
        let upserts = [" DO UPDATE SET ", " ON DUPLICATE KEY UPDATE "];
        if !is_replace && !upserts.iter().any(|upsert| statement.sql.contains(upsert)) {
            return Ok(None);
        }
        let same = same::<E>(&statement);
        let old = old::<E, C>(db, &same).await?;
        let mut related = Vec::new();
        if is_replace && E::Model::FOLLOWS_RELATIONS {
            let deleted: Vec<_> = old.iter().map(Change::Deleted).collect();
            related = of_related(db, &deleted).await?;
        }
        Ok(Some(Self {
            same,
            old,
            is_replace,
            related,
        }))
    }

    /// Whether [`stored`](Self::stored) finds the rows.
    pub(super) fn finds_rows(&self) -> bool {
        !self.same.is_empty()
    }

    /// The rows after the statement, on a database that returns none.
    pub(super) async fn stored<C: ConnectionTrait>(&self, db: &C) -> Result<Vec<E::Model>, DbErr> {
        let mut rows = by_keys::<E, C>(db, self.old.iter().map(key_of).collect()).await?;
        for same in &self.same {
            add_others(&mut rows, E::find().filter(same.clone()).all(db).await?);
        }
        Ok(rows)
    }

    /// Whether a row is as it was before.
    pub(super) fn left_alone(&self, row: &E::Model) -> bool {
        let columns = || <E::Column as Iterable>::iter();
        let is_same = |old: &E::Model| columns().all(|column| old.get(column) == row.get(column));
        self.old.iter().any(is_same)
    }

    /// After the statement, which has written `new`: drops the old rows that are there still, but not written.
    pub(super) async fn drop_left_alone<C>(&mut self, db: &C, new: &[E::Model]) -> Result<(), DbErr>
    where
        C: ConnectionTrait,
    {
        let written: HashSet<String> = new.iter().map(name).collect();
        let others = self.old.iter().filter(|old| !written.contains(&name(*old)));
        let there = by_keys::<E, C>(db, others.map(key_of).collect()).await?;
        let there: HashSet<String> = there.iter().map(name).collect();
        self.old.retain(|old| !there.contains(&name(old)));
        Ok(())
    }

    /// What has become of the rows. An old one without a new one was replaced, or has another key now.
    pub(super) fn changes<'a>(&'a self, new: &'a [E::Model]) -> Vec<Change<'a, E::Model>> {
        let gone = if self.is_replace {
            Change::Deleted
        } else {
            Change::Saved
        };
        paired(&self.old, new, gone)
    }

    /// What shows the rows that the database may have deleted together with those that were replaced.
    pub(super) fn take_related(&mut self) -> Vec<Fired> {
        mem::take(&mut self.related)
    }
}

async fn old<E, C>(db: &C, same: &[Condition]) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    begin_writing::<E, C>(db).await?;
    let mut old = Vec::new();
    for same in same {
        let rows = E::find().filter(same.clone());
        if db.get_database_backend() != DbBackend::MySql {
            let rows = locked(rows, db, Lock::Update);
            add_others(&mut old, rows.clone().all(db).await?);
            // While it waited for another writer, rows may have come that it did not see.
            while db.get_database_backend() != DbBackend::Sqlite {
                if !add_others(&mut old, rows.clone().all(db).await?) {
                    break;
                }
            }
            continue;
        }
        // A lock on a row that does not exist would lock the gap, where two inserts then wait for each other.
        for row in rows.all(db).await? {
            let row = E::find().filter(has_key::<E>(&key_of(&row)));
            old.extend(locked(row, db, Lock::Update).one(db).await?);
        }
    }
    Ok(old)
}

/// Conditions for the rows that have a unique key with one of the statement's rows in common, some for each query.
fn same<E: EntityTrait>(statement: &Statement) -> Vec<Condition> {
    let Some(Written {
        columns,
        rows,
        rest,
    }) = written(statement)
    else {
        return Vec::new();
    };
    let keys = unique_keys::<E>(statement.db_backend, rest);
    let is_same = |row: &Vec<Option<Value>>, key: &Vec<E::Column>| {
        key.iter().try_fold(Condition::all(), |all, column| {
            let place = columns.iter().position(|name| *name == column.as_str())?;
            Some(all.add(column.eq(row[place].clone()?)))
        })
    };
    let all: Vec<Condition> = rows
        .iter()
        .flat_map(|row| keys.iter().filter_map(move |key| is_same(row, key)))
        .collect();
    all.chunks(KEYS)
        .map(|some| some.iter().cloned().fold(Condition::any(), Condition::add))
        .collect()
}

/// The unique keys that are known: the primary key, those that the entity declares, and the conflict target.
fn unique_keys<E: EntityTrait>(backend: DbBackend, rest: &str) -> Vec<Vec<E::Column>> {
    let named = |name: &str| <E::Column as Iterable>::iter().find(|column| column.as_str() == name);
    let mut keys = vec![
        E::PrimaryKey::iter()
            .map(PrimaryKeyToColumn::into_column)
            .collect(),
    ];
    let mut add = |key: Option<Vec<E::Column>>| {
        keys.extend(key.filter(|key| !key.is_empty()));
    };
    for column in <E::Column as Iterable>::iter().filter(|column| column.def().is_unique()) {
        add(Some(vec![column]));
    }
    for index in Schema::new(backend).create_index_from_entity(E::default()) {
        if index.is_unique_key() {
            let names = index.get_index_spec().get_column_names();
            add(names.iter().map(|name| named(name)).collect());
        }
    }
    if let Some((_, target)) = rest.split_once(" ON CONFLICT (") {
        let columns = target.split_once(')').map_or("", |(columns, _)| columns);
        let names = columns.split(", ").map(|name| name.trim_matches('"'));
        add(names.map(named).collect());
    }
    keys
}
