//! Which rows a statement is about to change.

use std::any::type_name;
use std::collections::HashSet;

use sea_orm::sea_query::{Expr, Query, UpdateStatement, Value, Values};
use sea_orm::{
    Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, IdenStatic,
    Iterable, ModelTrait, PrimaryKeyToColumn, QuerySelect, QueryTrait, Select, Statement,
    StatementBuilder,
};

use super::super::rows::{KEYS, Lock, add_others, begin_writing, has_one_of, key_of, locked, name};
use crate::orm::unread::unread;

/// The rows that a statement is about to change, locked as it will lock them.
///
/// SeaORM shows nobody a statement's conditions. But they are what the statement's text has more than
/// that of one for `all` rows.
pub(super) async fn affected<E, C>(
    db: &C,
    statement: &impl StatementBuilder,
    all: &impl StatementBuilder,
    lock: Lock,
) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    let mut rows = select_affected(db, E::find(), statement, all, lock).await?;
    if only::<E>(db.get_database_backend(), &rows).is_some() {
        return Ok(rows);
    }
    // While it waited for another writer, rows may have come that it did not see.
    while db.get_database_backend() != DbBackend::Sqlite {
        let found = select_affected(db, E::find(), statement, all, lock).await?;
        if !add_others(&mut rows, found) {
            break;
        }
    }
    Ok(rows)
}

/// What restricts the statement to these rows: others may match its conditions since they were read. `None` for too many
/// rows, and on SQLite, which has one writer at a time.
pub(super) fn only<E: EntityTrait>(backend: DbBackend, rows: &[E::Model]) -> Option<Condition> {
    if backend == DbBackend::Sqlite || rows.len() > KEYS {
        return None;
    }
    if rows.is_empty() {
        return Some(Condition::all().add(Expr::cust("1 = 0")));
    }
    let keys: Vec<_> = rows.iter().map(key_of).collect();
    Some(has_one_of::<E>(&keys))
}

/// Whether the statement sets a part of the key.
pub(super) fn sets_key<E: EntityTrait>(statement: &UpdateStatement) -> bool {
    let values = statement.get_values();
    let mut keys = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
    keys.any(|key| values.iter().any(|(name, _)| name.inner() == key.as_str()))
}

/// Says so the first time for a model that the statement has written a row which was not read before it.
pub(super) fn check_read<M: ModelTrait>(read: &[M], written: &[M]) {
    let read: HashSet<String> = read.iter().map(name).collect();
    if written.iter().any(|row| !read.contains(&name(row))) {
        unread(type_name::<M>());
    }
}

/// The keys that those rows will have. The database returns no rows, so it is asked beforehand what the statement
/// makes of them.
pub(super) async fn keys_after<E, C>(
    db: &C,
    statement: &UpdateStatement,
    all: &UpdateStatement,
) -> Result<Vec<Vec<Value>>, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    let mut select = E::find().select_only();
    for column in E::Column::iter() {
        let is_key = E::PrimaryKey::iter().any(|key| key.into_column().as_str() == column.as_str());
        let values = statement.get_values();
        let at = values
            .iter()
            .position(|(name, _)| name.inner() == column.as_str());
        select = match at.filter(|_| is_key) {
            Some(at) => {
                let value = (*values[at].1).clone();
                let sql = db
                    .get_database_backend()
                    .build(Query::select().expr(value.clone()))
                    .sql;
                // MySQL assigns from left to right: the value would be made from new ones.
                if values[..at]
                    .iter()
                    .any(|(name, _)| sql.contains(&*name.inner()))
                {
                    let name = column.as_str();
                    let told = format!(
                        "`exec_and_purge` cannot know the new keys: set `{name}`, which is a part of the key, before the columns that its value is made of"
                    );
                    return Err(DbErr::Custom(told));
                }
                select.expr_as(value, column.as_str())
            }
            None => select.column(column),
        };
    }
    let rows = select_affected::<E, C>(db, select, statement, all, Lock::Update).await?;
    Ok(rows.iter().map(key_of).collect())
}

async fn select_affected<E, C>(
    db: &C,
    select: Select<E>,
    statement: &impl StatementBuilder,
    all: &impl StatementBuilder,
    lock: Lock,
) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait,
    C: ConnectionTrait,
{
    begin_writing::<E, C>(db).await?;
    let backend = db.get_database_backend();
    let (statement, all) = (backend.build(statement), backend.build(all));
    let Some(conditions) = statement.sql.strip_prefix(&all.sql) else {
        let told = "`exec_and_purge` cannot read the conditions of this statement: read the rows, run it with `exec`, and call `roan::updated` for each";
        return Err(DbErr::Custom(told.to_owned()));
    };
    let before = all.values.map_or(0, |values| values.0.len());
    let values = statement.values.map_or_else(Vec::new, |values| values.0);
    let select = backend.build(&locked(select, db, lock).into_query());
    let mut of_select = select.values.map_or_else(Vec::new, |values| values.0);
    of_select.extend(values.into_iter().skip(before));
    // What locks the rows comes last.
    let locks = [" FOR UPDATE", " FOR NO KEY UPDATE"];
    let mut locked = locks.iter().filter_map(|lock| {
        let select = select.sql.strip_suffix(lock)?;
        Some((select.to_owned(), *lock))
    });
    let (select, lock) = locked.next().unwrap_or((select.sql.clone(), ""));
    let conditions = numbered_from_one(conditions, before);
    let sql = format!("{select}{conditions}{lock}");
    let select = Statement {
        sql,
        values: Some(Values(of_select)),
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
