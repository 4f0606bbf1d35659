//! Database triggers, for writers that do not call hooks: psql, another service, a nightly `UPDATE` over a million rows.
//!
//! Roan generates the triggers from the rules of the program. A trigger writes the columns that the rules name to the
//! outbox, in the transaction of the write. The relay makes the URLs from them, by the code that hooks use.
//!
//! Each row names the rules that its trigger was made from, by a hash. During a deploy a version with other rules purges
//! what its own rules yield, and leaves the row to a version with those rules ([`Outbox::grace_period`]). So install the
//! triggers in each deploy, also if only a template has changed; and again if you roll back. Rules made at run time are
//! not part of the hash.
//!
//! [`Outbox::grace_period`]: crate::outbox::Outbox::grace_period
//!
//! Tell Roan the table of each model, and install the triggers at the start:
//!
//! ```no_run
//! use roan::outbox::Outbox;
//! use roan::triggers::Triggers;
//! use roan::{Nginx, Roan, purge_on};
//!
//! #[purge_on(save, delete, url = "/posts/{slug}", table = "posts")]
//! struct Post { id: i64, slug: String }
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let outbox = Outbox::at("postgres://app@localhost/blog")?.triggers(Triggers::new());
//! outbox.migrate().await?;
//! outbox.install_triggers().await?; // or run the SQL of `roan::triggers::sql(Dialect::Postgres)`
//! Roan::builder().cache(Nginx::at("http://10.0.0.11/purge")?).outbox(outbox).install()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Tables, columns and values
//!
//! The names are those of `table = "..."`, else those in the attributes of SeaORM, Diesel and sqlx. Without either, the
//! table is the type's name in snake case with an `s`. [`Triggers::without`] excludes a type that is not a table.
//!
//! A template of columns can contain texts, integers and, with the feature `uuid`, UUIDs. If the model has `table = ...`,
//! any other field type is a compile error. Otherwise [`sql`] returns an error that lists, with file and line, every rule
//! that SQL cannot express: `when`, `urls`, methods, other types. Let the relay evaluate these rules by
//! [`from_row`](self#models-from-rows), or leave them to hooks by [`Triggers::leave_to_hooks`]. The table in the
//! [guide](crate::guide::rules) shows hooks and triggers side by side.
//!
//! An `update(title)` that does not change a title does not write anything.
//!
//! # Models from rows
//!
//! With `from_row`, the triggers store all columns of the model where a rule needs a value of it. The relay makes the value
//! from the stored row, the old one and the new one, and evaluates the rules as a hook does:
//!
//! ```
//! use std::fmt;
//!
//! use roan::purge_on;
//!
//! #[purge_on(save, delete, url = "/{status}/{slug}")]
//! #[purge_on(save, delete, url = "/authors/{author()}", when = self.rating > 0.0)]
//! #[purge_on(table = "posts", from_row)]
//! struct Post { id: i64, slug: String, status: Status, rating: f64 }
//!
//! impl Post {
//!     fn author(&self) -> &str {
//!         self.slug.split('-').next().unwrap_or_default()
//!     }
//! }
//!
//! #[derive(serde::Deserialize)]
//! #[serde(rename_all = "lowercase")] // as in the database: 'draft', 'live'
//! enum Status { Draft, Live }
//!
//! impl fmt::Display for Status {
//!     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
//!         f.write_str(match self {
//!             Self::Draft => "drafts",
//!             Self::Live => "posts",
//!         })
//!     }
//! }
//! ```
//!
//! - **Types:** each field's type must implement `serde::Deserialize`. The model need not; columns have the names above. An
//!   enum is read by the name of its variant, so let serde's names be those of the database. A type stored as a number,
//!   such as SeaORM's enums with `num_value`, needs `#[serde(try_from = "i32")]`.
//! - **Fields without a column** are those with `#[sqlx(skip)]` or `#[sea_orm(ignore)]`: they have their default value.
//! - **A value that cannot be read,** such as a variant that this version does not have, and a panic of your code are errors
//!   of the row. Its other rules are purged. Another version of the program may read it, for [`Outbox::grace_period`]; then
//!   it is dead, with the model, the column and the reason.
//! - **Cost:** each write stores the old row and the new row. Several types can have one table: a second struct with the
//!   rules and without the long columns keeps the outbox small. On MySQL and MariaDB, a row longer than 2 MB, or than a
//!   sixth of `max_allowed_packet`, is not stored: it is dead, and the write goes on.
//! - **Your code runs in the relay,** on the dispatcher's thread: it must not block. Roan sees that the text of a rule has
//!   changed between two versions of the program, but not that a method has.
//! - **On MySQL and MariaDB,** a `TIMESTAMP` is read in UTC. The text of [`sql`], which does not know the types of columns,
//!   stores it in the time zone of the writer's session, and a `FLOAT` with six digits; the check at the start reports
//!   this. Use `install_triggers` for such tables.
//!
//! # What databases store
//!
//! | field | PostgreSQL | MySQL, MariaDB | SQLite |
//! |---|---|---|---|
//! | `Uuid` | `uuid` | `binary(16)` (sqlx, SeaORM), `char(36)`, `char(32)`, MariaDB's `uuid` | a blob of 16 bytes (sqlx, SeaORM), a text |
//! | `Hyphenated`, `Simple` of `uuid::fmt` | `uuid` | `char(36)`, `char(32)` (sqlx) | a text (sqlx) |
//! | an enum | an enum type, a text | `ENUM`, a text | a text |
//! | `bool` | `boolean` | `tinyint(1)`, `bit(1)`: not 0 | an integer that is not 0 |
//! | bytes | `bytea` | `binary`, `varbinary`, `blob` | a blob |
//! | JSON | `json`, `jsonb` | `json`, a text | a text |
//! | a time | `timestamptz`, `timestamp` | `timestamp`, `datetime`, in UTC for a type with an offset | a text, in UTC if without an offset |
//!
//! Each form of a UUID has the same text. The other types need `from_row`. An integer or real number for a time is not
//! read.
//!
//! # At the start, and while the program runs
//!
//! At the start Roan compares the triggers of the database with the rules, and logs a warning if they differ. With
//! [`Triggers::strict`] that is an error. [`install_triggers`](crate::outbox::Outbox::install_triggers) changes only the
//! triggers that differ; several programs may call it at the same time.
//!
//! The running program looks again every few minutes ([`Triggers::check_every`]). It logs each change once, with the
//! remedy, and lists what is wrong in [`OutboxHandle::trigger_errors`](crate::OutboxHandle::trigger_errors). Triggers that
//! another version of the program has made are not an error then: that is a deploy.
//!
//! # When a table changes
//!
//! | event | what happens | remedy |
//! |---|---|---|
//! | a table is rebuilt: `DROP`, `CREATE` | its triggers are gone, and writes purge nothing | `install_triggers` |
//! | a copy takes the name: gh-ost, pt-online-schema-change, `RENAME` | the old table keeps the triggers, unless you use `pt-online-schema-change --preserve-triggers` | `install_triggers` moves them; on MySQL the text of [`sql`] cannot: drop those of the old table first |
//! | a column that a rule names, or with `from_row` any column of the model, is renamed or dropped | writes to the table fail; SQLite renames it in the triggers, too | change the model, then `install_triggers`; better before the column. To let writes through at once: `Triggers::without` and `install_triggers`, or `drop_triggers` |
//! | PostgreSQL: a table moves to another schema | its triggers go with it, and writes still purge | write `table = "schema.name"`, then `install_triggers` |
//! | MySQL, MariaDB: the account that installed the triggers is dropped, or loses `INSERT` on the outbox, or `TRIGGER` or `SELECT` on the table | writes to the table fail | `install_triggers` |
//! | PostgreSQL: the owner of a trigger's function loses `INSERT` on the outbox | writes to the table fail | `install_triggers` |
//! | PostgreSQL: a trigger is disabled; a trigger or function is changed by hand | writes purge nothing, or something else | `install_triggers` |
//!
//! The check names each of them, with the rule and its source line if it is about a column. On MySQL and MariaDB, the user
//! of the outbox needs the privilege `TRIGGER` on the tables, to see their triggers; and to see whether the account of
//! another installer exists, `SELECT` on the database `mysql`.
//!
//! # Hooks and triggers together
//!
//! A hook beside a trigger costs a second row of the outbox. Equal purges that wait are sent once.
//!
//! Writers do not need privileges on the outbox: triggers run as the user who created them. Call
//! [`drop_triggers`](crate::outbox::Outbox::drop_triggers) before you drop the tables of the outbox.
//!
//! # Limits
//!
//! | | PostgreSQL | MySQL, MariaDB | SQLite |
//! |---|---|---|---|
//! | many rows in one statement | one call; one row of the outbox for each 500 | one call and one row each | one call and one row each |
//! | rows that a foreign key deletes or changes | seen | seen by triggers on the parent, which `install_triggers` creates | seen |
//! | `TRUNCATE` | purges the targets of `delete` without columns | **not seen** | does not exist |
//! | `REPLACE` | does not exist | seen | the row with the same key is seen; a row replaced because of another unique column, or by `UPDATE OR REPLACE`, only with `PRAGMA recursive_triggers = ON` |
//! | writes to a partition by its own name, or to a child of a PostgreSQL table (`INHERITS`) | **not seen** | seen | do not exist |
//! | `session_replication_role = replica`, logical replication | **not seen**, unless you `ENABLE ALWAYS TRIGGER`; `install_triggers` keeps that | depends on the binary log format | |
//!
//! On MySQL and MariaDB, the foreign keys are those that existed when the triggers were created. The check at the start
//! reports new ones. [`sql`] does not connect to a database, so it does not know foreign keys. For a table that refers to
//! itself, only the rows next to the deleted row are purged.
//!
//! On SQLite, every writing program needs the JSON functions, which are built in since 3.38.
//!
//! Without a trigger nobody sees the rows that a foreign key deletes or changes. The start of an outbox logs the rules that
//! this leaves out: see [`Outbox::accept_cascades`](crate::outbox::Outbox::accept_cascades).

