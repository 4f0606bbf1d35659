//! The settings of an agent as data.

use std::net::SocketAddr;

use super::Agent;
use crate::app::config::fleet::{NatsSettings, StreamSettings, VARIABLES, replicas, synced};
use crate::dispatcher::duration;
use crate::error::ConfigError;
use crate::fleet::{Nats, Stream};
use crate::purger::http::variable;

/// The settings of an [`Agent`]. Each has the meaning and the default of the method of the same name, of [`Agent`], [`Nats`] or
/// [`Stream`]. Durations have a unit: `30s`, `7days`.
///
/// With the feature `serde` it implements `Deserialize`. Unknown fields are errors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct AgentConfig {
    /// The servers, as [`Nats::at`] reads them.
    pub nats: Option<String>,
    /// The file of [`Nats::credentials_file`].
    pub credentials_file: Option<String>,
    /// The file of [`Nats::nkey_file`].
    pub nkey_file: Option<String>,
    /// The file of [`Nats::token_file`].
    pub token_file: Option<String>,
    /// The variable of [`Nats::token_env`].
    pub token_env: Option<String>,
    /// The user of [`Nats::password_file`].
    pub user: Option<String>,
    /// The file of [`Nats::password_file`].
    pub password_file: Option<String>,
    /// The variable of [`Nats::password_env`].
    pub password_env: Option<String>,
    /// The file of [`Nats::root_certificates`].
    pub root_certificates: Option<String>,
    /// The certificate of [`Nats::client_certificate`].
    pub client_certificate: Option<String>,
    /// Its key.
    pub client_key: Option<String>,
    /// The name of the stream.
    pub stream: Option<String>,
    /// The number of copies of [`Stream::replicas`].
    pub replicas: Option<usize>,
    /// How long the stream keeps messages.
    pub max_age: Option<String>,
    /// Whether the server writes each message to the disk at once: see [`Stream::synced`].
    pub synced: bool,
    /// The name of the node.
    pub node: Option<String>,
    /// The sites that the node serves; `-` is the default site.
    pub sites: Vec<String>,
    /// The command that empties the cache.
    pub empty_with: Option<String>,
    /// How long the servers keep the place of this agent while it is away.
    pub inactive_threshold: Option<String>,
    /// How far the agent may be behind while it is ready.
    pub ready_lag: Option<String>,
    /// The address of the health endpoint, such as `127.0.0.1:9112`; `off` for none.
    pub listen: Option<String>,
    /// How many messages may be taken and not acknowledged.
    pub most_open: Option<usize>,
    /// Where the environment set the rest: the fields that it did not.
    #[cfg_attr(feature = "serde", serde(skip))]
    beside_env: Option<Vec<&'static str>>,
}

impl AgentConfig {
    /// Returns an agent with these settings.
    ///
    /// # Errors
    ///
    /// If a value is invalid, or the servers are missing.
    pub fn agent(&self) -> Result<Agent, ConfigError> {
        let mut agent = Agent::new(self.nats()?).stream(self.stream()?);
        if let Some(node) = &self.node {
            agent = agent.node(node);
        }
        if !self.sites.is_empty() {
            agent = agent.sites(&self.sites);
        }
        if let Some(command) = &self.empty_with {
            agent = agent.empty_with(command);
        }
        if let Some(text) = &self.inactive_threshold {
            agent = agent.inactive_threshold(duration("inactive_threshold", text, "7days")?);
        }
        if let Some(text) = &self.ready_lag {
            agent = agent.ready_lag(duration("ready_lag", text, "30s")?);
        }
        // The command listens by default.
        if let Some(text) = self.listen.as_ref().filter(|text| *text != "off") {
            let address: SocketAddr = text.parse().map_err(|_| {
                let problem = "is not an address: write one such as `127.0.0.1:9112`, or `off`";
                ConfigError::value("listen", text, problem)
            })?;
            agent = agent.listen(address);
        }
        if let Some(messages) = self.most_open {
            agent = agent.most_open(messages);
        }
        agent.check()?;
        Ok(agent)
    }

