//! Which rows a statement is about to change.

use sea_orm::sea_query::Values;
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryTrait, Statement, StatementBuilder,
};

use super::super::rows::{begin_writing, locked};

/// The rows that a statement is about to change, locked as it will lock them.
///
/// SeaORM shows nobody a statement's conditions. But they are what the statement's text has more than
/// that of one for `all` rows.
pub(super) async fn affected<E, C>(
    db: &C,
    statement: &impl StatementBuilder,
    all: &impl StatementBuilder,
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
    let of_conditions = values.into_iter().skip(before).collect();
    let select = backend.build(&locked(E::find(), db).into_query());
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
