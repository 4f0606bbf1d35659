//! The settings of an [`Nginx`] as data, from a configuration file or the environment.

use std::collections::BTreeMap;
use std::fmt;

use super::{DEFAULT_ADDRESS, DEFAULT_PURGE_URL, Nginx};
use crate::error::ConfigError;
use crate::purger::http::{
    self, ENV_PROXY, HEADERS, NODES, flag, header, listed_urls, node_settings,
};

/// The settings of an [`Nginx`]. It needs at least one node.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct NginxConfig {
    /// Its name in reports.
    pub name: Option<String>,
    /// The purge URL of each node; with `refresh`, the address of each nginx.
    pub nodes: Vec<String>,
    /// The purge URLs of nodes with names of their own.
    pub named_nodes: BTreeMap<String, String>,
    /// The HTTP method of a purge, by default `GET`.
    pub method: Option<String>,
    /// Headers to send with each purge. `Debug` does not show their values.
    pub headers: BTreeMap<String, String>,
    /// Whether to use the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub env_proxy: bool,
    /// The key of a page, as for [`Nginx::key`].
    pub key: Option<String>,
    /// The secret with which pages are refreshed instead of purged, as for [`Nginx::refresh`]. `Debug` does not show it.
    pub refresh: Option<String>,
    /// Whether to refresh pages that are not cached, too, as for [`Nginx::refresh_missing`].
    pub refresh_missing: bool,
    /// Whether a `*` at the end of a key is a wildcard, as for [`Nginx::wildcards`].
    pub wildcards: bool,
}

impl NginxConfig {
    /// The variable of the key.
    pub(crate) const KEY: &str = "ROAN_PURGE_KEY";

    /// The fields that the environment can set, with their variables.
    pub(crate) const VARIABLES: [(&str, &str); 7] = [
        NODES,
        ("method", "ROAN_PURGE_METHOD"),
        HEADERS,
        ENV_PROXY,
        ("key", Self::KEY),
        ("refresh", "ROAN_REFRESH_SECRET"),
        ("refresh_missing", "ROAN_REFRESH_MISSING"),
    ];

    /// Reads the environment; `get` returns the value of a variable.
    pub(crate) fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Nginx, ConfigError> {
        let get = |field: &str| get(&variable(field));
        let refresh = get("refresh");
        let default = match refresh {
            Some(_) => DEFAULT_ADDRESS,
            None => DEFAULT_PURGE_URL,
        };
        let urls = get("nodes").unwrap_or_else(|| default.to_owned());
        let flag =
            |field: &str, purpose: &str| flag(&variable(field), get(field).as_deref(), purpose);
        let headers = header(&variable("headers"), get("headers").as_deref())?;
        let env_proxy = flag("env_proxy", "use the proxies of the environment")?;
        let refresh_missing = flag("refresh_missing", "refresh pages that are not cached")?;
        let config = Self {
            nodes: listed_urls(&urls),
            method: get("method"),
            headers,
            env_proxy,
            key: get("key"),
            refresh,
            refresh_missing,
            ..Self::default()
        };
        config.nginx(&variable)
    }

    /// Returns the cache with these settings. `named` returns the name by which the user knows a field.
    pub(crate) fn nginx(&self, named: &dyn Fn(&str) -> String) -> Result<Nginx, ConfigError> {
        let known_as = |field: &'static str| move |error: ConfigError| error.about(&named(field));
        let mut nginx = Nginx::new();
        nginx.nodes.configure(node_settings!(self), named)?;
        if let Some(method) = &self.method {
            nginx = nginx.method(method).map_err(known_as("method"))?;
        }
        if let Some(key) = &self.key {
            nginx = nginx.key(key).map_err(known_as("key"))?;
        }
        match &self.refresh {
            Some(secret) => nginx = nginx.refresh(secret).map_err(known_as("refresh"))?,
            None if self.refresh_missing => {
                let problem = format!("has no effect without {}: set that, too", named("refresh"));
                return Err(ConfigError::value(named("refresh_missing"), "", problem));
            }
            None => {}
        }
        nginx.refresh_missing = self.refresh_missing;
        nginx.wildcards = self.wildcards;
        nginx.checked().map_err(known_as("refresh"))?;
        Ok(nginx)
    }
}

impl fmt::Debug for NginxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("NginxConfig");
        node_settings!(self).show(&mut shown);
        shown
            .field("method", &self.method)
            .field("key", &self.key)
            .field("refresh", &self.refresh.is_some())
            .field("refresh_missing", &self.refresh_missing)
            .field("wildcards", &self.wildcards)
            .finish_non_exhaustive()
    }
}

fn variable(field: &str) -> String {
    http::variable(&NginxConfig::VARIABLES, field)
}
