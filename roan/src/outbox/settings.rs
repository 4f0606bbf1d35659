//! The settings of a durable outbox.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::connection::{Durability, Options};
use super::dialect::Dialect;
use super::error::OutboxError;
use super::schema::{Migration, migrations};
use super::store::Store;
use super::trigger_settings::Triggers;
use crate::base::cause::Cause;
use crate::base::feature;
use crate::base::log::emit;

/// The number of purges that wait in an outbox. Both numbers are counted up to the requested limit, or to a little more
/// than the threshold of [`Outbox::on_backlog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Backlog {
    /// Writes whose purges no relay has taken yet.
    pub purges: u64,
    /// Purges that wait for a node that did not answer.
    pub deliveries: u64,
}

/// What [`Outbox::on_backlog`] reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BacklogAlarm {
    /// The number of waiting purges has exceeded the threshold.
    Raised(Backlog),
    /// The number of waiting purges is not above the threshold any more.
    Cleared(Backlog),
}

type Alarm = Arc<dyn Fn(BacklogAlarm) + Send + Sync>;

/// The settings of an outbox in the program's own database. Pass it to
/// [`RoanBuilder::outbox`](crate::RoanBuilder::outbox).
///
/// ```no_run
/// use roan::outbox::Outbox;
/// use roan::{Nginx, Roan};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = Outbox::at("postgres://app:secret@localhost/blog")?;
/// outbox.migrate().await?;
/// let roan = Roan::builder()
///     .cache(Nginx::at("http://10.0.0.11/purge")?)
///     .outbox(outbox)
///     .install()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "pass it to `RoanBuilder::outbox`"]
pub struct Outbox {
    pub(super) options: Options,
    pub(crate) prefix: String,
    pub(crate) poll: Duration,
    pub(crate) lease: Duration,
    pub(crate) retention: Duration,
    pub(crate) history: bool,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) grace: Duration,
    pub(crate) alarm: Option<(u64, Alarm)>,
    pub(crate) notify: bool,
    pub(crate) triggers: Option<Triggers>,
    pub(crate) known_cascades: Vec<String>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("dialect", &self.dialect())
            .field("prefix", &self.prefix)
            .field("poll", &self.poll)
            .field("lease", &self.lease)
            .field("retention", &self.retention)
            .field("history", &self.history)
            .field("max_attempts", &self.max_attempts)
            .field("grace_period", &self.grace)
            .field("notify", &self.notify)
            .field("triggers", &self.triggers)
            .finish_non_exhaustive()
    }
}

