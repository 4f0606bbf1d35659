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

#[cfg(feature = "embedded")]
mod embedded;
mod env;
pub(crate) mod fleet;
mod kinds;
#[cfg(feature = "_sql")]
mod outbox;

use std::collections::BTreeMap;
#[cfg(not(all(
    unix,
    feature = "nginx-files",
    feature = "cloudfront",
    feature = "embedded",
    feature = "nats",
    feature = "_sql"
)))]
use std::convert::Infallible;
use std::fmt;

use crate::app::RoanBuilder;
use crate::base::redact::redacted_site;
use crate::dispatcher::SETTINGS;
use crate::error::ConfigError;

#[cfg(feature = "embedded")]
pub use self::embedded::EmbeddedConfig;
#[cfg(feature = "nats")]
#[cfg_attr(docsrs, doc(cfg(feature = "nats")))]
pub use self::fleet::FleetConfig;
pub use crate::purger::NginxConfig;
#[cfg(all(unix, feature = "nginx-files"))]
pub use crate::purger::NginxFilesConfig;
#[cfg(feature = "cdn")]
#[cfg_attr(docsrs, doc(cfg(feature = "cdn")))]
pub use crate::purger::cloudflare::CloudflareConfig;
#[cfg(feature = "cloudfront")]
#[cfg_attr(docsrs, doc(cfg(feature = "cloudfront")))]
pub use crate::purger::cloudfront::CloudFrontConfig;
#[cfg(feature = "cdn")]
#[cfg_attr(docsrs, doc(cfg(feature = "cdn")))]
pub use crate::purger::fastly::FastlyConfig;
pub use crate::purger::{HttpPurgerConfig, PurgeMethodConfig, RequestConfig, VarnishConfig};
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
#[derive(Clone, Default, PartialEq, Eq)]
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
    /// Which spellings of a page are purged: `common` or `exact`.
    pub spellings: Option<String>,
    /// The durable outbox. Without it purges wait in memory.
    #[cfg(feature = "_sql")]
    pub outbox: Option<OutboxConfig>,
    #[cfg(not(feature = "_sql"))]
    #[cfg_attr(feature = "serde", serde(deserialize_with = "outbox_is_left_out"))]
    pub(crate) outbox: Option<Infallible>,
}

/// What an outbox needs of which this build has none.
#[cfg(not(feature = "_sql"))]
fn outbox_needs() -> &'static str {
    "needs the feature `sqlite`, `postgres` or `mysql` of the crate `roan`: write `features = [\"postgres\"]`, or the one of \
     your database, at `roan` in Cargo.toml"
}

#[cfg(all(not(feature = "_sql"), feature = "serde"))]
fn outbox_is_left_out<'de, D>(_: D) -> Result<Option<Infallible>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let problem = format!("outbox: {}", outbox_needs());
    Err(serde::de::Error::custom(problem))
}

/// One cache. A kind that needs a feature which is off can be named, and is an error that says so when it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "lowercase"))]
#[non_exhaustive]
pub enum CacheConfig {
    /// See [`Nginx`](crate::Nginx).
    Nginx(NginxConfig),
    /// See [`NginxFiles`](crate::NginxFiles). In a file, `kind = "nginx-files"`.
    #[cfg(all(unix, feature = "nginx-files"))]
    #[cfg_attr(feature = "serde", serde(rename = "nginx-files"))]
    NginxFiles(NginxFilesConfig),
    #[cfg(not(all(unix, feature = "nginx-files")))]
    #[doc(hidden)]
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "nginx-files",
            deserialize_with = "kinds::left_out::nginx_files"
        )
    )]
    NginxFiles(Infallible),
    /// See [`Cloudflare`](crate::purger::cloudflare::Cloudflare).
    #[cfg(feature = "cdn")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cdn")))]
    Cloudflare(CloudflareConfig),
    #[cfg(not(feature = "cdn"))]
    #[doc(hidden)]
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "kinds::left_out::cloudflare")
    )]
    Cloudflare(Infallible),
    /// See [`Fastly`](crate::purger::fastly::Fastly).
    #[cfg(feature = "cdn")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cdn")))]
    Fastly(FastlyConfig),
    #[cfg(not(feature = "cdn"))]
    #[doc(hidden)]
    #[cfg_attr(feature = "serde", serde(deserialize_with = "kinds::left_out::fastly"))]
    Fastly(Infallible),
    /// See [`CloudFront`](crate::purger::cloudfront::CloudFront).
    #[cfg(feature = "cloudfront")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cloudfront")))]
    CloudFront(CloudFrontConfig),
    #[cfg(not(feature = "cloudfront"))]
    #[doc(hidden)]
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "kinds::left_out::cloudfront")
    )]
    CloudFront(Infallible),
    /// See [`Embedded`](crate::Embedded), and [`Roan::embedded`](crate::Roan::embedded) for its layer.
    #[cfg(feature = "embedded")]
    Embedded(EmbeddedConfig),
    #[cfg(not(feature = "embedded"))]
    #[doc(hidden)]
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "kinds::left_out::embedded")
    )]
    Embedded(Infallible),
    /// See [`Varnish`](crate::Varnish).
    Varnish(VarnishConfig),
    /// See [`Squid`](crate::Squid).
    Squid(PurgeMethodConfig),
    /// See [`TrafficServer`](crate::TrafficServer). In a file, `kind = "traffic-server"`.
    #[cfg_attr(feature = "serde", serde(rename = "traffic-server"))]
    TrafficServer(PurgeMethodConfig),
    /// See [`Fleet`](crate::Fleet).
    #[cfg(feature = "nats")]
    #[cfg_attr(docsrs, doc(cfg(feature = "nats")))]
    Fleet(Box<FleetConfig>),
    #[cfg(not(feature = "nats"))]
    #[doc(hidden)]
    #[cfg_attr(feature = "serde", serde(deserialize_with = "kinds::left_out::fleet"))]
    Fleet(Infallible),
    /// See [`HttpPurger`](crate::purger::HttpPurger).
    Http(Box<HttpPurgerConfig>),
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let site = |site: &String| redacted_site(site);
        let sites: BTreeMap<_, _> = self
            .sites
            .iter()
            .map(|(name, one)| (name, site(one)))
            .collect();
        let mut shown = f.debug_struct("Config");
        shown.field("caches", &self.caches);
        shown.field("site", &self.site.as_ref().map(site));
        shown.field("sites", &sites);
        for (name, text) in self.settings() {
            shown.field(name, &text);
        }
        #[cfg(feature = "_sql")]
        shown.field("outbox", &self.outbox);
        shown.finish()
    }
}

