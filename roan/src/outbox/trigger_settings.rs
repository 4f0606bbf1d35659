//! What a program wants of the triggers that write to its outbox.

/// Which triggers are made, and what a wrong one is at the start. Given to
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

    /// With what the names of the outbox's tables begin, as in
    /// [`Outbox::prefix`](crate::outbox::Outbox::prefix). An outbox tells its triggers by itself.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// No triggers on this table, of which the hooks see every write; or which is no table.
    pub fn without(mut self, table: impl Into<String>) -> Self {
        self.without.push(table.into());
        self
    }

    /// Rules that cannot be said in SQL are for hooks alone, and no error: those with `when`, with
    /// `urls`, with a method or a field of a field in the template, and with a column whose text in the
    /// database may not be that of its `Display`.
    pub fn leave_to_hooks(mut self) -> Self {
        self.leave_to_hooks = true;
        self
    }

    /// At the start, triggers that are not those of this program's rules are an error; without this
    /// they are a warning.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }
}

/// Why triggers cannot be made or trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerError {
    /// Rules that need a value of the model's type.
    #[error(
        "these rules cannot be filled from columns; mend each, or leave them to hooks by `Triggers::leave_to_hooks`:{}",
        listed(.0)
    )]
    Rules(
        /// Each with its place and what to do.
        Vec<String>,
    ),
    /// A name that no statement can hold.
    #[error("{name:?} cannot be named in a trigger: {problem}")]
    Name {
        /// Of a table or a column.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No model has a table.
    #[error(
        "no model of this program has a table to watch: put `#[purge_on(...)]` on a struct; the models of a library crate that the program never names are left out by the linker: write `use models as _;`"
    )]
    NoTables,
    /// The database has other triggers than the rules of this program ask for.
    #[error(
        "the database's triggers are not those of this program's rules: call `Outbox::install_triggers`, or run what `roan::triggers` prints:{}",
        listed(.0)
    )]
    Drift(
        /// What is missing, other or too much.
        Vec<String>,
    ),
}

fn listed(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  - {line}")).collect()
}
