//! The settings of a [`Squid`] or [`TrafficServer`] as data, from a configuration file or the environment.

use std::collections::BTreeMap;
use std::fmt;

use super::{Nodes, Squid, TrafficServer};
use crate::error::ConfigError;
use crate::purger::http::{
    self, ENV_PROXY, HEADERS, NODES, flag, header, listed_urls, node_settings,
};

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
    /// The fields that the environment can set, with their variables.
    pub(crate) const VARIABLES: [(&str, &str); 3] = [NODES, HEADERS, ENV_PROXY];

    /// Reads the environment; `get` returns the value of a variable.
    fn from_env(get: Get<'_>, default: &str) -> Result<Self, ConfigError> {
        let (_, header_variable) = HEADERS;
        let (_, proxy) = ENV_PROXY;
        let purpose = "use the proxies of the environment";
        let urls = get(NODES.1).unwrap_or_else(|| default.to_owned());
        Ok(Self {
            nodes: listed_urls(&urls),
            headers: header(header_variable, get(header_variable).as_deref())?,
            env_proxy: flag(proxy, get(proxy).as_deref(), purpose)?,
            ..Self::default()
        })
    }

    /// `named` returns the name by which the user knows a field.
    fn configure(
        &self,
        nodes: &mut Nodes,
        named: &dyn Fn(&str) -> String,
    ) -> Result<(), ConfigError> {
        nodes.configure(node_settings!(self), named)
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
    http::variable(&PurgeMethodConfig::VARIABLES, field)
}

impl fmt::Debug for PurgeMethodConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PurgeMethodConfig");
        node_settings!(self).show(&mut shown);
        shown.finish_non_exhaustive()
    }
}
