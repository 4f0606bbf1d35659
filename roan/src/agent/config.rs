//! The settings of an agent as data.

use std::net::SocketAddr;

use super::Agent;
use crate::dispatcher::duration;
use crate::error::ConfigError;
use crate::fleet::{Nats, Stream};

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
    /// The user of [`Nats::password_file`].
    pub user: Option<String>,
    /// The file of [`Nats::password_file`].
    pub password_file: Option<String>,
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
    /// The address of the health endpoint, such as `127.0.0.1:9112`.
    pub listen: Option<String>,
    /// How many messages may be taken and not acknowledged.
    pub most_open: Option<usize>,
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
        if let Some(text) = &self.listen {
            let address: SocketAddr = text.parse().map_err(|_| {
                let problem = "is not an address: write one such as `127.0.0.1:9112`";
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

    fn nats(&self) -> Result<Nats, ConfigError> {
        let Some(servers) = &self.nats else {
            let problem = "is not set: write the servers, such as `nats://nats-1.internal:4222`";
            return Err(ConfigError::value("nats", "", problem));
        };
        let mut nats = Nats::at(servers)?;
        let identities = [
            ("credentials_file", self.credentials_file.is_some()),
            ("nkey_file", self.nkey_file.is_some()),
            ("token_file", self.token_file.is_some()),
            ("password_file", self.password_file.is_some()),
        ];
        let mut set = identities.iter().filter(|(_, is_set)| *is_set);
        if let (Some((first, _)), Some((second, _))) = (set.next(), set.next()) {
            let problem = format!("is set beside `{first}`: remove one of them");
            return Err(ConfigError::value(*second, "(value not shown)", problem));
        }
        if let Some(file) = &self.credentials_file {
            nats = nats.credentials_file(file);
        }
        if let Some(file) = &self.nkey_file {
            nats = nats.nkey_file(file);
        }
        if let Some(file) = &self.token_file {
            nats = nats.token_file(file);
        }
        match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => nats = nats.password_file(user, file),
            (None, None) => {}
            (Some(user), None) => {
                let problem = "has no password: set `password_file`, too";
                return Err(ConfigError::value("user", user, problem));
            }
            (None, Some(file)) => {
                let problem = "has no user: set `user`, too";
                return Err(ConfigError::value("password_file", file, problem));
            }
        }
        if let Some(file) = &self.root_certificates {
            nats = nats.root_certificates(file);
        }
        match (&self.client_certificate, &self.client_key) {
            (Some(certificate), Some(key)) => Ok(nats.client_certificate(certificate, key)),
            (None, None) => Ok(nats),
            (Some(file), None) => {
                let problem = "has no key: set `client_key`, too";
                Err(ConfigError::value("client_certificate", file, problem))
            }
            (None, Some(file)) => {
                let problem = "has no certificate: set `client_certificate`, too";
                Err(ConfigError::value("client_key", file, problem))
            }
        }
    }

    fn stream(&self) -> Result<Stream, ConfigError> {
        let mut stream = Stream::new();
        if let Some(name) = &self.stream {
            stream = stream.named(name)?;
        }
        if let Some(replicas) = self.replicas {
            stream = stream.replicas(replicas);
        }
        if let Some(text) = &self.max_age {
            stream = stream.max_age(duration("max_age", text, "7days")?);
        }
        if self.synced {
            stream = stream.synced();
        }
        stream.check()?;
        Ok(stream)
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
        config.agent().map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(error(|_| {}), "");
        for (problem, words) in [
            (error(|config| config.nats = None), "nats: is not set: write the servers"),
            (error(|config| config.node = text("")), "is not a name for a node"),
            (error(|config| config.listen = text("9112")), "127.0.0.1:9112"),
            (error(|config| config.ready_lag = text("30")), "such as `30s`"),
            (error(|config| config.user = text("me")), "set `password_file`"),
            (error(|config| config.password_file = text("f")), "set `user`"),
            (error(|config| config.client_key = text("f")), "set `client_certificate`"),
            (error(|config| config.stream = text("a.b")), "not a name of a stream"),
            (error(|config| config.replicas = Some(9)), "must be 1 to 5"),
        ] {
            assert!(problem.contains(words), "{problem}");
        }
        let two = error(|config| {
            (config.nkey_file, config.token_file) = (text("a"), text("b"));
        });
        assert!(two.contains("is set beside `nkey_file`"), "{two}");
    }
}