    /// Takes from the environment what is not set: the node (`ROAN_NODE`), the command that empties the cache
    /// (`ROAN_EMPTY_WITH`), and, where no servers are set, these and what belongs to them (`ROAN_FLEET`,
    /// `ROAN_FLEET_CREDENTIALS` and so on, as [`RoanBuilder::from_env`](crate::RoanBuilder::from_env) lists them).
    ///
    /// # Errors
    ///
    /// If a number or a flag is invalid.
    pub fn or_from_env(self) -> Result<Self, ConfigError> {
        self.or_from(&|name| std::env::var(name).ok())
    }

    fn or_from(mut self, get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        // Deployments often set an omitted variable to the empty text.
        let get = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        self.node = self.node.or_else(|| get("ROAN_NODE"));
        self.empty_with = self.empty_with.or_else(|| get("ROAN_EMPTY_WITH"));
        if self.nats.is_some() {
            return Ok(self);
        }
        let of = |field: &str| get(&variable(&VARIABLES, field));
        let mut in_file = Vec::new();
        for (place, field) in [
            (&mut self.nats, "nats"),
            (&mut self.credentials_file, "credentials_file"),
            (&mut self.nkey_file, "nkey_file"),
            (&mut self.user, "user"),
            (&mut self.root_certificates, "root_certificates"),
            (&mut self.client_certificate, "client_certificate"),
            (&mut self.client_key, "client_key"),
            (&mut self.stream, "stream"),
            (&mut self.max_age, "max_age"),
        ] {
            match place {
                Some(_) => in_file.push(field),
                None => *place = of(field),
            }
        }
        // The secrets stay there.
        for (place, field) in [
            (&mut self.token_env, "token"),
            (&mut self.password_env, "password"),
        ] {
            match place {
                Some(_) => in_file.push(field),
                None => *place = of(field).map(|_| variable(&VARIABLES, field)),
            }
        }
        match self.replicas {
            Some(_) => in_file.push("replicas"),
            None => self.replicas = of("replicas").as_deref().map(replicas).transpose()?,
        }
        self.synced |= synced(of("synced").as_deref())?;
        self.beside_env = Some(in_file);
        Ok(self)
    }

    /// The name by which the user knows a field.
    fn named(&self, field: &str) -> String {
        let known_as = match field {
            "token_env" => "token",
            _ => field,
        };
        // A user of the file gets a password of the file.
        let decides = match field {
            "password" => "user",
            _ => known_as,
        };
        let has_variable = VARIABLES.iter().any(|(known, _)| *known == known_as);
        match &self.beside_env {
            Some(in_file) if has_variable && !in_file.contains(&decides) => {
                variable(&VARIABLES, known_as)
            }
            _ => field.to_owned(),
        }
    }