impl Outbox {
    /// An outbox in the database at `url`: `postgres://...`, `mysql://...` (also for MariaDB) or `sqlite://...`. Each needs
    /// the feature of that name. It must be the database of the models.
    ///
    /// The relay keeps one connection to the database, and the [web layer](crate::guide::web) two more.
    ///
    /// # Poolers
    ///
    /// On PostgreSQL the relay detects a pooler (PgBouncer, RDS Proxy, ...) in each of its modes. It then leaves nothing
    /// on the pool's connections: it sets everything with `SET LOCAL`, prepares no statements, and its locks end with
    /// their transaction. The URL of the server itself costs less, and [`notify`](Self::notify) needs it. The program's
    /// own writes may use the pooler also then.
    ///
    /// On MySQL the relay sets the isolation level, `autocommit` and `wait_timeout` of its session, and
    /// [`migrate`](Self::migrate) takes a lock by `GET_LOCK`. Behind a proxy that shares sessions between clients,
    /// give the URL of the server itself.
    ///
    /// # Errors
    ///
    /// If the URL is invalid, if it names another kind of database or one whose feature is not enabled, or if it is an
    /// SQLite database in memory, which the relay cannot open.
    pub fn at(url: &str) -> Result<Self, OutboxError> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let unreadable = |problem: String| OutboxError::Url {
            url: crate::base::redact::redacted(url),
            problem,
        };
        let options = match scheme {
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => {
                url.parse::<sqlx::postgres::PgConnectOptions>()
                    .map(|options| {
                        // Not every pooler knows what sqlx asks of floats, and there are none here.
                        let options = options.application_name("roan").extra_float_digits(None);
                        Options::Postgres(Box::new(options))
                    })
            }
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => url
                .parse::<sqlx::mysql::MySqlConnectOptions>()
                .map(|options| Options::MySql(Box::new(options))),
            #[cfg(feature = "sqlite")]
            "sqlite" if url.contains(":memory:") || url.contains("mode=memory") => {
                let problem = "is in memory, where the relay cannot reach it: use a file";
                return Err(unreadable(problem.to_owned()));
            }
            #[cfg(feature = "sqlite")]
            "sqlite" => url
                .parse::<sqlx::sqlite::SqliteConnectOptions>()
                .map(|options| Options::Sqlite(Box::new(options))),
            other => {
                let problem = match feature_of(other) {
                    Some(feature) => feature::needs(feature),
                    None => "must begin with postgres://, mysql:// or sqlite://".to_owned(),
                };
                return Err(unreadable(problem));
            }
        };
        // Not with the cause, which may quote a secret.
        let options = options.map_err(|_| {
            let problem = "cannot be read: write `postgres://user:password@host/database`, `mysql://...` or \
                           `sqlite://file.db`, with what is not a letter or digit of the password percent-encoded";
            unreadable(problem.to_owned())
        })?;
        Ok(Self {
            options: quiet(options),
            prefix: "roan_".to_owned(),
            poll: Duration::from_secs(1),
            lease: Duration::from_secs(15),
            retention: Duration::from_secs(24 * 60 * 60),
            history: true,
            max_attempts: None,
            grace: Duration::from_secs(10 * 60),
            alarm: None,
            notify: false,
            triggers: None,
            known_cascades: Vec::new(),
        })
    }

    /// Returns the kind of database.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.options.dialect()
    }

    /// Returns where the database is, without user name and password: a server and the name of the database, as in
    /// `127.0.0.1:5432/blog`, or the path of a file.
    #[must_use]
    pub fn location(&self) -> String {
        self.options.location()
    }

    /// Which tables it has, in words without secrets: no others have the same.
    #[cfg(feature = "nats")]
    pub(crate) fn place(&self) -> String {
        let prefix = &self.prefix;
        match &self.options {
            #[cfg(feature = "postgres")]
            Options::Postgres(options) => {
                let (host, port) = (options.get_host(), options.get_port());
                let socket = options.get_socket();
                let database = options.get_database().unwrap_or(options.get_username());
                format!("postgres {host} {port} {socket:?} {database} {prefix}")
            }
            #[cfg(feature = "mysql")]
            Options::MySql(options) => {
                let (host, port) = (options.get_host(), options.get_port());
                let socket = options.get_socket();
                let database = options.get_database().unwrap_or_default();
                format!("mysql {host} {port} {socket:?} {database} {prefix}")
            }
            #[cfg(feature = "sqlite")]
            Options::Sqlite(options) => {
                let file = options.get_filename();
                let whole = file.canonicalize().unwrap_or_else(|_| file.to_owned());
                format!("sqlite {} {prefix}", whole.display())
            }
        }
    }

    /// Sets the prefix of the table names: letters, digits and `_`, optionally after the name of a schema (`jobs.roan_`; on
    /// MySQL of a database). Default: `roan_`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how often the relay looks for rows of other programs. Default: 1 s.
    ///
    /// The relay finds rows of this program within milliseconds of their commit, independent of this setting.
    pub fn poll(mut self, interval: Duration) -> Self {
        self.poll = interval;
        self
    }

    /// Sets how long a relay may be silent before another takes over its rows. Default: 15 s. Purges that were in progress
    /// when a program died wait for this time.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how long purges that are done are kept, for [`history`](crate::OutboxHandle::history) and
    /// [`purge_since`](crate::OutboxHandle::purge_since). Default: 24 h.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Whether rows say what has asked for their purges, and how each node has answered:
    /// [`history`](crate::OutboxHandle::history). Default: `true`.
    ///
    /// It takes about 70 bytes of each row for each rule that fired, and about 60 for each node. They contain the places of
    /// rules in the source, the names of models and nodes, and the [trace](crate::history::Trace) of the request, but no
    /// values of the model's row beyond those in the URLs and tags.
    pub fn history(mut self, history: bool) -> Self {
        self.history = history;
        self
    }

    /// Sets the number of failed attempts at a node after which a purge is dead. Default: no limit other than
    /// [`RoanBuilder::max_age`](crate::RoanBuilder::max_age).
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Sets how long a purge waits for another version of the program. Default: 10 minutes.
    ///
    /// During a deploy, or after it is rolled back, a row may name what this version does not have: a site, a table, a
    /// node, a version of the payload, or triggers made from other rules. This version purges what it can, and leaves the
    /// row to one that has the rest. If none takes it for this long, and this version has run for this long, the row is
    /// dead, with the reason; it is done if all that it names was purged. Purges of a node that is not configured end after
    /// this time, too.
    ///
    /// A purge that waits for a node, and names what this version does not have, waits for as long as the node could be
    /// down: see [`RoanBuilder::max_age`](crate::RoanBuilder::max_age).
    pub fn grace_period(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Calls `alarm` when the number of waiting rows exceeds `threshold`, and again when it does not any more. Both are also
    /// logged. `alarm` runs on the dispatcher's thread, so it must not block.
    pub fn on_backlog(
        mut self,
        threshold: u64,
        alarm: impl Fn(BacklogAlarm) + Send + Sync + 'static,
    ) -> Self {
        self.alarm = Some((threshold, Arc::new(alarm)));
        self
    }

    /// Lets each write send a PostgreSQL `NOTIFY`, so that relays of other programs wake at once. Each purge sends one, too,
    /// so that instances with the [web layer](crate::guide::web) know of it at once, and the answers of the nodes, so that
    /// `roan watch` prints them at once. Default: off, because PostgreSQL serialises
    /// commits that send `NOTIFY`. The relay needs a connection to the server itself: the start refuses this setting behind a pooler.
    pub fn notify(mut self) -> Self {
        self.notify = true;
        self
    }

    /// Lets [triggers](crate::triggers) write to the outbox. [`install_triggers`](Self::install_triggers) creates them. At
    /// the start and every few minutes, Roan compares those of the database with the rules of the program.
    pub fn triggers(mut self, triggers: Triggers) -> Self {
        self.triggers = Some(triggers);
        self
    }

    /// Accepts that the database deletes or changes rows of this table by itself, by `ON DELETE CASCADE` for example, and
    /// that no hook or trigger sees it. Use it if the program purges their pages in another way: it deletes those rows by
    /// a statement of their own first. Otherwise each start logs an error that names the rules.
    pub fn accept_cascades(mut self, table: impl Into<String>) -> Self {
        self.known_cascades.push(table.into());
        self
    }

    /// Returns the migrations of the tables, for your own migration tool.
    #[must_use]
    pub fn migrations(&self) -> Vec<Migration> {
        migrations(self.dialect(), &self.prefix)
    }

    /// Creates the tables, or brings them up to date. Several programs may do this at the same time.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, if the user lacks the privilege to create tables, or if the tables have a newer
    /// version.
    pub async fn migrate(&self) -> Result<(), OutboxError> {
        self.check()?;
        let mut store = self.open().await?;
        let migrated = store.migrate().await;
        store.close().await;
        migrated
    }

    /// As [`migrate`](Self::migrate), for programs without a runtime.
    ///
    /// # Errors
    ///
    /// As [`migrate`](Self::migrate).
    pub fn migrate_blocking(&self) -> Result<(), OutboxError> {
        Self::block_on(|| self.migrate())
    }

    /// Runs the work on its own runtime and thread, because this thread may belong to a runtime.
    pub(crate) fn block_on<F>(work: impl FnOnce() -> F + Send) -> Result<(), OutboxError>
    where
        F: Future<Output = Result<(), OutboxError>>,
    {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| OutboxError::Connect(Cause::new(error)))?;
            runtime.block_on(work())
        };
        let done = std::thread::scope(|scope| scope.spawn(run).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The connection and the name of the channel for `NOTIFY`, if it is enabled.
    #[cfg(feature = "postgres")]
    pub(crate) fn channel(&self) -> Option<(sqlx::PgPool, String)> {
        self.channel_of_others().filter(|_| self.notify)
    }

    /// The same, whether it is enabled here or not: other programs may notify.
    #[cfg(feature = "postgres")]
    pub(crate) fn channel_of_others(&self) -> Option<(sqlx::PgPool, String)> {
        match &self.options {
            Options::Postgres(options) => {
                let pool = sqlx::postgres::PgPoolOptions::new()
                    .max_connections(1)
                    .connect_lazy_with((**options).clone());
                Some((pool, self.any_channel_name()))
            }
            #[cfg(any(feature = "mysql", feature = "sqlite"))]
            _ => None,
        }
    }

    fn any_channel_name(&self) -> String {
        format!("{}outbox", self.prefix)
    }

    /// The name of the channel for `NOTIFY`, if it is enabled.
    pub(crate) fn channel_name(&self) -> Option<String> {
        self.notify.then(|| self.any_channel_name())
    }

    /// A connection for the relay: what a crash loses of its writes, it does again.
    pub(crate) async fn open(&self) -> Result<Store, OutboxError> {
        self.open_with(Durability::Relaxed).await
    }

    /// A connection whose commits a crash does not lose.
    pub(crate) async fn open_durable(&self) -> Result<Store, OutboxError> {
        self.open_with(Durability::Full).await
    }

    async fn open_with(&self, durability: Durability) -> Result<Store, OutboxError> {
        let mut store = Store::open(&self.options, &self.prefix, self.lease, durability).await?;
        store.notify(self.channel_name());
        Ok(store)
    }

    /// The same, but a missing file is not made.
    #[cfg(feature = "sqlite")]
    pub(super) fn existing(self) -> Self {
        let options = match self.options {
            Options::Sqlite(options) => Options::Sqlite(Box::new(options.create_if_missing(false))),
            #[cfg(any(feature = "mysql", feature = "postgres"))]
            other => other,
        };
        Self { options, ..self }
    }

    /// Checks each setting.
    pub(crate) fn check(&self) -> Result<(), OutboxError> {
        let fault = |setting, problem: &str| {
            Err(OutboxError::Setting {
                setting,
                problem: problem.to_owned(),
            })
        };
        if !is_prefix(&self.prefix) {
            return fault("prefix", PREFIX);
        }
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        let least = Duration::from_millis(10);
        for (setting, duration) in [("poll", self.poll), ("lease", self.lease)] {
            if duration < least || duration > year {
                return fault(setting, "must be between 10 ms and a year");
            }
        }
        if self.retention > year * 10 {
            return fault("retention", "must be at most ten years");
        }
        if self.grace > year {
            return fault("grace_period", "must be at most a year");
        }
        if self.max_attempts == Some(0) {
            return fault("max_attempts", "must be at least 1");
        }
        let check_every = self.triggers.as_ref().and_then(|wanted| wanted.check_every);
        if check_every.is_some_and(|every| every < least || every > year) {
            return fault("check_every", "must be between 10 ms and a year, or `None`");
        }
        if self.notify && self.dialect() != Dialect::Postgres {
            return fault("notify", "is only available for PostgreSQL");
        }
        Ok(())
    }

    /// At the start: what is different behind a pooler.
    pub(crate) fn check_pooler(&self, store: &Store) -> Result<(), OutboxError> {
        if !store.is_pooled() {
            return Ok(());
        }
        if self.notify {
            return Err(OutboxError::Setting {
                setting: "notify",
                problem: "the database is reached through a pooler, where a LISTEN would be left to other clients: \
                          give `Outbox::at` the URL of the server itself (writes may go through the pooler), or leave \
                          `notify` out"
                    .to_owned(),
            });
        }
        emit(
            || tracing::info!(target: "roan", "the outbox's database is reached through a pooler: the relay keeps nothing in its session, and prepares no statements; the URL of the server itself makes it cheaper"),
        );
        Ok(())
    }
}