impl Config {
    /// Returns a builder with these settings.
    ///
    /// # Errors
    ///
    /// If a value or a purge URL is invalid.
    pub fn builder(&self) -> Result<RoanBuilder, ConfigError> {
        let mut builder = RoanBuilder::default();
        for cache in &self.caches {
            builder = match cache {
                CacheConfig::Nginx(nginx) => builder.cache(nginx.nginx(&str::to_owned)?),
                #[cfg(all(unix, feature = "nginx-files"))]
                CacheConfig::NginxFiles(files) => builder.cache(files.files(&str::to_owned)?),
                #[cfg(not(all(unix, feature = "nginx-files")))]
                CacheConfig::NginxFiles(never) => match *never {},
                #[cfg(feature = "cdn")]
                CacheConfig::Cloudflare(zone) => builder.cache(zone.cloudflare(&str::to_owned)?),
                #[cfg(feature = "cdn")]
                CacheConfig::Fastly(service) => builder.cache(service.fastly(&str::to_owned)?),
                #[cfg(not(feature = "cdn"))]
                CacheConfig::Cloudflare(never) | CacheConfig::Fastly(never) => match *never {},
                #[cfg(feature = "cloudfront")]
                CacheConfig::CloudFront(cdn) => builder.cache(cdn.cloudfront(&str::to_owned)?),
                #[cfg(not(feature = "cloudfront"))]
                CacheConfig::CloudFront(never) => match *never {},
                #[cfg(feature = "embedded")]
                CacheConfig::Embedded(cache) => builder.cache(cache.embedded(&str::to_owned)?),
                #[cfg(not(feature = "embedded"))]
                CacheConfig::Embedded(never) => match *never {},
                CacheConfig::Varnish(varnish) => builder.cache(varnish.varnish(&str::to_owned)?),
                CacheConfig::Squid(squid) => builder.cache(squid.squid(&str::to_owned)?),
                CacheConfig::TrafficServer(server) => {
                    builder.cache(server.traffic_server(&str::to_owned)?)
                }
                #[cfg(feature = "nats")]
                CacheConfig::Fleet(fleet) => builder.cache(fleet.fleet(&str::to_owned)?),
                #[cfg(not(feature = "nats"))]
                CacheConfig::Fleet(never) => match *never {},
                CacheConfig::Http(http) => builder.cache(http.http(&str::to_owned)?),
            };
        }
        if let Some(site) = &self.site {
            builder.set_site("site", None, site)?;
        }
        for (name, site) in &self.sites {
            builder.set_site("sites", Some(name), site)?;
        }
        for (name, text) in self.settings() {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            if let (Some(setting), Some(text)) = (setting, text) {
                setting.read(&mut builder.policy, name, &text)?;
            }
        }
        #[cfg(feature = "_sql")]
        if let Some(outbox) = &self.outbox {
            builder = builder.outbox(outbox.outbox(&str::to_owned)?);
        }
        Ok(builder)
    }

    fn settings(&self) -> [(&'static str, Option<String>); 7] {
        [
            ("rebound", self.rebound.clone()),
            ("connect_timeout", self.connect_timeout.clone()),
            ("timeout", self.timeout.clone()),
            ("max_age", self.max_age.clone()),
            (
                "concurrency",
                self.concurrency.map(|number| number.to_string()),
            ),
            (
                "max_waiting",
                self.max_waiting.map(|number| number.to_string()),
            ),
            ("spellings", self.spellings.clone()),
        ]
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests;
