//! The settings of a [`Varnish`] as data, from a configuration file or the environment.

use std::collections::BTreeMap;
use std::fmt;

use super::{DEFAULT_ADDRESS, Varnish};
use crate::base::redact::redacted;
use crate::error::ConfigError;
use crate::purger::http::{NodeSettings, flag, header, listed_urls};

/// The settings of a [`Varnish`]. It needs at least one node.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct VarnishConfig {
    /// Its name in reports.
    pub name: Option<String>,
    /// The address of each node, such as `http://10.0.0.11:6081`.
    pub nodes: Vec<String>,
    /// The addresses of nodes with names of their own.
    pub named_nodes: BTreeMap<String, String>,
    /// Headers to send with each purge. `Debug` does not show their values.
    pub headers: BTreeMap<String, String>,
    /// Whether to use the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub env_proxy: bool,
    /// Whether pages become stale instead of being dropped, as for [`Varnish::soft`].
    pub soft: bool,
}

impl VarnishConfig {
    const NODES: &str = "ROAN_PURGE_URL";
    const HEADER: &str = "ROAN_PURGE_HEADER";
    const ENV_PROXY: &str = "ROAN_ENV_PROXY";
    const SOFT: &str = "ROAN_PURGE_SOFT";

    /// The fields that the environment can set, with their variables.
    pub(crate) const VARIABLES: [(&str, &str); 4] = [
        ("nodes", Self::NODES),
        ("headers", Self::HEADER),
        ("env_proxy", Self::ENV_PROXY),
        ("soft", Self::SOFT),
    ];

    /// Reads the environment; `get` returns the value of a variable.
    pub(crate) fn from_env(get: &dyn Fn(&str) -> Option<String>) -> Result<Varnish, ConfigError> {
        let flag = |variable: &str, purpose| flag(variable, get(variable).as_deref(), purpose);
        let urls = get(Self::NODES).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
        let config = Self {
            nodes: listed_urls(&urls),
            headers: header(Self::HEADER, get(Self::HEADER).as_deref())?,
            env_proxy: flag(Self::ENV_PROXY, "use the proxies of the environment")?,
            soft: flag(Self::SOFT, "make pages stale instead of dropping them")?,
            ..Self::default()
        };
        let variable = |field: &str| {
            let mut variables = Self::VARIABLES.iter();
            let entry = variables.find(|(known, _)| *known == field);
            entry.map_or(field, |(_, variable)| *variable).to_owned()
        };
        config.varnish(&variable)
    }

    /// Returns the cache with these settings. `named` returns the name by which the user knows a field.
    pub(crate) fn varnish(&self, named: &dyn Fn(&str) -> String) -> Result<Varnish, ConfigError> {
        let mut varnish = Varnish::new();
        let settings = NodeSettings {
            name: self.name.as_deref(),
            nodes: &self.nodes,
            named_nodes: &self.named_nodes,
            headers: &self.headers,
            env_proxy: self.env_proxy,
        };
        varnish.nodes.configure(settings, named)?;
        varnish.soft = self.soft;
        Ok(varnish)
    }
}

impl fmt::Debug for VarnishConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.nodes.iter().chain(self.named_nodes.values());
        f.debug_struct("VarnishConfig")
            .field("name", &self.name)
            .field("nodes", &urls.map(|url| redacted(url)).collect::<Vec<_>>())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("env_proxy", &self.env_proxy)
            .field("soft", &self.soft)
            .finish_non_exhaustive()
    }
}
