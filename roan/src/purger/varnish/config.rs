//! The settings of a [`Varnish`] as data, from a configuration file or the environment.

use std::collections::BTreeMap;
use std::fmt;

use super::{DEFAULT_ADDRESS, Varnish};
use crate::error::ConfigError;
use crate::purger::http::{
    self, ENV_PROXY, HEADERS, NODES, flag, header, listed_urls, node_settings,
};

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
    const SOFT: &str = "ROAN_PURGE_SOFT";

    /// The fields that the environment can set, with their variables.
    pub(crate) const VARIABLES: [(&str, &str); 4] =
        [NODES, HEADERS, ENV_PROXY, ("soft", Self::SOFT)];

    /// Reads the environment; `get` returns the value of a variable.
    pub(crate) fn from_env(get: &dyn Fn(&str) -> Option<String>) -> Result<Varnish, ConfigError> {
        let flag = |variable: &str, purpose| flag(variable, get(variable).as_deref(), purpose);
        let (_, header_variable) = HEADERS;
        let urls = get(NODES.1).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
        let config = Self {
            nodes: listed_urls(&urls),
            headers: header(header_variable, get(header_variable).as_deref())?,
            env_proxy: flag(ENV_PROXY.1, "use the proxies of the environment")?,
            soft: flag(Self::SOFT, "make pages stale instead of dropping them")?,
            ..Self::default()
        };
        config.varnish(&|field| http::variable(&Self::VARIABLES, field))
    }

    /// Returns the cache with these settings. `named` returns the name by which the user knows a field.
    pub(crate) fn varnish(&self, named: &dyn Fn(&str) -> String) -> Result<Varnish, ConfigError> {
        let mut varnish = Varnish::new();
        varnish.nodes.configure(node_settings!(self), named)?;
        varnish.soft = self.soft;
        Ok(varnish)
    }
}

impl fmt::Debug for VarnishConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("VarnishConfig");
        node_settings!(self).show(&mut shown);
        shown.field("soft", &self.soft).finish_non_exhaustive()
    }
}
