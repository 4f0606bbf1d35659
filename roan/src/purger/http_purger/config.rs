//! The settings of an [`HttpPurger`] as data, from a configuration file.

use std::collections::BTreeMap;
use std::fmt;

use super::{HttpPurger, RequestTemplate};
use crate::base::target::TargetKind;
use crate::error::ConfigError;
use crate::purger::Limits;
use crate::purger::http::node_settings;

/// The settings of an [`HttpPurger`]. It needs at least one node, and a preset or a request.
#[derive(Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct HttpPurgerConfig {
    /// Its name in reports.
    pub name: Option<String>,
    /// The URL of each node.
    pub nodes: Vec<String>,
    /// The URLs of nodes with names of their own.
    pub named_nodes: BTreeMap<String, String>,
    /// Headers to send with each request. `Debug` does not show their values.
    pub headers: BTreeMap<String, String>,
    /// Headers whose values are in environment variables: the name of the variable for each.
    pub headers_from_env: BTreeMap<String, String>,
    /// Headers whose values are in files: the path for each.
    pub headers_from_file: BTreeMap<String, String>,
    /// Whether to use the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub env_proxy: bool,
    /// `souin`, `pingora`, `http-invalidation` or `bunny`.
    pub preset: Option<String>,
    /// The id of the pull zone, for the preset `bunny`.
    pub pull_zone: Option<u64>,
    /// The request for a URL.
    pub url: Option<RequestConfig>,
    /// The request for tags.
    pub tag: Option<RequestConfig>,
    /// The request for prefixes.
    pub prefix: Option<RequestConfig>,
    /// The request for a host.
    pub host: Option<RequestConfig>,
    /// The request for everything.
    pub everything: Option<RequestConfig>,
}

/// The settings of a [`RequestTemplate`], with its limits.
#[derive(Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RequestConfig {
    /// The method. Default: `PURGE`.
    pub method: Option<String>,
    /// The template of the path.
    pub path: String,
    /// The templates of headers. `Debug` does not show them.
    pub headers: BTreeMap<String, String>,
    /// The template of a JSON body. `Debug` does not show it.
    pub json: Option<String>,
    /// As [`RequestTemplate::purged`].
    pub purged: Option<Vec<u16>>,
    /// As [`RequestTemplate::not_cached`].
    pub not_cached: Option<Vec<u16>>,
    /// As [`RequestTemplate::refused`].
    pub refused: Option<Vec<u16>>,
    /// As [`Limits::batch`].
    pub batch: Option<usize>,
    /// As [`Limits::rate`].
    pub rate: Option<f64>,
    /// As [`Limits::burst`].
    pub burst: Option<u32>,
}

// The numbers come from a file, in which NaN cannot be a limit.
impl Eq for HttpPurgerConfig {}
impl Eq for RequestConfig {}

impl RequestConfig {
    fn template(&self) -> Result<RequestTemplate, ConfigError> {
        let method = self.method.as_deref().unwrap_or("PURGE");
        let mut request = RequestTemplate::new(method, &self.path)?;
        for (name, template) in &self.headers {
            request = request.header(name, template)?;
        }
        if let Some(json) = &self.json {
            request = request.json(json)?;
        }
        if let Some(statuses) = &self.purged {
            request = request.purged(statuses.clone());
        }
        if let Some(statuses) = &self.not_cached {
            request = request.not_cached(statuses.clone());
        }
        if let Some(statuses) = &self.refused {
            request = request.refused(statuses.clone());
        }
        Ok(request)
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::new().batch(self.batch.unwrap_or(1));
        if let Some(rate) = self.rate {
            limits = limits.rate(rate);
        }
        match self.burst {
            Some(burst) => limits.burst(burst),
            None => limits,
        }
    }
}

impl HttpPurgerConfig {
    /// Returns the cache with these settings. `named` returns the name by which the user knows a field.
    pub(crate) fn http(&self, named: &dyn Fn(&str) -> String) -> Result<HttpPurger, ConfigError> {
        let known_as = |field: &'static str| move |error: ConfigError| error.about(&named(field));
        let mut http = self.preset(named)?;
        http.nodes.configure(node_settings!(self), named)?;
        for (name, variable) in &self.headers_from_env {
            http = http
                .header_from_env(name, variable)
                .map_err(known_as("headers_from_env"))?;
        }
        for (name, file) in &self.headers_from_file {
            http = http
                .header_from_file(name, file)
                .map_err(known_as("headers_from_file"))?;
        }
        for (field, kind, request) in [
            ("url", TargetKind::Url, &self.url),
            ("tag", TargetKind::Tag, &self.tag),
            ("prefix", TargetKind::Prefix, &self.prefix),
            ("host", TargetKind::Host, &self.host),
            ("everything", TargetKind::Everything, &self.everything),
        ] {
            if let Some(request) = request {
                let template = request.template().map_err(known_as(field))?;
                http = http.purges(kind, template).limits([kind], request.limits());
            }
        }
        http.checked()?;
        Ok(http)
    }

    /// The preset without nodes.
    fn preset(&self, named: &dyn Fn(&str) -> String) -> Result<HttpPurger, ConfigError> {
        // Replaced by the nodes of the settings.
        let url = "http://localhost";
        let preset = match (self.preset.as_deref(), self.pull_zone) {
            (None, None) => return Ok(HttpPurger::new()),
            (Some("souin"), None) => HttpPurger::souin(url)?,
            (Some("pingora"), None) => HttpPurger::pingora(url)?,
            (Some("http-invalidation"), None) => HttpPurger::http_invalidation(url)?,
            (Some("bunny"), Some(pull_zone)) => HttpPurger::bunny(url, pull_zone)?,
            (Some("bunny"), None) => {
                let problem = "needs `pull_zone`: write the id of the pull zone";
                return Err(ConfigError::value(named("preset"), "bunny", problem));
            }
            (Some("souin" | "pingora" | "http-invalidation") | None, Some(zone)) => {
                let problem = "has an effect only with the preset `bunny`: remove it";
                return Err(ConfigError::value(
                    named("pull_zone"),
                    zone.to_string(),
                    problem,
                ));
            }
            (Some(other), _) => {
                let problem = "is not a preset: write one of `souin`, `pingora`, `http-invalidation`, `bunny`";
                return Err(ConfigError::value(named("preset"), other, problem));
            }
        };
        Ok(preset.without_nodes())
    }
}

impl fmt::Debug for HttpPurgerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("HttpPurgerConfig");
        node_settings!(self).show(&mut shown);
        shown
            .field("headers_from_env", &self.headers_from_env)
            .field("headers_from_file", &self.headers_from_file)
            .field("preset", &self.preset)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RequestConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestConfig")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
