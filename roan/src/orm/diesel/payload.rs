//! The statement that writes a row of the outbox. Unlike `sql_query` it is prepared once.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{HasSqlType, Text};
use diesel::{QueryResult, RunQueryDsl};

use crate::outbox::Statement;

pub(in crate::orm) struct InsertPayloads(pub(in crate::orm) Statement);

impl<DB> QueryFragment<DB> for InsertPayloads
where
    DB: Backend + HasSqlType<Text>,
    str: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let mut rest: &str = &self.0.sql;
        for (number, payload) in (1..).zip(&self.0.params) {
            // Diesel writes the placeholder by itself.
            let numbered = format!("${number}");
            let (before, after) = rest
                .split_once(&numbered)
                .or_else(|| rest.split_once('?'))
                .unwrap_or((rest, ""));
            out.push_sql(before);
            out.push_bind_param::<Text, str>(payload)?;
            rest = after;
        }
        out.push_sql(rest);
        Ok(())
    }
}

impl QueryId for InsertPayloads {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C> RunQueryDsl<C> for &InsertPayloads {}
