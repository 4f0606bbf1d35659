//! The settings of the triggers that write to an outbox.

use std::time::Duration;

use crate::base::cause::Cause;

/// The settings of the triggers: which are created, and whether a difference is an error. Pass it to
/// [`Outbox::triggers`](crate::outbox::Outbox::triggers).
///
/// ```no_run
/// use roan::outbox::Outbox;
/// use roan::triggers::Triggers;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = Outbox::at("postgres://app@localhost/blog")?
///     .triggers(Triggers::new().without("drafts").strict());
/// outbox.migrate().await?;
/// outbox.install_triggers().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Triggers {
    pub(crate) prefix: String,
    pub(crate) without: Vec<String>,
    pub(crate) leave_to_hooks: bool,
    pub(crate) strict: bool,
    pub(crate) check_every: Option<Duration>,
}

impl Default for Triggers {
    fn default() -> Self {
        Self {
            prefix: "roan_".to_owned(),
            without: Vec::new(),
            leave_to_hooks: false,
            strict: false,
            check_every: Some(Duration::from_secs(5 * 60)),
        }
    }
}

impl Triggers {
    /// Triggers for the tables of all models, for an outbox whose tables begin with `roan_`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the prefix of the outbox's tables, for [`sql`](Self::sql). An [`Outbox`](crate::outbox::Outbox) sets its own
    /// prefix. Default: `roan_`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Excludes a table: hooks already cover it, or it is not a table.
    pub fn without(mut self, table: impl Into<String>) -> Self {
        self.without.push(table.into());
        self
    }

    /// Ignores rules that SQL cannot express, instead of returning an error. Only hooks fire them. These are rules with
    /// `when`, `urls`, or a method or a field of a field in the template, and those with a column whose text in the
    /// database may differ from that of its `Display`, if the model does not have
    /// [`from_row`](crate::triggers#models-from-rows); and rules with `related`.
    pub fn leave_to_hooks(mut self) -> Self {
        self.leave_to_hooks = true;
        self
    }

    /// Makes it an error at the start if the triggers of the database differ from the rules of the program. Default: a
    /// warning.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Sets how often the running program compares the triggers with the rules again, because a table that is rebuilt loses
    /// its triggers. `None` compares them at the start only. Default: 5 minutes, give or take a quarter.
    ///
    /// A difference that is still there after 5 seconds is logged once, and is in
    /// [`OutboxHandle::trigger_errors`](crate::OutboxHandle::trigger_errors) for as long as it exists. A look costs a few
    /// queries of the database's catalog.
    pub fn check_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.check_every = interval.into();
        self
    }
}

/// Why triggers cannot be created, or do not match the rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerError {
    /// Rules that need a value of the model's type.
    #[error(
        "SQL cannot express these rules: change each as it says, or leave them to hooks with `Triggers::leave_to_hooks`:{}",
        listed(.0)
    )]
    Rules(
        /// Each rule with its place, and what to write.
        Vec<String>,
    ),
    /// The name of a table or column that cannot be part of a statement.
    #[error("a trigger cannot use the name {name:?}: {problem}")]
    Name {
        /// The name of the table or column.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No model has a table.
    #[error(
        "this program does not have a model with a table: put `#[purge_on(...)]` on a struct; if the models are in a library crate that the program does not use, the linker omits it: write `use models as _;`"
    )]
    NoTables,
    /// The triggers of the database differ from the rules of this program.
    #[error(
        "the triggers of the database differ from the rules of this program: call `Outbox::install_triggers`, or run the SQL of `roan::triggers::sql`:{}",
        listed(.0)
    )]
    Drift(
        /// Each difference.
        Vec<String>,
    ),
    /// A table of a model, or a column that a rule names, does not exist.
    #[error(
        "the tables of the database do not fit the rules, and writes to a table fail while its triggers name a missing \
         column: create what is missing, or change the rules or the names in the model (`table = \"...\"`, \
         `#[sea_orm(column_name = \"...\")]`, `#[diesel(column_name = ...)]`, `#[sqlx(rename = \"...\")]`); then call \
         `Outbox::install_triggers`. To let the writes through before, leave the table out with \
         `Triggers::without(\"...\")` and call `Outbox::install_triggers`, or call `Outbox::drop_triggers`:{}",
        listed(.0)
    )]
    Tables(
        /// Each missing table with its model, and each missing column with the rule that names it, and its place.
        Vec<String>,
    ),
    /// PostgreSQL does not fire triggers for the user of the outbox.
    #[error(
        "the triggers do not fire for this database user, because its `session_replication_role` is `replica`: reset it \
         where it is set (`ALTER ROLE`, `ALTER DATABASE` or postgresql.conf), or let them fire all the same \
         (`ALTER TABLE ... ENABLE ALWAYS TRIGGER ...`)"
    )]
    Replica,
    /// MySQL does not show the triggers of these tables to the user of the outbox.
    #[error(
        "the database user does not see the triggers of these tables, so they cannot be compared with the rules: grant it \
         TRIGGER on them (`GRANT TRIGGER ON ... TO ...`):{}",
        listed(.0)
    )]
    Hidden(
        /// The tables.
        Vec<String>,
    ),
    /// The database refused to create or drop a trigger.
    #[error(
        "the database refused `{statement}`: {cause} (the user of `install_triggers` must own the table and the triggers, \
         or on MySQL have the privileges TRIGGER and LOCK TABLES)"
    )]
    Refused {
        /// The first line of the statement.
        statement: String,
        /// The error of the database.
        #[source]
        cause: Cause,
    },
}

fn listed(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  - {line}")).collect()
}