pub(crate) mod apply;
mod cascade;
mod check;
mod columns;
mod drift;
mod install;
mod mysql;
mod plan;
mod postgres;
mod script;
mod sqlite;
mod unseen;

pub use crate::outbox::trigger_settings::{TriggerError, Triggers};

pub(crate) use self::check::{Change, TriggerCheck};
use self::plan::Plan;
pub(crate) use self::plan::fingerprints;
use self::script::{Script, Trigger};
pub(crate) use self::unseen::check as check_cascades;
use crate::outbox::{Dialect, PREFIX, is_prefix};

/// Returns the SQL that creates the triggers for all tables of this program, for an outbox with the prefix `roan_`. It
/// can be run again. For other settings use [`Triggers::sql`].
///
/// # Errors
///
/// If SQL cannot express a rule (the error lists all such rules), if a table or column has an unusual name, or if there
/// are no tables.
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
    /// Returns the SQL that creates the triggers, for your own migration tool. It can be run again.
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

    /// Returns the SQL that creates `TEMP` triggers on one connection of SQLite. They see every change of a row through
    /// this connection, including raw statements, and end with it. The schema of the database does not change. The SQL can
    /// be run again.
    ///
    /// # Errors
    ///
    /// As [`sql`].
    pub fn connection_sql(&self) -> Result<String, TriggerError> {
        let scripts = self.scripts(Dialect::Sqlite)?;
        let mut statements = Vec::new();
        for script in scripts {
            statements.push(script.guard);
            for Trigger { name, body, .. } in script.triggers {
                // A table that was renamed has taken it along.
                statements.push(format!("DROP TRIGGER IF EXISTS temp.\"{name}\""));
                statements.push(format!("CREATE TEMP TRIGGER {body}"));
            }
        }
        Ok(joined(&statements))
    }

    /// Returns the SQL that drops the triggers.
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
        Ok(self.scripts_of(&Plan::all(self)?, dialect))
    }

    fn scripts_of(&self, plans: &[Plan], dialect: Dialect) -> Vec<Script> {
        let script = |plan: &Plan| match dialect {
            Dialect::Postgres => postgres::script(plan, &self.prefix),
            Dialect::MySql => mysql::script(plan, &self.prefix),
            Dialect::Sqlite => sqlite::script(plan, &self.prefix),
        };
        plans.iter().map(script).collect()
    }
}

fn joined(statements: &[String]) -> String {
    let mut sql = statements.join(";\n\n");
    sql.push_str(";\n");
    sql
}
