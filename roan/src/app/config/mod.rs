//! The configuration of a dispatcher as data, for your program's own configuration file.
//!
//! Use it to keep Roan's settings beside the other settings of your program. Enable the feature `serde`, put a
//! [`Config`] in your configuration type, and build the dispatcher from it:
//!
#![cfg_attr(feature = "serde", doc = "```no_run")]
#![cfg_attr(not(feature = "serde"), doc = "```ignore")]
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     listen: String,
//!     roan: roan::config::Config,
//! }
//!
//! let settings: Settings = toml::from_str(&std::fs::read_to_string("app.toml")?)?;
//! let roan = settings.roan.builder()?.install()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! For environment variables there is [`RoanBuilder::from_env`].

mod env;
#[cfg(feature = "_sql")]
mod outbox;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::app::RoanBuilder;
use crate::base::site::Site;
use crate::dispatcher::{
    MOST_CONCURRENCY, MOST_WAITING, check_delay, check_duration, check_number,
};
use crate::error::ConfigError;
use crate::purger::{DEFAULT_PURGE_URL, Nginx};

#[cfg(feature = "_sql")]
pub use outbox::OutboxConfig;

/// The settings of a dispatcher. Each has the meaning and the default of the [`RoanBuilder`] method of the same name.
/// Durations have a unit: `2s`, `500ms`, `1h 30m`.
///
/// With the feature `serde` it implements `Deserialize`. Unknown fields are errors.
#[cfg_attr(feature = "serde", doc = "```")]
#[cfg_attr(not(feature = "serde"), doc = "```ignore")]
/// let config: roan::config::Config = toml::from_str(r#"
///     site = "https://www.example.org"
///     rebound = "5s"
///
///     [[caches]]
///     kind = "nginx"
///     nodes = ["http://10.0.0.11/purge", "http://10.0.0.12/purge"]
/// "#)?;
/// let roan = config.builder()?.build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Config {
    /// The caches, in the order of purging.
    pub caches: Vec<CacheConfig>,
    /// The default site, as `https://www.example.org`.
    pub site: Option<String>,
    /// Further sites by name.
    pub sites: BTreeMap<String, String>,
    /// The delay of the second purge: a duration with a unit, or `off`.
    pub rebound: Option<String>,
    /// The maximum time to connect to a node: a duration with a unit.
    pub connect_timeout: Option<String>,
    /// The maximum time for a request: a duration with a unit.
    pub timeout: Option<String>,
    /// How long a purge is retried: a duration with a unit.
    pub max_age: Option<String>,
    /// The maximum number of requests in flight at one node.
    pub concurrency: Option<usize>,
    /// The maximum number of targets that wait for one node.
    pub max_waiting: Option<usize>,
    /// The durable outbox. Without it purges wait in memory.
    #[cfg(feature = "_sql")]
    pub outbox: Option<OutboxConfig>,
}

/// One cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "lowercase"))]
#[non_exhaustive]
pub enum CacheConfig {
    /// nginx with the cache-purge module: see [`Nginx`].
    Nginx(NginxConfig),
}

/// The settings of an [`Nginx`]. It needs at least one node.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct NginxConfig {
    /// Its name in reports.
    pub name: Option<String>,
    /// The purge URL of each node.
    pub nodes: Vec<String>,
    /// The purge URLs of nodes with names of their own.
    pub named_nodes: BTreeMap<String, String>,
    /// The HTTP method of a purge, by default `GET`.
    pub method: Option<String>,
    /// Headers to send with each purge. `Debug` does not show their values.
    pub headers: BTreeMap<String, String>,
    /// Whether to use the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub env_proxy: bool,
}

