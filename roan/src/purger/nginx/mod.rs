//! nginx with the cache-purge module: one GET to the purge location for each URL.

mod client;
mod config;
mod key;
mod location;
mod pattern;
mod setup;
mod status;

use std::fmt;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use self::client::NginxNode;
pub use self::config::NginxConfig;
use self::location::PurgeLocation;
use self::pattern::KeyPattern;
use self::setup::Setup;
use super::http::Connecting;
use super::{Cache, LifetimeHeader, NodeClient};
use crate::error::ConfigError;

/// The default purge URL, as in roan 0.1.
const DEFAULT_PURGE_URL: &str = "http://localhost/purge";

/// The default cache.
pub(crate) fn default_cache() -> Result<Cache, ConfigError> {
    Ok(Nginx::at(DEFAULT_PURGE_URL)?.into())
}

/// One nginx, or several with the same pages, with a purge location (`proxy_cache_purge` of the [cache-purge module]).
///
/// The request is `GET {purge URL}{target}` with the `Host` of the site. The guide has the
/// [configuration](crate::guide::nginx) that nginx needs.
///
/// ```
/// use roan::{Nginx, Roan};
///
/// let roan = Roan::builder()
///     .cache(Nginx::at("http://10.0.0.11/purge")?.node("http://10.0.0.12/purge")?)
///     .site("https://www.example.org")
///     .build()?;
/// # Ok::<(), roan::ConfigError>(())
/// ```
///
/// # Checks of the configuration
///
/// At the start, off the save path, Roan asks each node to purge a URL that does not exist
/// (`/.well-known/roan%2Dcheck?roan=check`). It logs once what the answer shows; without a `tracing` subscriber, to
/// standard error. It checks a node that is down when the node answers again. The check does not count as a purge.
///
/// | mistake | Roan logs | remedy |
/// |---|---|---|
/// | no purge location, a misspelt purge URL, or another server answers | the answer does not have `X-Roan-Purge` | `location ^~ /purge/` with `proxy_cache_purge`, in the server of that host |
/// | the purge location does not return the key | the same | `add_header X-Roan-Purge $roan_key always;` |
/// | the purge URL does not have a path | the same | `http://localhost/purge` |
/// | `localhost` is `[::1]`, and another server answers there | the same | `listen [::]:80;`, or `127.0.0.1` in the purge URL |
/// | a purge location that decodes (`location ~ /purge(/.*)` with `$1`) | the returned key and the expected key | a `map` of `$request_uri` |
/// | `$scheme` in a key, and purges arrive over another scheme | the same | remove `$scheme` from both keys |
/// | a key that Roan does not know | the key | [`Nginx::key`], or `ROAN_PURGE_KEY` |
/// | the purge location refuses (401, 403, 405, a redirect) | the status | `allow`, the credentials, the method |
/// | no site | that it uses the host of the purge URL | `ROAN_SITE`, or [`RoanBuilder::site`](crate::RoanBuilder::site) |
/// | another zone, the site of another host, `$scheme` in the pages' key alone | that 100 purges did not find a page | the zone, key and host of the pages |
///
/// If the keys differ in the pages' own location, only the last check can notice it, because a purge does not show that
/// key. So use one variable for both keys, as the guide's configuration does, or set the key with [`Nginx::key`].
///
/// [cache-purge module]: https://github.com/nginx-modules/ngx_cache_purge
#[derive(Clone)]
pub struct Nginx {
    name: String,
    nodes: Vec<(String, PurgeLocation)>,
    method: Method,
    headers: HeaderMap,
    env_proxy: bool,
    key: Option<KeyPattern>,
}

impl Default for Nginx {
    fn default() -> Self {
        Self::new()
    }
}

impl Nginx {
    /// An nginx with its purge location at `purge_url`, such as `http://localhost/purge`.
    ///
    /// A user name and password in the URL are sent as basic authentication.
    ///
    /// # Errors
    ///
    /// If the URL is not absolute, has a query or fragment, is neither `http` nor `https`, or is
    /// `https` and the feature `rustls` is off.
    pub fn at(purge_url: &str) -> Result<Self, ConfigError> {
        Self::new().node(purge_url)
    }

