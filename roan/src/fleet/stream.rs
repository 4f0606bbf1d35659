//! The stream of a fleet: it is made if it is missing, and checked, never changed, if it is there.

use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind, RequestErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, ErrorCode};

use super::leader::NO_LEADER;
use super::{Connection, FleetError, subject};
use crate::error::ConfigError;

/// The stream that a fleet's purges go through, in JetStream.
///
/// The first app makes it, or an agent that knows the number of [`replicas`](Self::replicas): with files as storage, and with
/// limits as retention, so that each purge stays for [`max_age`](Self::max_age), whoever has taken it. If it is there, its
/// settings are checked, and never changed.
///
/// ```
/// use std::time::Duration;
/// use roan::fleet::Stream;
///
/// let stream = Stream::new().replicas(3).max_age(Duration::from_secs(14 * 86_400));
/// assert_eq!(stream.name(), "ROAN");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Stream {
    name: String,
    /// `None` if nobody has said it: then one.
    replicas: Option<usize>,
    max_age: Duration,
    is_synced: bool,
}

/// A second purge with the same id within this time is dropped: <https://docs.nats.io/using-nats/developer/develop_jetstream/model_deep_dive>.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// JetStream does not keep more copies.
const MOST_REPLICAS: usize = 5;

impl Default for Stream {
    fn default() -> Self {
        Self::new()
    }
}

impl Stream {
    /// The name of a stream that has not been given another one.
    pub const NAME: &'static str = "ROAN";

    /// The stream `ROAN`, with one copy of each message, which is kept for 7 days.
    pub fn new() -> Self {
        Self {
            name: Self::NAME.to_owned(),
            replicas: None,
            max_age: Duration::from_secs(7 * 86_400),
            is_synced: false,
        }
    }

    /// The stream of another name. Its subjects are `roan.>` all the same, and one account has one stream for them: give each
    /// environment an account of its own.
    ///
    /// # Errors
    ///
    /// If the name is empty, longer than 255 bytes, or contains a space or one of `.*>/\`.
    pub fn named(mut self, name: &str) -> Result<Self, ConfigError> {
        let is_bad = |letter: char| {
            letter.is_whitespace() || letter.is_control() || ".*>/\\".contains(letter)
        };
        if name.is_empty() || name.len() > 255 || name.contains(is_bad) {
            let problem = "is not a name of a stream: write 1 to 255 letters, digits, `-` and `_`";
            return Err(ConfigError::value("stream", name, problem));
        }
        name.clone_into(&mut self.name);
        Ok(self)
    }

    /// So many servers of the cluster keep a copy: 1, 3 or 5. A purge is acknowledged when most of them have it. Default: 1.
    ///
    /// An agent makes a missing stream only if this was called: a stream with one copy, made by the agent that starts first,
    /// would not be the one that the app wants.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Whether somebody has said how many copies it has.
    #[cfg(feature = "agent")]
    pub(crate) fn has_replicas(&self) -> bool {
        self.replicas.is_some()
    }

    fn copies(&self) -> usize {
        self.replicas.unwrap_or(1)
    }

    /// So long the stream keeps a purge, and so long an agent may be away. One that comes back later empties its cache.
    /// Default: 7 days.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// States that `sync_interval: always` is set at the server: it writes each message to the disk before it acknowledges it.
    /// A client cannot see that, and with one replica Roan warns without it.
    pub fn synced(mut self) -> Self {
        self.is_synced = true;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For the checks of a configuration.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.copies() == 0 || self.copies() > MOST_REPLICAS {
            let problem = "must be 1 to 5: JetStream keeps at most 5 copies, and 3 outlive the loss of a server";
            return Err(ConfigError::value(
                "replicas",
                self.copies().to_string(),
                problem,
            ));
        }
        if self.max_age < Duration::from_secs(1) {
            let shown = format!("{:?}", self.max_age);
            let problem =
                "must be 1 s at least: an agent that is away for longer empties its cache";
            return Err(ConfigError::value("max_age", shown, problem));
        }
        Ok(())
    }

    /// Finds it, or makes it, and checks it.
    ///
    /// # Errors
    ///
    /// If JetStream does not answer, or if the settings of the stream can lose purges.
    pub(crate) async fn open(&self, connection: &Connection) -> Result<Opened, FleetError> {
        let jetstream = connection.jetstream();
        let found = match jetstream.get_stream(&self.name).await {
            Err(error) if is_missing(&error.kind()) => self.make(connection).await?,
            Err(error) => return Err(self.unanswered(connection, &error)),
            Ok(found) => found,
        };
        let info = found.cached_info().clone();
        let version = connection.client().server_info().version;
        self.compare(&info.config)
            .map_err(|problem| self.unfit(connection, problem))?;
        Ok(Opened {
            warnings: self.warnings(&info.config, connection.servers(), &version),
            stream: found,
            info,
        })
    }