impl fmt::Debug for NginxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.nodes.iter().chain(self.named_nodes.values());
        f.debug_struct("NginxConfig")
            .field("name", &self.name)
            .field(
                "nodes",
                &urls
                    .map(|url| crate::base::site::redacted(url))
                    .collect::<Vec<_>>(),
            )
            .field("method", &self.method)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("env_proxy", &self.env_proxy)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Returns a builder with these settings.
    ///
    /// # Errors
    ///
    /// If a value or a purge URL is invalid.
    pub fn builder(&self) -> Result<RoanBuilder, ConfigError> {
        self.builder_with(&str::to_owned)
    }

    /// `named` returns the name by which the user knows a field.
    fn builder_with(&self, named: &dyn Fn(&str) -> String) -> Result<RoanBuilder, ConfigError> {
        let mut builder = RoanBuilder::default();
        for cache in &self.caches {
            let CacheConfig::Nginx(nginx) = cache;
            builder = builder.cache(nginx.nginx(named)?);
        }
        // Checked here, where the name of the setting is known.
        let check = |setting: &str, site: &String| match site.parse::<Site>() {
            Ok(_) => Ok(()),
            Err(error) => Err(ConfigError::site(&named(setting), error)),
        };
        if let Some(site) = &self.site {
            check("site", site)?;
            builder = builder.site(site);
        }
        for (name, site) in &self.sites {
            check("sites", site)?;
            builder = builder.named_site(name, site);
        }
        builder = match self.rebound.as_deref() {
            None => builder,
            Some("off") => builder.rebound(None),
            Some(text) => {
                let setting = named("rebound");
                let delay = parse_duration(&setting, text, " or `off`")?;
                check_delay(&setting, delay, text)?;
                builder.rebound(delay)
            }
        };
        let set = |builder,
                   field,
                   value: &Option<String>,
                   with: fn(RoanBuilder, Duration) -> RoanBuilder| {
            Ok::<_, ConfigError>(match value {
                Some(text) => {
                    let setting = named(field);
                    let duration = parse_duration(&setting, text, "")?;
                    check_duration(&setting, duration, text)?;
                    with(builder, duration)
                }
                None => builder,
            })
        };
        builder = set(
            builder,
            "connect_timeout",
            &self.connect_timeout,
            RoanBuilder::connect_timeout,
        )?;
        builder = set(builder, "timeout", &self.timeout, RoanBuilder::timeout)?;
        builder = set(builder, "max_age", &self.max_age, RoanBuilder::max_age)?;
        if let Some(requests) = self.concurrency {
            check_number(&named("concurrency"), requests, MOST_CONCURRENCY)?;
            builder = builder.concurrency(requests);
        }
        if let Some(targets) = self.max_waiting {
            check_number(&named("max_waiting"), targets, MOST_WAITING)?;
            builder = builder.max_waiting(targets);
        }
        #[cfg(feature = "_sql")]
        if let Some(outbox) = &self.outbox {
            builder = builder.outbox(outbox.outbox(named)?);
        }
        Ok(builder)
    }
}

fn parse_duration(setting: &str, text: &str, or: &str) -> Result<Duration, ConfigError> {
    humantime::parse_duration(text).map_err(|_| ConfigError::Value {
        setting: setting.to_owned(),
        value: text.to_owned(),
        problem: format!("is not a duration: write `2s`, `500ms`{or}"),
    })
}

fn number<T: FromStr>(setting: &str, value: &str) -> Result<T, ConfigError> {
    value.parse().map_err(|_| ConfigError::Value {
        setting: setting.to_owned(),
        value: value.to_owned(),
        problem: "is not a number".to_owned(),
    })
}