    /// An nginx without nodes, for nodes that all have names. With a durable outbox a node is known by its name: name a node
    /// that may move to another address.
    ///
    /// ```
    /// # use roan::{ConfigError, Nginx};
    /// let nginx = Nginx::new()
    ///     .named_node("left", "http://10.0.0.11/purge")?
    ///     .named_node("right", "http://10.0.0.12/purge")?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            name: "nginx".to_owned(),
            nodes: Vec::new(),
            method: Method::GET,
            headers: HeaderMap::new(),
            env_proxy: false,
            key: None,
        }
    }

    /// Adds another node, whose name is its host and port. Each node keeps its own pages, so each purge goes to all.
    ///
    /// # Errors
    ///
    /// As [`Nginx::at`].
    pub fn node(self, purge_url: &str) -> Result<Self, ConfigError> {
        let location: PurgeLocation = purge_url.parse()?;
        let name = location.authority().to_owned();
        Ok(self.with_node(name, location))
    }

    /// Adds another node with a name, for reports and counters.
    ///
    /// # Errors
    ///
    /// As [`Nginx::at`].
    pub fn named_node(self, name: &str, purge_url: &str) -> Result<Self, ConfigError> {
        let location = purge_url.parse()?;
        Ok(self.with_node(name.to_owned(), location))
    }

    fn with_node(mut self, name: String, location: PurgeLocation) -> Self {
        self.nodes.push((name, location));
        self
    }

    /// Sets the name of the cache in reports and counters. Default: `nginx`.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sets the method of a purge, for purge locations that require another one. Default: `GET`.
    ///
    /// # Errors
    ///
    /// If `method` is not an HTTP method.
    pub fn method(mut self, method: &str) -> Result<Self, ConfigError> {
        self.method = Method::from_bytes(method.as_bytes()).map_err(|_| {
            let problem = "is not an HTTP method: write `GET` or `PURGE`";
            ConfigError::value("Nginx::method", method, problem)
        })?;
        Ok(self)
    }

    /// Sets the key of a page, as the text after `proxy_cache_key`. The key that the purge location returns in `X-Roan-Purge`
    /// must then be this one, or the purge is refused. By default Roan accepts any usual key: `$host$request_uri`, with or
    /// without `$scheme`, `$request_method` or a port.
    ///
    /// It may contain `$scheme`, `$host`, `$http_host`, `$request_method` (that of visitors: `GET`), `$request_uri`,
    /// `$uri`, `$is_args`, `$args` and any text. See the
    /// [variables of nginx](https://nginx.org/en/docs/http/ngx_http_core_module.html#variables).
    ///
    /// ```
    /// # use roan::{ConfigError, Nginx};
    /// let nginx = Nginx::at("http://localhost/purge")?.key("$scheme://$host$uri$is_args$args")?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it contains another variable, or does not contain the URL.
    pub fn key(mut self, pattern: &str) -> Result<Self, ConfigError> {
        let parsed = pattern.parse();
        self.key = Some(
            parsed.map_err(|problem: String| ConfigError::value("Nginx::key", pattern, problem))?,
        );
        Ok(self)
    }

    /// Sends a header with each purge, for a protected purge location. Roan never shows its value.
    ///
    /// # Errors
    ///
    /// If `name` or `value` is not valid in a header, or if Roan sets the header itself
    /// (`Host`, `Content-Length`, `Transfer-Encoding`, `Connection`).
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, ConfigError> {
        // An invalid name may be a secret in the wrong place.
        let shown = if HeaderName::from_bytes(name.as_bytes()).is_ok() {
            name
        } else {
            "***"
        };
        let error = |problem: &str| ConfigError::value("Nginx::header", shown, problem);
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            error("is not a header name: write letters, digits and `-` (RFC 9110, section 5.1)")
        })?;
        if ["host", "content-length", "transfer-encoding", "connection"].contains(&header.as_str())
        {
            return Err(error("is set by Roan itself: for `Host`, set the site"));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| error("has a value with characters that are not valid in a header"))?;
        value.set_sensitive(true);
        self.headers.insert(header, value);
        Ok(self)
    }

    /// Sends basic authentication (RFC 7617) to every node whose URL does not contain credentials.
    #[must_use]
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        self.headers
            .insert(AUTHORIZATION, location::basic(user, password));
        self
    }

    /// Uses the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. Default: off, because a purge location is usually on a
    /// private network, and a proxy would answer in its place.
    #[must_use]
    pub fn env_proxy(mut self) -> Self {
        self.env_proxy = true;
        self
    }

    fn connect(self, connecting: &Connecting) -> Result<Vec<NodeClient>, ConfigError> {
        if self.nodes.is_empty() {
            let problem = "does not have a node: add one with `Nginx::named_node`";
            return Err(ConfigError::value("Nginx::new", self.name, problem));
        }
        let http = crate::purger::http::client(connecting, self.env_proxy)?;
        let has_said_no_site = Arc::default();
        let node = |(name, location): (String, PurgeLocation)| {
            let purger = NginxNode {
                http: http.clone(),
                location,
                method: self.method.clone(),
                headers: self.headers.clone(),
                setup: Setup::new(&self.name, &name, self.key.clone()),
                has_said_no_site: Arc::clone(&has_said_no_site),
            };
            NodeClient {
                name: name.into(),
                purger: Box::new(purger),
            }
        };
        Ok(self.nodes.into_iter().map(node).collect())
    }
}

impl From<Nginx> for Cache {
    fn from(nginx: Nginx) -> Self {
        Self {
            name: nginx.name.as_str().into(),
            lifetime_header: Some(LifetimeHeader::XAccelExpires),
            connect: Box::new(move |connecting| nginx.connect(connecting)),
            ..Self::new("")
        }
    }
}

impl fmt::Debug for Nginx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nginx")
            .field("name", &self.name)
            .field("nodes", &self.nodes)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_named_and_secrets_are_not() {
        let nginx = || Nginx::at("http://localhost/purge").unwrap();
        let message = nginx()
            .header("X-Token", "se\ncret")
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("X-Token") && !message.contains("cret"),
            "{message}"
        );
        assert!(nginx().header("host", "x").is_err());
        assert!(nginx().header("a b", "x").is_err());
        assert!(nginx().method("GE T").is_err());
        let shown = format!(
            "{:?}",
            nginx().basic_auth("me", "secret").node("http://u:pw@x/p")
        );
        assert!(
            !shown.contains("secret") && !shown.contains("pw"),
            "{shown}"
        );
    }
}