    /// The same, for a program that only takes messages: the stream may be a mirror of that of another cluster, which has its
    /// sequence numbers, and it may keep messages for another time. It is made only if `may_make`.
    #[cfg(feature = "agent")]
    pub(crate) async fn open_to_read(
        &self,
        connection: &Connection,
        may_make: bool,
    ) -> Result<Opened, FleetError> {
        let jetstream = connection.jetstream();
        let found = match jetstream.get_stream(&self.name).await {
            Err(error) if is_missing(&error.kind()) && may_make => {
                return self.open(connection).await;
            }
            Err(error) if is_missing(&error.kind()) => {
                return Err(connection.failed(format!(
                    "there is no stream {}: the app makes it when it starts and with its next purge, as does `roan purge` with \
                     the variables of the app. An agent makes it when it starts, if `replicas` (`ROAN_FLEET_REPLICAS`) \
                     says how many copies it has: 1 on a single server, 3 in a cluster",
                    self.name
                )));
            }
            Err(error) => return Err(self.unanswered(connection, &error)),
            Ok(found) => found,
        };
        let info = found.cached_info().clone();
        let Judgement { unfit, warnings } = self.judge(connection, &info.config);
        match unfit {
            Some(unfit) => Err(unfit),
            None => Ok(Opened {
                warnings,
                stream: found,
                info,
            }),
        }
    }

    /// What somebody who only takes messages should know of these settings, which may change at any time.
    pub(crate) fn judge(&self, connection: &Connection, found: &Config) -> Judgement {
        let mut seen = found.clone();
        if seen.mirror.take().is_some() {
            seen.subjects = vec![subject::ALL.to_owned()];
        }
        let needs = Self {
            replicas: None,
            max_age: Duration::ZERO,
            ..self.clone()
        };
        let unfit = needs.compare(&seen).err();
        let version = connection.client().server_info().version;
        Judgement {
            unfit: unfit.map(|problem| self.unfit(connection, problem)),
            warnings: self.warnings(found, connection.servers(), &version),
        }
    }

    fn unfit(&self, connection: &Connection, problem: String) -> FleetError {
        FleetError::Stream {
            stream: self.name.clone(),
            servers: connection.servers().to_owned(),
            problem,
        }
    }

    async fn make(&self, connection: &Connection) -> Result<jetstream::stream::Stream, FleetError> {
        let jetstream = connection.jetstream();
        let made = jetstream.create_stream(self.config()).await;
        let error = match made {
            Ok(made) => return Ok(made),
            Err(error) => error,
        };
        let problem = match error.kind() {
            // Another program was faster, with other settings, which are checked.
            CreateStreamErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::STREAM_NAME_EXIST =>
            {
                let found = jetstream.get_stream(&self.name).await;
                return found.map_err(|error| self.unanswered(connection, &error));
            }
            CreateStreamErrorKind::JetStream(error) => {
                let cure = match error.error_code() {
                    ErrorCode::STREAM_SUBJECT_OVERLAP => {
                        "another stream takes `roan.>`: find it by `nats stream find --subject 'roan.>'`, and name it as Roan's, or remove it"
                    }
                    ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => {
                        "one server keeps one copy: set `replicas` to 1, or name a cluster"
                    }
                    ErrorCode::CLUSTER_NO_PEERS | ErrorCode::INSUFFICIENT_RESOURCES => {
                        "see that so many servers of the cluster are up, have room, and count each other (`cluster_size` of `/jsz` at their monitoring port), or ask for fewer `replicas`"
                    }
                    _ => "see the server's log, or make the stream by `nats stream add`",
                };
                format!("cannot make the stream {}: {error}: {cure}", self.name)
            }
            CreateStreamErrorKind::TimedOut => {
                let trouble = connection.trouble(NO_LEADER);
                format!("cannot make the stream {}: {trouble}", self.name)
            }
            other => format!("cannot make the stream {}: {other}", self.name),
        };
        Err(connection.failed(problem))
    }

    fn config(&self) -> Config {
        Config {
            name: self.name.clone(),
            description: Some("purges of HTTP caches, by Roan".to_owned()),
            subjects: vec![subject::ALL.to_owned()],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            discard: DiscardPolicy::Old,
            max_age: self.max_age,
            // A server refuses one that is longer than the age.
            duplicate_window: DUPLICATE_WINDOW.min(self.max_age),
            num_replicas: self.copies(),
            max_messages: -1,
            max_bytes: -1,
            max_messages_per_subject: -1,
            max_consumers: -1,
            ..Config::default()
        }
    }

