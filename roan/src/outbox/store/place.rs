//! Where the outbox is. A name without a schema means another table on a connection with another `search_path`, or with
//! another database of MySQL: hooks run on the program's connections, and the relay on its own.

use super::{Result, Store};
use crate::base::log::loudly;
use crate::outbox::connection::Value;
use crate::outbox::dialect::Dialect;

impl Store {
    /// The table that the relay reads, as a name that means the same on each connection.
    pub(crate) async fn find_table(&mut self) -> Result<String> {
        let table = format!("{}outbox", self.prefix);
        if table.contains('.') {
            return Ok(table);
        }
        match self.dialect {
            Dialect::Postgres => {
                let sql = "SELECT n.nspname::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname) \
                           FROM pg_class AS c \
                           JOIN pg_class AS o ON o.oid = to_regclass($1) AND o.relname = c.relname \
                           JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                           WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_temp%' \
                           ORDER BY c.oid <> to_regclass($1), 1";
                let rows = self.connection.rows(sql, &[Value::Text(&table)]).await?;
                let Some(ours) = rows.first() else {
                    return Ok(table);
                };
                let others = rows.iter().skip(1).map(|row| row.shown(1));
                let others = others.collect::<Result<Vec<_>>>()?;
                let (schema, ours) = (ours.shown(0)?, ours.shown(1)?);
                if !others.is_empty() {
                    self.warn_of_others(&ours, &schema, &others);
                }
                Ok(ours)
            }
            Dialect::MySql => {
                let rows = self.connection.rows("SELECT DATABASE()", &[]).await?;
                let database = rows.first().map(|row| row.shown(0)).transpose()?;
                let database = database.filter(|name| !name.is_empty());
                Ok(database.map_or(table.clone(), |database| {
                    format!("`{}`.{table}", database.replace('`', "``"))
                }))
            }
            // Each connection has one file, and may give other files names of its own.
            Dialect::Sqlite => Ok(table),
        }
    }

    fn warn_of_others(&self, ours: &str, schema: &str, others: &[String]) {
        loudly(format_args!(
            "the relay reads the table {ours}, and the database has others of that name: {}. Hooks write to {ours}, \
             whatever the `search_path` of their connection; an `INSERT` without a schema may reach another, which \
             nobody reads: write `INSERT INTO {ours}` there. If each is meant to be there, write \
             `.prefix(\"{schema}.{}\")` for this one",
            others.join(", "),
            self.prefix
        ));
    }
}
