//! The settings of nodes as data, from a configuration file or the environment.

use std::collections::BTreeMap;
use std::fmt;

use super::Nodes;
use crate::base::redact::redacted;
use crate::error::ConfigError;

/// The variables of the environment that all kinds of cache read.
pub(crate) const NODES: (&str, &str) = ("nodes", "ROAN_PURGE_URL");
pub(crate) const HEADERS: (&str, &str) = ("headers", "ROAN_PURGE_HEADER");
pub(crate) const ENV_PROXY: (&str, &str) = ("env_proxy", "ROAN_ENV_PROXY");

/// The name of the variable that sets a field, of those in the table.
pub(crate) fn variable(table: &[(&str, &str)], field: &str) -> String {
    let entry = table.iter().find(|(known, _)| *known == field);
    entry.map_or(field, |(_, variable)| *variable).to_owned()
}

/// What the settings of all kinds of cache have in common.
#[derive(Clone, Copy)]
pub(crate) struct NodeSettings<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) nodes: &'a [String],
    pub(crate) named_nodes: &'a BTreeMap<String, String>,
    pub(crate) headers: &'a BTreeMap<String, String>,
    pub(crate) env_proxy: bool,
}

/// Those of a config, whose fields have these names.
macro_rules! node_settings {
    ($config:expr) => {
        $crate::purger::http::NodeSettings {
            name: $config.name.as_deref(),
            nodes: &$config.nodes,
            named_nodes: &$config.named_nodes,
            headers: &$config.headers,
            env_proxy: $config.env_proxy,
        }
    };
}

pub(crate) use node_settings;

impl NodeSettings<'_> {
    /// Adds them to what `Debug` shows of a config, without secrets.
    pub(crate) fn show(&self, shown: &mut fmt::DebugStruct<'_, '_>) {
        let urls = self.nodes.iter().chain(self.named_nodes.values());
        shown
            .field("name", &self.name)
            .field("nodes", &urls.map(|url| redacted(url)).collect::<Vec<_>>())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("env_proxy", &self.env_proxy);
    }
}

impl Nodes {
    /// Takes over these settings. `named` returns the name by which the user knows a field.
    pub(crate) fn configure(
        &mut self,
        settings: NodeSettings<'_>,
        named: &dyn Fn(&str) -> String,
    ) -> Result<(), ConfigError> {
        let known_as = |field: &'static str| move |error: ConfigError| error.about(&named(field));
        for url in settings.nodes {
            self.add(url).map_err(known_as("nodes"))?;
        }
        for (name, url) in settings.named_nodes {
            self.add_named(name, url).map_err(known_as("named_nodes"))?;
        }
        if self.urls().next().is_none() {
            let problem = format!(
                "is empty: write a purge URL, such as `{}`",
                self.cache().example
            );
            return Err(ConfigError::value(named("nodes"), "", problem));
        }
        if let Some(name) = settings.name {
            name.clone_into(&mut self.name);
        }
        for (name, value) in settings.headers {
            self.set_header(name, value).map_err(known_as("headers"))?;
        }
        self.env_proxy = settings.env_proxy;
        Ok(())
    }
}

/// A variable of the environment that is on or off. `purpose` says what `1` does.
pub(crate) fn flag(
    variable: &str,
    value: Option<&str>,
    purpose: &str,
) -> Result<bool, ConfigError> {
    match value {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => {
            let problem = format!("must be 0 or 1: write `1` to {purpose}");
            Err(ConfigError::value(variable, other, problem))
        }
    }
}

/// A variable of the environment with a header, as `Name: value`.
pub(crate) fn header(
    variable: &str,
    value: Option<&str>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut headers = BTreeMap::new();
    if let Some(header) = value {
        let Some((name, value)) = header.split_once(':') else {
            let problem = "(value not shown) is not a header: write `Name: value`";
            return Err(ConfigError::value(variable, "", problem));
        };
        headers.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok(headers)
}

/// The URLs of a list. A comma may be part of a password, so only a comma before another URL separates.
pub(crate) fn listed_urls(value: &str) -> Vec<String> {
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
