//! The settings of a fleet as data: those of the app that publishes, and how to reach the servers, which an agent needs, too.

/// The fields that the environment can set, with their variables.
pub(crate) const VARIABLES: [(&str, &str); 14] = [
    ("nats", "ROAN_FLEET"),
    ("stream", "ROAN_FLEET_STREAM"),
    ("replicas", "ROAN_FLEET_REPLICAS"),
    ("max_age", "ROAN_FLEET_MAX_AGE"),
    ("synced", "ROAN_FLEET_SYNCED"),
    ("caches", "ROAN_FLEET_CACHES"),
    ("credentials_file", "ROAN_FLEET_CREDENTIALS"),
    ("nkey_file", "ROAN_FLEET_NKEY"),
    ("token", "ROAN_FLEET_TOKEN"),
    ("user", "ROAN_FLEET_USER"),
    ("password", "ROAN_FLEET_PASSWORD"),
    ("root_certificates", "ROAN_FLEET_ROOT_CERTIFICATES"),
    ("client_certificate", "ROAN_FLEET_CERTIFICATE"),
    ("client_key", "ROAN_FLEET_KEY"),
];

#[cfg(feature = "nats")]
pub use self::built::FleetConfig;
#[cfg(feature = "nats")]
pub(crate) use self::built::fleet_from_env;
#[cfg(feature = "agent")]
pub(crate) use self::built::{NatsSettings, StreamSettings, replicas, synced};

#[cfg(feature = "nats")]
mod built {
    use super::VARIABLES;
    use crate::dispatcher::duration;
    use crate::error::ConfigError;
    use crate::fleet::{Nats, Stream};
    use crate::purger::http::{flag, variable};
    use crate::purger::{Cache, Fleet, Nginx, Squid, TrafficServer, Varnish};

    type Named<'a> = &'a dyn Fn(&str) -> String;

    /// The settings of a [`Fleet`]. Each has the meaning and the default of the method of the same name of [`Fleet`],
    /// [`Nats`] or [`Stream`].
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    #[cfg_attr(feature = "serde", derive(serde::Deserialize))]
    #[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
    #[non_exhaustive]
    pub struct FleetConfig {
        /// The NATS servers, as for [`Nats::at`]. Required.
        pub nats: String,
        /// Its name in reports.
        pub name: Option<String>,
        /// The name of the stream.
        pub stream: Option<String>,
        /// How many servers keep a copy of the stream.
        pub replicas: Option<usize>,
        /// How long the stream keeps a purge: a duration with a unit.
        pub max_age: Option<String>,
        /// Whether `sync_interval: always` is set at the server.
        pub synced: bool,
        /// What the caches of the agents are: `nginx`, `varnish`, `squid` or `traffic-server`.
        pub caches: Option<String>,
        /// The credentials file.
        pub credentials_file: Option<String>,
        /// The file that has the seed of the nkey.
        pub nkey_file: Option<String>,
        /// The file that has the token.
        pub token_file: Option<String>,
        /// The environment variable that has the token.
        pub token_env: Option<String>,
        /// The name of the user.
        pub user: Option<String>,
        /// The file that has the password of the user.
        pub password_file: Option<String>,
        /// The environment variable that has the password of the user.
        pub password_env: Option<String>,
        /// The file with the certificates to trust.
        pub root_certificates: Option<String>,
        /// The file with the certificate to show.
        pub client_certificate: Option<String>,
        /// The file with the key of that certificate.
        pub client_key: Option<String>,
    }

    impl FleetConfig {
        /// `named` returns the name by which the user knows a field.
        pub(in crate::app::config) fn fleet(&self, named: Named<'_>) -> Result<Fleet, ConfigError> {
            let nats = NatsSettings {
                servers: &self.nats,
                credentials_file: self.credentials_file.as_deref(),
                nkey_file: self.nkey_file.as_deref(),
                token_file: self.token_file.as_deref(),
                token_env: self.token_env.as_deref(),
                user: self.user.as_deref(),
                password_file: self.password_file.as_deref(),
                password_env: self.password_env.as_deref(),
                root_certificates: self.root_certificates.as_deref(),
                client_certificate: self.client_certificate.as_deref(),
                client_key: self.client_key.as_deref(),
                ..NatsSettings::default()
            };
            let stream = StreamSettings {
                name: self.stream.as_deref(),
                replicas: self.replicas,
                max_age: self.max_age.as_deref(),
                synced: self.synced,
            };
            let mut fleet = Fleet::at(nats.nats(named)?).stream(stream.stream(named)?);
            if let Some(name) = &self.name {
                fleet = fleet.name(name);
            }
            if let Some(kind) = &self.caches {
                fleet = fleet.caches(like(kind, &named("caches"))?);
            }
            Ok(fleet)
        }
    }