/// The rule for prefixes of table names.
pub(crate) const PREFIX: &str =
    "must be up to 40 ASCII letters, digits and `_`, optionally after `schema.`";

pub(crate) fn is_prefix(prefix: &str) -> bool {
    let (schema, prefix) = prefix.split_once('.').unwrap_or(("x", prefix));
    let is_name = |name: &str| {
        name.len() <= 40
            && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    is_name(schema) && is_name(prefix)
}

fn feature_of(scheme: &str) -> Option<&'static str> {
    match scheme {
        "postgres" | "postgresql" => Some("postgres"),
        "mysql" | "mariadb" => Some("mysql"),
        "sqlite" => Some("sqlite"),
        _ => None,
    }
}

/// Disables statement logging: the relay's frequent statements would fill the log.
fn quiet(options: Options) -> Options {
    use sqlx::ConnectOptions as _;
    match options {
        #[cfg(feature = "postgres")]
        Options::Postgres(options) => {
            Options::Postgres(Box::new(options.disable_statement_logging()))
        }
        #[cfg(feature = "mysql")]
        Options::MySql(options) => Options::MySql(Box::new(options.disable_statement_logging())),
        #[cfg(feature = "sqlite")]
        Options::Sqlite(options) => Options::Sqlite(Box::new(options.disable_statement_logging())),
    }
}