    fn unanswered(
        &self,
        connection: &Connection,
        error: &jetstream::context::GetStreamError,
    ) -> FleetError {
        let request = std::error::Error::source(error)
            .and_then(|source| source.downcast_ref::<jetstream::context::RequestError>());
        let disabled = "JetStream is not enabled: start `nats-server --jetstream`, or write `jetstream {}` into its configuration";
        let problem = match (error.kind(), request.map(|request| request.kind())) {
            (GetStreamErrorKind::JetStream(error), _) => match error.error_code() {
                ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
                    format!("{error}: write `jetstream: enabled` at the account of this user")
                }
                _ => format!("the stream {}: {error}", self.name),
            },
            (_, Some(RequestErrorKind::NoResponders)) => disabled.to_owned(),
            _ => {
                let trouble = connection.trouble(NO_LEADER);
                format!("the stream {}: {trouble}", self.name)
            }
        };
        connection.failed(problem)
    }

    /// Returns what of the settings can lose a purge, and what to type.
    fn compare(&self, found: &Config) -> Result<(), String> {
        let edit = |flag: &str| format!("`nats stream edit {} {flag}`", self.name);
        let anew = format!(
            "this cannot be changed: remove it by `nats stream rm {}` while no program publishes, and Roan makes it anew",
            self.name
        );
        if found.retention != RetentionPolicy::Limits {
            let retention = format!("{:?}", found.retention).to_ascii_lowercase();
            return Err(format!(
                "has the retention `{retention}`, and so drops purges that some nodes have not had: {anew}"
            ));
        }
        if found.storage != StorageType::File {
            return Err(format!(
                "keeps its messages in memory, and loses them at a restart: {anew}"
            ));
        }
        if found.mirror.is_some() {
            return Err(format!("is a mirror, which takes no purges: {anew}"));
        }
        if !found.subjects.iter().any(|taken| covers(taken)) {
            let subjects = found.subjects.join(", ");
            return Err(format!(
                "takes the subjects {subjects}, which leaves out some of `{}`: {}",
                subject::ALL,
                edit(&format!("--subjects='{}'", subject::ALL))
            ));
        }
        if found.no_ack {
            return Err(format!("does not acknowledge messages: {}", edit("--ack")));
        }
        if found.sealed {
            return Err(format!("is sealed, and takes no purges: {anew}"));
        }
        if found.max_age != Duration::ZERO && found.max_age < self.max_age {
            let (has, wanted) = (hours(found.max_age), hours(self.max_age));
            return Err(format!(
                "keeps messages for {has}, and not for {wanted}: {}, or set `max_age` to {has}",
                edit(&format!("--max-age={wanted}"))
            ));
        }
        if found.max_messages_per_subject > 0 {
            let most = found.max_messages_per_subject;
            return Err(format!(
                "drops purges when a subject has more than {most}, and no agent can see that: {}",
                edit("--max-msgs-per-subject=-1")
            ));
        }
        if found.num_replicas < self.copies() {
            let (has, wanted) = (found.num_replicas, self.copies());
            return Err(format!(
                "has replicas: {has}, and not {wanted}: {}, or set `replicas` to {has}",
                edit(&format!("--replicas={wanted}"))
            ));
        }
        Ok(())
    }

    /// What can be lost, and what is good to know.
    fn warnings(&self, found: &Config, servers: &str, version: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        if found.num_replicas == 1 && !self.is_synced {
            let newer = match can_sync(version) {
                true => String::new(),
                false => format!("update the server from {version} to 2.10 or newer, "),
            };
            warnings.push(format!(
                "stream {} at {servers} has one copy, and the server writes it to the disk every two minutes: a power failure \
                 can lose purges that it has acknowledged, and their pages stay stale. Use a cluster and `replicas(3)` \
                 (`ROAN_FLEET_REPLICAS=3`), or {newer}write `sync_interval: always` into `jetstream {{}}` of its configuration, and \
                 call `synced()` (`ROAN_FLEET_SYNCED=1`)",
                self.name
            ));
        }
        for (name, most) in [("messages", found.max_messages), ("bytes", found.max_bytes)] {
            if most <= 0 {
                continue;
            }
            let effect = match found.discard {
                DiscardPolicy::New => "it refuses purges when it is full",
                DiscardPolicy::Old => {
                    "it drops the oldest purges when it is full, and agents that have not had them empty their caches"
                }
            };
            warnings.push(format!(
                "stream {} at {servers} holds at most {most} {name}: {effect}",
                self.name
            ));
        }
        warnings
    }
}