    fn like(kind: &str, known_as: &str) -> Result<Cache, ConfigError> {
        Ok(match kind {
            "nginx" => Nginx::new().into(),
            "varnish" => Varnish::new().into(),
            "squid" => Squid::new().into(),
            "traffic-server" => TrafficServer::new().into(),
            _ => {
                let problem = "is not a kind of cache that agents purge: write `nginx`, `varnish`, `squid` or \
                               `traffic-server`";
                return Err(ConfigError::value(known_as, kind, problem));
            }
        })
    }

    /// How to reach the servers.
    #[derive(Clone, Copy, Default)]
    pub(crate) struct NatsSettings<'a> {
        pub(crate) servers: &'a str,
        pub(crate) credentials_file: Option<&'a str>,
        pub(crate) nkey_file: Option<&'a str>,
        pub(crate) token_file: Option<&'a str>,
        pub(crate) token_env: Option<&'a str>,
        /// The token itself.
        pub(crate) token: Option<&'a str>,
        pub(crate) user: Option<&'a str>,
        pub(crate) password_file: Option<&'a str>,
        pub(crate) password_env: Option<&'a str>,
        /// The password itself.
        pub(crate) password: Option<&'a str>,
        pub(crate) root_certificates: Option<&'a str>,
        pub(crate) client_certificate: Option<&'a str>,
        pub(crate) client_key: Option<&'a str>,
    }

    impl NatsSettings<'_> {
        /// `named` returns the name by which the user knows a field.
        pub(crate) fn nats(&self, named: Named<'_>) -> Result<Nats, ConfigError> {
            if self.servers.trim().is_empty() {
                let problem = "is not set: write `nats://nats-1.internal:4222`";
                return Err(ConfigError::value(named("nats"), "", problem));
            }
            let mut nats = Nats::at(self.servers).map_err(|error| error.about(&named("nats")))?;
            let mut identities = [
                ("credentials_file", self.credentials_file),
                ("nkey_file", self.nkey_file),
                ("token_file", self.token_file),
                ("token_env", self.token_env),
                ("token", self.token),
                ("user", self.user),
            ]
            .into_iter()
            .filter(|(_, set)| set.is_some());
            if let (Some((first, _)), Some((second, _))) = (identities.next(), identities.next()) {
                let problem = format!(
                    "(value not shown) cannot be set beside {}: remove one",
                    named(first)
                );
                return Err(ConfigError::value(named(second), "", problem));
            }
            if let Some(path) = self.credentials_file {
                nats = nats.credentials_file(path);
            }
            if let Some(path) = self.nkey_file {
                nats = nats.nkey_file(path);
            }
            if let Some(path) = self.token_file {
                nats = nats.token_file(path);
            }
            if let Some(variable) = self.token_env {
                nats = nats.token_env(variable);
            }
            if let Some(token) = self.token {
                nats = nats.token_of(&named("token"), token);
            }
            nats = self.with_password(nats, named)?;
            if let Some(path) = self.root_certificates {
                nats = nats.root_certificates(path);
            }
            match (self.client_certificate, self.client_key) {
                (Some(certificate), Some(key)) => Ok(nats.client_certificate(certificate, key)),
                (None, None) => Ok(nats),
                (Some(set), None) => Err(alone("client_certificate", set, "client_key", named)),
                (None, Some(set)) => Err(alone("client_key", set, "client_certificate", named)),
            }
        }

        fn with_password(&self, nats: Nats, named: Named<'_>) -> Result<Nats, ConfigError> {
            match (
                self.user,
                self.password_file,
                self.password_env,
                self.password,
            ) {
                (None, None, None, None) => Ok(nats),
                (Some(user), Some(path), None, None) => Ok(nats.password_file(user, path)),
                (Some(user), None, Some(variable), None) => Ok(nats.password_env(user, variable)),
                (Some(user), None, None, Some(password)) => {
                    Ok(nats.password_of(user, &named("password"), password))
                }
                (Some(user), None, None, None) => Err(alone("user", user, "password_file", named)),
                (None, ..) => {
                    let problem = format!(
                        "(value not shown) has no effect without {}: set the name of the user, too",
                        named("user")
                    );
                    Err(ConfigError::value(named("password"), "", problem))
                }
                (Some(_), Some(path), Some(variable), _) => {
                    let problem = format!(
                        "(value not shown) is set in two ways, by the file {path:?} and by the variable {variable}: remove one"
                    );
                    Err(ConfigError::value(named("password"), "", problem))
                }
                (Some(_), ..) => {
                    let problem = "(value not shown) is set in two ways: remove one";
                    Err(ConfigError::value(named("password"), "", problem))
                }
            }
        }
    }

    fn alone(field: &str, value: &str, other: &str, named: Named<'_>) -> ConfigError {
        // The environment has the password itself.
        let other = match named("password") {
            variable if other == "password_file" && variable != "password" => variable,
            _ => named(other),
        };
        let problem = format!("needs {other}: set both, or remove this one");
        ConfigError::value(named(field), value, problem)
    }

    /// The stream.
    #[derive(Debug, Clone, Copy, Default)]
    pub(crate) struct StreamSettings<'a> {
        pub(crate) name: Option<&'a str>,
        pub(crate) replicas: Option<usize>,
        pub(crate) max_age: Option<&'a str>,
        pub(crate) synced: bool,
    }

    impl StreamSettings<'_> {
        /// `named` returns the name by which the user knows a field.
        pub(crate) fn stream(&self, named: Named<'_>) -> Result<Stream, ConfigError> {
            let mut stream = Stream::new();
            if let Some(name) = self.name {
                let named = named("stream");
                stream = stream.named(name).map_err(|error| error.about(&named))?;
            }
            if let Some(replicas) = self.replicas {
                stream = stream.replicas(replicas);
                stream
                    .check()
                    .map_err(|error| error.about(&named("replicas")))?;
            }
            if let Some(text) = self.max_age {
                stream = stream.max_age(duration(&named("max_age"), text, "7days")?);
                stream
                    .check()
                    .map_err(|error| error.about(&named("max_age")))?;
            }
            Ok(if self.synced { stream.synced() } else { stream })
        }
    }

    /// Reads the variable of `replicas`.
    pub(crate) fn replicas(text: &str) -> Result<usize, ConfigError> {
        text.parse().map_err(|_| {
            let problem = "is not a whole number: write `3`";
            ConfigError::value(variable(&VARIABLES, "replicas"), text, problem)
        })
    }

    /// Reads the variable of `synced`.
    pub(crate) fn synced(text: Option<&str>) -> Result<bool, ConfigError> {
        let purpose = "state that `sync_interval: always` is set at the server";
        flag(&variable(&VARIABLES, "synced"), text, purpose)
    }

    /// Reads the environment; `get` returns the value of a variable.
    pub(crate) fn fleet_from_env(
        get: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Fleet, ConfigError> {
        let named = |field: &str| variable(&VARIABLES, field);
        let of = |field: &str| get(&named(field));
        let texts = VARIABLES.map(|(field, _)| of(field));
        let text = |field: &str| {
            let place = VARIABLES.iter().position(|(known, _)| *known == field)?;
            texts[place].as_deref()
        };
        let nats = NatsSettings {
            servers: text("nats").unwrap_or_default(),
            credentials_file: text("credentials_file"),
            nkey_file: text("nkey_file"),
            token: text("token"),
            user: text("user"),
            password: text("password"),
            root_certificates: text("root_certificates"),
            client_certificate: text("client_certificate"),
            client_key: text("client_key"),
            ..NatsSettings::default()
        };
        let stream = StreamSettings {
            name: text("stream"),
            replicas: text("replicas").map(replicas).transpose()?,
            max_age: text("max_age"),
            synced: synced(text("synced"))?,
        };
        let fleet = Fleet::at(nats.nats(&named)?).stream(stream.stream(&named)?);
        match text("caches") {
            Some(kind) => Ok(fleet.caches(like(kind, &named("caches"))?)),
            None => Ok(fleet),
        }
    }
}
