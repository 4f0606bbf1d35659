//! Triggers of the database, for writers that never heard of Roan: psql, another service, a nightly
//! `UPDATE` over a million rows.
//!
//! They are made from the rules of the binary. A trigger writes the columns that the rules name to the
//! outbox, in the transaction of the write, and the relay makes the URLs of them, by the code that
//! makes those of a hook. So a template may change without new triggers, as long as it names no new
//! column.
//!
//! ```no_run
//! use roan::outbox::Outbox;
//! use roan::triggers::Triggers;
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let outbox = Outbox::at("postgres://app@localhost/blog")?.triggers(Triggers::new());
//! outbox.migrate().await?;
//! outbox.install_triggers().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What they do not see
//!
//! | | PostgreSQL | MySQL, MariaDB | SQLite |
//! |---|---|---|---|
//! | many rows in one statement | one call, a row of the outbox for each 500 | a call and a row each | a call and a row each |
//! | rows that go or change with others, by foreign keys | seen | told by triggers on the parent, which `install_triggers` makes | seen |
//! | `TRUNCATE` | purges the targets of `delete` without columns | **not seen** | there is none |
//! | `REPLACE` | there is none | seen | the row of the same key is seen; one that goes for another unique column, or by `UPDATE OR REPLACE`, only with `PRAGMA recursive_triggers = ON` |
//! | writes to a partition by its own name | **not seen** | seen | there are none |
//! | `session_replication_role = replica`, logical replication | **not seen** | depends on the format of the log | |
//!
//! The keys are those of the time when the triggers were made, and the check at the start tells of new
//! ones. `triggers::sql` sees no database and cannot know of them; nor does a table that refers to itself
//! tell of more than the rows next to the deleted one.
//!
//! A column that a trigger names must not be dropped or renamed before the triggers are made anew, or
//! writes of its table fail. On SQLite every program that writes needs the JSON functions, which are
//! part of it since 3.38.

pub(crate) mod apply;
mod cascade;
mod drift;
mod install;
mod mysql;
mod plan;
mod postgres;
mod script;
mod sqlite;

pub use crate::outbox::trigger_settings::{TriggerError, Triggers};

pub(crate) use self::drift::check;
use self::plan::Plan;
use self::script::Script;
use crate::outbox::{Dialect, PREFIX, is_prefix};

/// The SQL that makes the triggers for all tables of this program, for an outbox whose tables begin
/// with `roan_`. It can be run again. Other wishes: [`Triggers::sql`].
///
/// # Errors
///
/// When a rule cannot be said in SQL, which lists all such rules; when a table or column has an
/// unusual name; when there are no tables.
///
/// ```standalone_crate
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

    /// The SQL that makes the triggers on one connection of SQLite, as `TEMP` triggers: they see every
    /// change of a row that comes through this connection, raw and of many rows, and are gone with it.
    /// It changes nothing in the database's schema, and can be run again.
    ///
    /// # Errors
    ///
    /// As [`sql`].
    pub fn connection_sql(&self) -> Result<String, TriggerError> {
        let scripts = self.scripts(Dialect::Sqlite)?;
        let mut statements = Vec::new();
        for script in scripts {
            statements.push(script.guard);
            let made = script.triggers.into_iter();
            statements.extend(
                made.map(|trigger| format!("CREATE TEMP TRIGGER IF NOT EXISTS {}", trigger.body)),
            );
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
        if !is_prefix(&self.prefix) {
            return Err(TriggerError::Name {
                name: self.prefix.clone(),
                problem: PREFIX,
            });
        }
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