/// Whether a server of this version knows `sync_interval`.
fn can_sync(version: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (2, 10),
        _ => true,
    }
}

/// Whether a subject of a stream takes all that a fleet publishes.
fn covers(taken: &str) -> bool {
    matches!(
        taken,
        ">" | "*.>" | subject::ALL | "roan.*.*" | "roan.*.>" | "*.*.*"
    )
}

/// Whether there is no stream of that name.
pub(crate) fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

/// As the command `nats` reads it.
fn hours(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds => format!("{seconds}s"),
    }
}

/// A stream that was found or made.
pub(crate) struct Opened {
    /// To make consumers of it.
    #[allow(dead_code, reason = "an agent makes a consumer")]
    pub(crate) stream: jetstream::stream::Stream,
    /// Its settings and its state when it was opened.
    pub(crate) info: Info,
    /// What the operator should know, for the log.
    pub(crate) warnings: Vec<String>,
}

/// What an operator should know of the settings of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// What of them can lose purges, and what to type.
    pub(crate) unfit: Option<FleetError>,
    /// What else can lose some, and what is good to know.
    pub(crate) warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_lose_a_purge_is_an_error_that_says_what_to_type() {
        let wanted = Stream::new().replicas(3);
        let good = wanted.config();
        assert_eq!(wanted.compare(&good), Ok(()));
        let with = |change: &dyn Fn(&mut Config)| {
            let mut config = good.clone();
            change(&mut config);
            config
        };
        let max_age = Duration::from_secs(3600);
        for (found, words, typed) in [
            (
                with(&|c| c.retention = RetentionPolicy::WorkQueue),
                "retention `workqueue`",
                "nats stream rm ROAN",
            ),
            (
                with(&|c| c.retention = RetentionPolicy::Interest),
                "retention `interest`",
                "nats stream rm ROAN",
            ),
            (
                with(&|c| c.storage = StorageType::Memory),
                "in memory",
                "nats stream rm ROAN",
            ),
            (
                with(&|c| c.subjects = vec!["roan.-.>".to_owned()]),
                "takes the subjects roan.-.>",
                "--subjects='roan.>'",
            ),
            (
                with(&|c| c.no_ack = true),
                "does not acknowledge",
                "nats stream edit ROAN --ack",
            ),
            (
                with(&|c| c.max_age = max_age),
                "keeps messages for 1h, and not for 168h",
                "--max-age=168h",
            ),
            (
                with(&|c| c.max_messages_per_subject = 1),
                "more than 1",
                "--max-msgs-per-subject=-1",
            ),
            (
                with(&|c| c.num_replicas = 1),
                "has replicas: 1, and not 3",
                "--replicas=3",
            ),
        ] {
            let problem = wanted.compare(&found).expect_err(words);
            assert!(
                problem.contains(words) && problem.contains(typed),
                "{problem}"
            );
        }
        for found in [
            with(&|c| c.max_age = Duration::ZERO),
            with(&|c| c.subjects = vec!["other".to_owned(), ">".to_owned()]),
            with(&|c| c.num_replicas = 5),
        ] {
            assert_eq!(wanted.compare(&found), Ok(()));
        }
    }

    #[test]
    fn what_a_power_failure_can_lose_is_said() {
        let one = Stream::new();
        let warnings = one.warnings(&one.config(), "nats://a:4222", "2.9.10");
        assert!(
            warnings[0].contains("sync_interval: always"),
            "{warnings:?}"
        );
        assert!(
            one.clone()
                .synced()
                .warnings(&one.config(), "", "2.10.0")
                .is_empty()
        );
        let three = Stream::new().replicas(3);
        assert!(three.warnings(&three.config(), "", "").is_empty());
        let full = Config {
            max_bytes: 1000,
            discard: DiscardPolicy::New,
            ..three.config()
        };
        assert!(three.warnings(&full, "", "")[0].contains("at most 1000 bytes: it refuses"));
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        for name in ["", "a.b", "a b", "a/b", ">"] {
            assert!(Stream::new().named(name).is_err(), "{name}");
        }
        assert!(Stream::new().replicas(6).check().is_err());
        assert!(
            Stream::new()
                .max_age(Duration::from_millis(1))
                .check()
                .is_err()
        );
        assert_eq!(Stream::new().named("purges").unwrap().check(), Ok(()));
    }
}