    fn nats(&self) -> Result<Nats, ConfigError> {
        let settings = NatsSettings {
            servers: self.nats.as_deref().unwrap_or_default(),
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
        settings.nats(&|field| self.named(field))
    }

    fn stream(&self) -> Result<Stream, ConfigError> {
        let settings = StreamSettings {
            name: self.stream.as_deref(),
            replicas: self.replicas,
            max_age: self.max_age.as_deref(),
            synced: self.synced,
        };
        settings.stream(&|field| self.named(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(change: impl FnOnce(&mut AgentConfig)) -> String {
        let mut config = AgentConfig {
            nats: Some("nats://127.0.0.1".to_owned()),
            node: Some("edge-1".to_owned()),
            ..AgentConfig::default()
        };
        change(&mut config);
        config
            .agent()
            .map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(error(|_| {}), "");
        assert_eq!(error(|config| config.listen = text("off")), "");
        for (problem, words) in [
            (
                error(|config| config.nats = None),
                "nats: is not set: write",
            ),
            (
                error(|config| config.node = text("")),
                "is not a name for a node",
            ),
            (
                error(|config| config.listen = text("9112")),
                "127.0.0.1:9112",
            ),
            (
                error(|config| config.ready_lag = text("30")),
                "such as `30s`",
            ),
            (
                error(|config| config.user = text("me")),
                "needs password_file",
            ),
            (
                error(|config| config.client_key = text("f")),
                "needs client_certificate",
            ),
            (
                error(|config| config.stream = text("a.b")),
                "not a name of a stream",
            ),
            (error(|config| config.replicas = Some(9)), "must be 1 to 5"),
        ] {
            assert!(problem.contains(words), "{problem}");
        }
    }

    #[test]
    fn what_is_not_set_comes_from_the_environment() {
        let of = |config: AgentConfig, variables: &[(&str, &str)]| {
            let get = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            config.or_from(&get)
        };
        let servers = ("ROAN_FLEET", "nats://a");
        let node = ("ROAN_NODE", "edge-1");
        let config = of(AgentConfig::default(), &[servers, node]).unwrap();
        assert_eq!(config.agent().unwrap().node_name(), "edge-1");
        let in_file = AgentConfig {
            nats: Some("nats://b".to_owned()),
            ..AgentConfig::default()
        };
        // The variables are about the servers of `ROAN_FLEET`.
        let user = ("ROAN_FLEET_USER", "me");
        let config = of(in_file, &[servers, node, user]).unwrap();
        assert_eq!(
            (config.nats.as_deref(), config.user),
            (Some("nats://b"), None)
        );
        let in_file = AgentConfig {
            root_certificates: Some("ca.pem".to_owned()),
            user: Some("me".to_owned()),
            password_file: Some("password".to_owned()),
            replicas: Some(3),
            synced: true,
            ..AgentConfig::default()
        };
        let more = [
            servers,
            node,
            ("ROAN_FLEET_ROOT_CERTIFICATES", "other.pem"),
            ("ROAN_FLEET_REPLICAS", "1"),
            ("ROAN_FLEET_SYNCED", "0"),
            ("ROAN_FLEET_MAX_AGE", "3days"),
        ];
        let config = of(in_file.clone(), &more).unwrap();
        let same = AgentConfig {
            nats: Some("nats://a".to_owned()),
            node: Some("edge-1".to_owned()),
            max_age: Some("3days".to_owned()),
            beside_env: config.beside_env.clone(),
            ..in_file.clone()
        };
        assert_eq!(config, same);
        assert_eq!(config.agent().unwrap().node_name(), "edge-1");

        let error_beside = |config: &AgentConfig, variables: &[(&str, &str)]| {
            let config = of(config.clone(), variables);
            let agent = config.and_then(|config| config.agent());
            agent
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        let error = |variables: &[(&str, &str)]| error_beside(&AgentConfig::default(), variables);
        let no_password = AgentConfig {
            password_file: None,
            ..in_file.clone()
        };
        for (problem, words) in [
            (
                error_beside(&in_file, &[servers, node, ("ROAN_FLEET_NKEY", "key")]),
                "user: (value not shown) cannot be set beside ROAN_FLEET_NKEY: remove one",
            ),
            (
                error_beside(&in_file, &[servers, node, ("ROAN_FLEET_PASSWORD", "p")]),
                "password: (value not shown) is set in two ways, by the file \"password\" and by the variable ROAN_FLEET_PASSWORD: \
                 remove one",
            ),
            (
                error_beside(
                    &AgentConfig {
                        token_file: Some("token".to_owned()),
                        ..AgentConfig::default()
                    },
                    &[servers, node, ("ROAN_FLEET_TOKEN", "t")],
                ),
                "ROAN_FLEET_TOKEN: (value not shown) cannot be set beside token_file: remove one",
            ),
            (
                error_beside(&no_password, &[servers, node]),
                "user: \"me\" needs password_file",
            ),
            (error(&[node]), "ROAN_FLEET: is not set"),
            (
                error(&[servers, node, user]),
                "ROAN_FLEET_USER: \"me\" needs ROAN_FLEET_PASSWORD",
            ),
            (
                error(&[servers, node, ("ROAN_FLEET_REPLICAS", "x")]),
                "ROAN_FLEET_REPLICAS",
            ),
            (
                error(&[servers, node, ("ROAN_FLEET_SYNCED", "x")]),
                "ROAN_FLEET_SYNCED",
            ),
        ] {
            assert!(problem.contains(words), "{problem}");
        }
    }
}
