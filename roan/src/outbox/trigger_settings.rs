//! The settings of the triggers that write to an outbox.

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
}

impl Default for Triggers {
    fn default() -> Self {
        Self {
            prefix: "roan_".to_owned(),
            without: Vec::new(),
            leave_to_hooks: false,
            strict: false,
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
}

fn listed(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  - {line}")).collect()
}
