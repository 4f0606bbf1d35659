//! Triggers of the database, for writers that never heard of Roan: psql, another service, a nightly
//! `UPDATE` over a million rows.
//!
//! They are made from the rules of the binary. A trigger writes the columns that the rules name to the
//! outbox, in the transaction of the write; the relay makes the URLs of them. See the chapter of the
//! README.

mod drift;
mod install;
mod mysql;
mod plan;
mod postgres;
mod script;
mod sqlite;

pub use crate::outbox::{TriggerError, Triggers};

pub(crate) use self::drift::check;
use self::plan::Plan;
use self::script::Script;
use crate::outbox::Dialect;

/// The SQL that makes the triggers for all tables of this program, for an outbox whose tables begin
/// with `roan_`. It can be run again. Other wishes: [`Triggers::sql`].
///
/// # Errors
///
/// When a rule cannot be said in SQL, which lists all such rules; when a table or column has an
/// unusual name; when there are no tables.
///
/// ```
/// use roan::outbox::Dialect;
/// use roan::purge_on;
///
/// #[purge_on(save, delete, url = "/posts/{slug}", table = "posts")]
/// struct Post { slug: String }
///
/// let sql = roan::triggers::sql(Dialect::Postgres)?;
/// assert!(sql.contains(r#"CREATE OR REPLACE TRIGGER "roan_posts_insert" AFTER INSERT ON "posts""#));
/// # Ok::<(), roan::triggers::TriggerError>(())
/// ```
pub fn sql(dialect: Dialect) -> Result<String, TriggerError> {
    Triggers::new().sql(dialect)
}

impl Triggers {
    /// The SQL that makes the triggers, for your own migration tool. It can be run again.
    ///
    /// # Errors
    ///
    /// As [`sql`].
    pub fn sql(&self, dialect: Dialect) -> Result<String, TriggerError> {
        let mut statements = Vec::new();
        for script in self.scripts(dialect)? {
            statements.push(script.guard);
            for trigger in script.triggers {
                statements.extend(trigger.install);
            }
        }
        Ok(joined(&statements))
    }

    /// The SQL that takes the triggers away again.
    ///
    /// # Errors
    ///
    /// As [`sql`].
    pub fn drop_sql(&self, dialect: Dialect) -> Result<String, TriggerError> {
        let scripts = self.scripts(dialect)?;
        let triggers = scripts.into_iter().flat_map(|script| script.triggers);
        let statements: Vec<_> = triggers.flat_map(|trigger| trigger.drop).collect();
        Ok(joined(&statements))
    }

    fn scripts(&self, dialect: Dialect) -> Result<Vec<Script>, TriggerError> {
        let plans = Plan::all(self)?;
        let script = |plan: &Plan| match dialect {
            Dialect::Postgres => postgres::script(plan, &self.prefix),
            Dialect::MySql => mysql::script(plan, &self.prefix),
            Dialect::Sqlite => sqlite::script(plan, &self.prefix),
        };
        Ok(plans.iter().map(script).collect())
    }
}

fn joined(statements: &[String]) -> String {
    let mut sql = statements.join(";\n\n");
    sql.push_str(";\n");
    sql
}
