//! The settings of a [`Squid`] or [`TrafficServer`] as data, from a configuration file or the environment.

use std::collections::BTreeMap;
use std::fmt;

use super::{Nodes, Squid, TrafficServer};
use crate::base::redact::redacted;
use crate::error::ConfigError;
use crate::purger::http::{NodeSettings, flag, header, listed_urls};

/// The settings of a [`Squid`] or a [`TrafficServer`]. It needs at least one node.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct PurgeMethodConfig {
    /// Its name in reports.
    pub name: Option<String>,
    /// The address of each node, such as `http://10.0.0.11`.
    pub nodes: Vec<String>,
    /// The addresses of nodes with names of their own.
    pub named_nodes: BTreeMap<String, String>,
    /// Headers to send with each purge. `Debug` does not show their values.
    pub headers: BTreeMap<String, String>,
    /// Whether to use the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub env_proxy: bool,
}

type Get<'a> = &'a dyn Fn(&str) -> Option<String>;

impl PurgeMethodConfig {
    const NODES: &str = "ROAN_PURGE_URL";
    const HEADER: &str = "ROAN_PURGE_HEADER";
    const ENV_PROXY: &str = "ROAN_ENV_PROXY";

    /// The fields that the environment can set, with their variables.
    pub(crate) const VARIABLES: [(&str, &str); 3] = [
        ("nodes", Self::NODES),
        ("headers", Self::HEADER),
        ("env_proxy", Self::ENV_PROXY),
    ];

    /// Reads the environment; `get` returns the value of a variable.
    fn from_env(get: Get<'_>, default: &str) -> Result<Self, ConfigError> {
        let urls = get(Self::NODES).unwrap_or_else(|| default.to_owned());
        let proxy = get(Self::ENV_PROXY);
        Ok(Self {
            nodes: listed_urls(&urls),
            headers: header(Self::HEADER, get(Self::HEADER).as_deref())?,
            env_proxy: flag(
                Self::ENV_PROXY,
                proxy.as_deref(),
                "use the proxies of the environment",
            )?,
            ..Self::default()
        })
    }

    /// `named` returns the name by which the user knows a field.
    fn configure(
        &self,
        nodes: &mut Nodes,
        named: &dyn Fn(&str) -> String,
    ) -> Result<(), ConfigError> {
        let settings = NodeSettings {
            name: self.name.as_deref(),
            nodes: &self.nodes,
            named_nodes: &self.named_nodes,
            headers: &self.headers,
            env_proxy: self.env_proxy,
        };
        nodes.configure(settings, named)
    }

    pub(crate) fn squid(&self, named: &dyn Fn(&str) -> String) -> Result<Squid, ConfigError> {
        let mut squid = Squid::new();
        self.configure(&mut squid.nodes, named)?;
        Ok(squid)
    }

    pub(crate) fn squid_from_env(get: Get<'_>) -> Result<Squid, ConfigError> {
        let example = super::squid::SQUID.cache.example;
        Self::from_env(get, example)?.squid(&variable)
    }

    pub(crate) fn traffic_server(
        &self,
        named: &dyn Fn(&str) -> String,
    ) -> Result<TrafficServer, ConfigError> {
        let mut server = TrafficServer::new();
        self.configure(&mut server.nodes, named)?;
        Ok(server)
    }

    pub(crate) fn traffic_server_from_env(get: Get<'_>) -> Result<TrafficServer, ConfigError> {
        let example = super::traffic_server::TRAFFIC_SERVER.cache.example;
        Self::from_env(get, example)?.traffic_server(&variable)
    }
}

fn variable(field: &str) -> String {
    let mut variables = PurgeMethodConfig::VARIABLES.iter();
    let entry = variables.find(|(known, _)| *known == field);
    entry.map_or(field, |(_, variable)| *variable).to_owned()
}

impl fmt::Debug for PurgeMethodConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.nodes.iter().chain(self.named_nodes.values());
        f.debug_struct("PurgeMethodConfig")
            .field("name", &self.name)
            .field("nodes", &urls.map(|url| redacted(url)).collect::<Vec<_>>())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("env_proxy", &self.env_proxy)
            .finish_non_exhaustive()
    }
}
