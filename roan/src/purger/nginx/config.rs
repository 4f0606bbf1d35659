//! The settings of an [`Nginx`] as data, from a configuration file or the environment.

use std::collections::BTreeMap;
use std::fmt;

use super::{DEFAULT_ADDRESS, DEFAULT_PURGE_URL, Nginx};
use crate::base::redact::redacted;
use crate::error::ConfigError;

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
}

impl NginxConfig {
    /// The variable of the key.
    pub(crate) const KEY: &str = "ROAN_PURGE_KEY";

    /// The fields that the environment can set, with their variables.
    pub(crate) const VARIABLES: [(&str, &str); 7] = [
        ("nodes", "ROAN_PURGE_URL"),
        ("method", "ROAN_PURGE_METHOD"),
        ("headers", "ROAN_PURGE_HEADER"),
        ("env_proxy", "ROAN_ENV_PROXY"),
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
        let flag = |field: &str, purpose: &str| match get(field).as_deref() {
            None | Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(other) => {
                let problem = format!("must be 0 or 1: write `1` to {purpose}");
                Err(ConfigError::value(variable(field), other, problem))
            }
        };
        let mut headers = BTreeMap::new();
        if let Some(header) = get("headers") {
            let Some((name, value)) = header.split_once(':') else {
                let problem = "(value not shown) is not a header: write `Name: value`";
                return Err(ConfigError::value(variable("headers"), "", problem));
            };
            headers.insert(name.trim().to_owned(), value.trim().to_owned());
        }
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
        for url in &self.nodes {
            nginx = nginx.node(url).map_err(known_as("nodes"))?;
        }
        for (name, url) in &self.named_nodes {
            nginx = nginx
                .named_node(name, url)
                .map_err(known_as("named_nodes"))?;
        }
        if nginx.nodes.is_empty() {
            let problem = format!("is empty: write a purge URL, such as `{DEFAULT_PURGE_URL}`");
            return Err(ConfigError::value(named("nodes"), "", problem));
        }
        if let Some(name) = &self.name {
            nginx = nginx.name(name);
        }
        if let Some(method) = &self.method {
            nginx = nginx.method(method).map_err(known_as("method"))?;
        }
        if let Some(key) = &self.key {
            nginx = nginx.key(key).map_err(known_as("key"))?;
        }
        for (name, value) in &self.headers {
            nginx = nginx.header(name, value).map_err(known_as("headers"))?;
        }
        nginx.env_proxy = self.env_proxy;
        match &self.refresh {
            Some(secret) => nginx = nginx.refresh(secret).map_err(known_as("refresh"))?,
            None if self.refresh_missing => {
                let problem = format!("has no effect without {}: set that, too", named("refresh"));
                return Err(ConfigError::value(named("refresh_missing"), "", problem));
            }
            None => {}
        }
        nginx.refresh_missing = self.refresh_missing;
        nginx.checked().map_err(known_as("refresh"))?;
        Ok(nginx)
    }
}

impl fmt::Debug for NginxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.nodes.iter().chain(self.named_nodes.values());
        f.debug_struct("NginxConfig")
            .field("name", &self.name)
            .field("nodes", &urls.map(|url| redacted(url)).collect::<Vec<_>>())
            .field("method", &self.method)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("env_proxy", &self.env_proxy)
            .field("key", &self.key)
            .field("refresh", &self.refresh.is_some())
            .field("refresh_missing", &self.refresh_missing)
            .finish_non_exhaustive()
    }
}

fn variable(field: &str) -> String {
    let mut variables = NginxConfig::VARIABLES.iter();
    let entry = variables.find(|(known, _)| *known == field);
    entry.map_or(field, |(_, variable)| *variable).to_owned()
}

/// A comma may be part of a password, so only a comma before another URL separates.
fn listed_urls(value: &str) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for part in value.split(',') {
        let begins_url = ["http://", "https://"].iter().any(|scheme| {
            let part = part.trim_start();
            part.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        match urls.last_mut() {
            Some(last) if !begins_url => {
                last.push(',');
                last.push_str(part);
            }
            _ => urls.push(part.to_owned()),
        }
    }
    let tidy = |url: String| url.trim().trim_end_matches([',', ' ']).to_owned();
    urls.into_iter()
        .map(tidy)
        .filter(|url| !url.is_empty())
        .collect()
}