impl NginxConfig {
    fn nginx(&self, named: &dyn Fn(&str) -> String) -> Result<Nginx, ConfigError> {
        let rename = |field: &'static str| move |error: ConfigError| error.about(&named(field));
        let named_nodes = self.named_nodes.iter().map(|(name, url)| (Some(name), url));
        let nodes = self.nodes.iter().map(|url| (None, url)).chain(named_nodes);
        let mut nginx: Option<Nginx> = None;
        for (name, url) in nodes {
            let begun = nginx.unwrap_or_default();
            nginx = Some(
                match name {
                    Some(name) => begun.named_node(name, url),
                    None => begun.node(url),
                }
                .map_err(rename("nodes"))?,
            );
        }
        let Some(mut nginx) = nginx else {
            return Err(ConfigError::Value {
                setting: named("nodes"),
                value: String::new(),
                problem: "is empty: write a purge URL, such as `http://localhost/purge`".to_owned(),
            });
        };
        if let Some(name) = &self.name {
            nginx = nginx.name(name);
        }
        if let Some(method) = &self.method {
            nginx = nginx.method(method).map_err(rename("method"))?;
        }
        for (name, value) in &self.headers {
            nginx = nginx.header(name, value).map_err(rename("headers"))?;
        }
        Ok(if self.env_proxy {
            nginx.env_proxy()
        } else {
            nginx
        })
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        match toml::from_str::<Config>(text) {
            Err(error) => error.to_string(),
            Ok(config) => match config.builder().and_then(RoanBuilder::build) {
                Err(error) => error.to_string(),
                Ok(roan) => format!("{:?}", roan.stats().nodes),
            },
        }
    }

    #[test]
    fn a_file_may_say_all_that_the_builder_can() {
        let shown = message(
            r#"
            site = "https://www.example.org"
            rebound = "off"
            connect_timeout = "1s"
            timeout = "1m 30s"
            max_age = "2days"
            concurrency = 4
            max_waiting = 1000
            [sites]
            shop = "shop.example.org"
            [[caches]]
            kind = "nginx"
            name = "tier"
            nodes = ["http://10.0.0.11/purge"]
            named_nodes = { b = "http://10.0.0.12/purge" }
            method = "PURGE"
            headers = { X-Token = "secret" }
            env_proxy = true
            "#,
        );
        assert!(
            shown.contains(r#"cache: "tier", node: "10.0.0.11""#),
            "{shown}"
        );
        assert!(shown.contains(r#"node: "b""#), "{shown}");
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_file_may_name_an_outbox() {
        let text = |settings: &str| format!("[outbox]\nurl = 'sqlite://none/x.db'\n{settings}");
        // The folder does not exist; everything else is right.
        let all =
            "prefix = 'p_'\npoll = '1s'\nlease = '20s'\nretention = '2days'\nmax_attempts = 9";
        assert!(message(&text(all)).contains("cannot connect"));
        for (settings, words) in [
            ("poll = 'often'", "poll: \"often\" is not a duration"),
            ("prefix = 'a b'", "outbox prefix: must be up to 40"),
            (
                "notify = true",
                "outbox notify: is only available for PostgreSQL",
            ),
            ("prefx = 'x'", "unknown field `prefx`"),
        ] {
            let message = message(&text(settings));
            assert!(message.contains(words), "{settings}: {message}");
        }
        let message = message("[outbox]\nurl = 'redis://me:pw@x/'");
        assert!(message.contains("outbox: \"redis://***@x/\""), "{message}");
    }

    #[test]
    fn a_mistake_in_a_file_is_named() {
        for (text, words) in [
            ("sight = 'x'", "unknown field `sight`"),
            ("rebound = 'soon'", "rebound: \"soon\" is not a duration"),
            ("[sites]\nshop = 'a b'", "sites: \"a b\" has no host name"),
            (
                "concurrency = 0",
                "concurrency: \"0\" must be between 1 and 1024",
            ),
            ("max_age = '400days'", "must be at most a year"),
            ("[[caches]]\nkind = 'squid'", "unknown variant `squid`"),
            ("[[caches]]\nkind = 'nginx'", "nodes: \"\" is empty"),
            (
                "[[caches]]\nkind = 'nginx'\nnode = 'x'",
                "unknown field `node`",
            ),
            (
                "[[caches]]\nkind = 'nginx'\nnodes = ['x']",
                "nodes: \"x\" is no URL",
            ),
        ] {
            let message = message(text);
            assert!(message.contains(words), "{text}: {message}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let text =
            "[[caches]]\nkind = 'nginx'\nnodes = ['http://me:pw@x/']\nheaders = { X = 'pw' }";
        let config: Config = toml::from_str(text).unwrap();
        assert!(!format!("{config:?}").contains("pw"), "{config:?}");
    }
}
