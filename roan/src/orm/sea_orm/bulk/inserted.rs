//! `insert_many` on a database that returns no rows: MySQL, and MariaDB as SeaORM uses it.

use sea_orm::sea_query::Value;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IdenStatic, InsertMany, Iterable,
    PrimaryKeyToColumn, QueryTrait, Statement,
};

use super::super::rows::{EntityOf, ModelOf, by_keys};
use super::values::{Written, written};

pub(super) const UNKNOWN_KEYS: &str =
    "`exec_and_purge` cannot know the keys of these rows: insert them one by one with `insert`";

/// Inserts the rows and reads them back by their keys.
pub(super) async fn insert<A, C>(db: &C, statement: InsertMany<A>) -> Result<Vec<ModelOf<A>>, DbErr>
where
    A: ActiveModelTrait,
    C: ConnectionTrait,
{
    let columns: Vec<String> = <EntityOf<A> as EntityTrait>::PrimaryKey::iter()
        .map(|key| key.into_column().as_str().to_owned())
        .collect();
    let written = db.get_database_backend().build(statement.as_query());
    let count = statement.exec_without_returning(db).await?;
    let keys = match keys_in(&written, &columns) {
        Keys::Written(keys) => keys,
        Keys::Generated => generated(db, count).await?,
        Keys::Unknown => {
            return Err(DbErr::Custom(UNKNOWN_KEYS.to_owned()));
        }
    };
    by_keys::<EntityOf<A>, C>(db, keys).await
}

#[derive(Debug, PartialEq)]
enum Keys {
    Written(Vec<Vec<Value>>),
    Generated,
    Unknown,
}

/// What the statement says of the key.
fn keys_in(statement: &Statement, key: &[String]) -> Keys {
    let Some(Written {
        columns,
        rows,
        rest: "",
    }) = written(statement)
    else {
        return Keys::Unknown;
    };
    let places: Vec<usize> = key
        .iter()
        .filter_map(|key| columns.iter().position(|column| column == key))
        .collect();
    if places.is_empty() && key.len() == 1 {
        return Keys::Generated;
    }
    if places.len() < key.len() {
        return Keys::Unknown;
    }
    let rows = rows.iter();
    let keys = rows.map(|row| places.iter().map(|place| row[*place].clone()).collect());
    let keys: Option<Vec<Vec<Value>>> = keys.collect();
    keys.map_or(Keys::Unknown, Keys::Written)
}

/// One statement takes keys in a row, of which the database returns the first (MySQL manual, "`AUTO_INCREMENT`
/// Handling in `InnoDB`").
async fn generated<C: ConnectionTrait>(db: &C, count: u64) -> Result<Vec<Vec<Value>>, DbErr> {
    let sql = "SELECT CAST(LAST_INSERT_ID() AS SIGNED), CAST(@@auto_increment_increment AS SIGNED)";
    let asked = Statement::from_string(db.get_database_backend(), sql);
    let Some(row) = db.query_one_raw(asked).await? else {
        return Ok(Vec::new());
    };
    let (first, step): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let keys = (0..count).map(|number| vec![Value::from(first + number * step)]);
    Ok(keys.collect())
}

#[cfg(test)]
mod tests {
    use sea_orm::DbBackend;

    use super::*;

    fn keys(sql: &str, values: &[i64], key: &[&str]) -> Keys {
        let values = values.iter().copied().map(Value::from);
        let statement = Statement::from_sql_and_values(DbBackend::MySql, sql, values);
        let key: Vec<_> = key.iter().map(|key| (*key).to_owned()).collect();
        keys_in(&statement, &key)
    }

    #[test]
    fn keys_are_told_where_they_are_written() {
        let one = |number: i64| vec![Value::from(number)];
        let sql = "INSERT INTO `posts` (`slug`, `id`) VALUES (?, ?), (?, ?)";
        let written = Keys::Written(vec![one(2), one(4)]);
        assert_eq!(keys(sql, &[1, 2, 3, 4], &["id"]), written);
        let both = Keys::Written(vec![vec![Value::from(2_i64), Value::from(1_i64)]]);
        let sql = "INSERT INTO `t` (`a`, `b`) VALUES (?, ?)";
        assert_eq!(keys(sql, &[1, 2], &["b", "a"]), both);
        let sql = "INSERT INTO `posts` (`slug`) VALUES (?), (?)";
        assert_eq!(keys(sql, &[1, 2], &["id"]), Keys::Generated);
        assert_eq!(keys(sql, &[1, 2], &["a", "b"]), Keys::Unknown);
        let sql = "INSERT INTO `posts` (`slug`) VALUES (?) ON DUPLICATE KEY UPDATE `slug` = ?";
        assert_eq!(keys(sql, &[1, 2], &["id"]), Keys::Unknown);
        let sql = "INSERT INTO `posts` (`id`) VALUES (DEFAULT), (?)";
        assert_eq!(keys(sql, &[1], &["id"]), Keys::Unknown);
    }
}
