//! nginx: one GET to the purge location for each URL, or a refresh.

mod client;
mod config;
#[cfg(all(unix, feature = "nginx-files"))]
mod files;
mod key;
mod pattern;
mod refresh;
mod setup;
mod status;
mod warm;

use std::fmt;

use http::{HeaderValue, Method};

use self::client::NginxNode;
pub use self::config::NginxConfig;
#[cfg(all(unix, feature = "nginx-files"))]
pub use self::files::{NginxFiles, NginxFilesConfig};
use self::pattern::KeyPattern;
use self::refresh::{RefreshNode, RefreshSetup};
use self::setup::Setup;
pub use self::warm::Warmed;
use super::http::{CacheType, Connecting, Nodes, node_methods};
use super::{Cache, LifetimeHeader, Limits, Mode, NodeClient};
use crate::base::target::TargetKind;
use crate::error::ConfigError;

/// The default purge URL, as in roan 0.1.
const DEFAULT_PURGE_URL: &str = "http://localhost/purge";

const NGINX: CacheType = CacheType {
    builder: "Nginx",
    example: DEFAULT_PURGE_URL,
    has_path: true,
};

/// The default address for a refresh.
const DEFAULT_ADDRESS: &str = "http://localhost";

/// The default cache.
pub(crate) fn default_cache() -> Result<Cache, ConfigError> {
    Ok(Nginx::at(DEFAULT_PURGE_URL)?.into())
}

/// One nginx, or several with the same pages, with a purge location (`proxy_cache_purge` of the [cache-purge module]), or
/// without the module: [`refresh`](Self::refresh).
///
/// The request of a purge is `GET {purge URL}{target}` with the `Host` of the site. The guide has the
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
/// | another zone, the site of another host, `$scheme` in the pages' key alone | that the purges of 20 pages did not find one | the zone, key and host of the pages |
///
/// If the keys differ in the pages' own location, only the last check can notice it, because a purge does not show that
/// key. So use one variable for both keys, as the guide's configuration does, or set the key with [`Nginx::key`].
///
/// [cache-purge module]: https://github.com/nginx-modules/ngx_cache_purge
#[derive(Clone)]
pub struct Nginx {
    nodes: Nodes,
    method: Method,
    key: Option<KeyPattern>,
    /// The secret, if pages are refreshed.
    refresh: Option<HeaderValue>,
    refresh_missing: bool,
    wildcards: bool,
}

impl Default for Nginx {
    fn default() -> Self {
        Self::new()
    }
}

node_methods!(Nginx, "nginx");

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
            nodes: Nodes::new(NGINX, "nginx"),
            method: Method::GET,
            key: None,
            refresh: None,
            refresh_missing: false,
            wildcards: false,
        }
    }

    /// An nginx with the settings of the environment: see [`RoanBuilder::from_env`](crate::RoanBuilder::from_env).
    ///
    /// # Errors
    ///
    /// If a variable is invalid.
    pub fn from_env() -> Result<Self, ConfigError> {
        NginxConfig::from_env(|name| {
            let value = std::env::var(name).ok()?;
            let value = value.trim();
            (!value.is_empty()).then(|| value.to_owned())
        })
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

    /// Refreshes pages instead of purging them. nginx needs no module, no visitor waits for a render, and no crowd of
    /// requests reaches the app.
    ///
    /// The URL of a node is then the address of nginx alone, such as `http://10.0.0.11`. `secret` is the one in nginx's
    /// configuration; Roan never shows it. The guide has the [configuration](crate::guide::refresh).
    ///
    /// For each page Roan asks nginx what it has. If the page is cached, Roan requests it through nginx, which fetches it
    /// from the app and replaces the old one. Then Roan looks at what nginx serves. A page that nginx could not store (a 404,
    /// a redirect, `Cache-Control: private`) would leave the old one in the cache, so Roan replaces it by an entry that has
    /// expired. If the app fails (5xx, 408, 425, 429), visitors keep getting the old page, and Roan retries. A page that is
    /// not cached is not requested, unless [`refresh_missing`](Self::refresh_missing) says so.
    ///
    /// ```
    /// # use roan::{ConfigError, Nginx};
    /// # let secret = "0123456789abcdef0123456789abcdef";
    /// let nginx = Nginx::at("http://10.0.0.11")?.node("http://10.0.0.12")?.refresh(secret)?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the secret is not 16 to 46 ASCII letters and digits: nginx's `map` cannot hold others without further settings.
    pub fn refresh(mut self, secret: &str) -> Result<Self, ConfigError> {
        let is_valid = (16..=46).contains(&secret.len())
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let value = HeaderValue::from_str(secret).ok().filter(|_| is_valid);
        let mut value = value.ok_or_else(|| {
            let problem = "(value not shown) must be 16 to 46 letters and digits: make one by \
                           `openssl rand -hex 16`";
            ConfigError::value("Nginx::refresh", "", problem)
        })?;
        value.set_sensitive(true);
        self.refresh = Some(value);
        Ok(self)
    }

    /// Refreshes pages that are not cached, too, so that the first visitor does not wait for a render. It costs a render for
    /// each page that a write names, whether anybody reads it or not. Without [`refresh`](Self::refresh) it has no effect.
    #[must_use]
    pub fn refresh_missing(mut self) -> Self {
        self.refresh_missing = true;
        self
    }

    /// nginx has [a fork of the module](https://github.com/nginx-modules/ngx_cache_purge) (2.4 or newer), for which a `*` at the
    /// end of a key is a wildcard: prefixes are purged by one request. A URL that ends with `*` is then refused, because it would
    /// purge other pages. (Debian's module, 2.3, does not have wildcards.)
    ///
    /// Of such forks Roan also knows 412 for a page that is not cached, and 202 of `cache_purge_background_queue`, which counts as
    /// done but not as verified. **Tested against a stand-in.**
    #[must_use]
    pub fn wildcards(mut self) -> Self {
        self.wildcards = true;
        self
    }

    /// What does not go together.
    fn checked(&self) -> Result<(), ConfigError> {
        self.nodes.checked()?;
        if self.refresh.is_none() {
            return Ok(());
        }
        if self.wildcards {
            let problem = "has no effect beside `Nginx::refresh`: remove one of them";
            return Err(ConfigError::value("Nginx::wildcards", "", problem));
        }
        let error =
            |value: String, problem| Err(ConfigError::value("Nginx::refresh", value, problem));
        for url in self.nodes.urls() {
            if !url.path().is_empty() {
                let problem = "has a path: a refresh asks for the page itself, so write the address of nginx alone, \
                               such as `http://localhost`";
                return error(url.to_string(), problem);
            }
            if url.authorization().is_some() || self.nodes.has_authorization() {
                let problem = "cannot have a user name or password, because nginx does not store an answer to a \
                               request with `Authorization`: remove them";
                return error(url.to_string(), problem);
            }
        }
        if self.method != Method::GET {
            let problem = "cannot be the method of a refresh: remove it";
            return error(self.method.to_string(), problem);
        }
        Ok(())
    }

    /// The client of each node, with its name.
    fn nodes(
        &self,
        connecting: &Connecting,
    ) -> Result<impl Iterator<Item = (&str, Node)>, ConfigError> {
        self.checked()?;
        let endpoints = self.nodes.endpoints(connecting)?;
        Ok(endpoints.map(|(name, endpoint)| {
            let key = self.key.clone();
            let node = match &self.refresh {
                Some(secret) => Node::Refresh(RefreshNode::new(
                    endpoint,
                    secret.clone(),
                    self.refresh_missing,
                    RefreshSetup::new(&self.nodes.name, name, key),
                )),
                None => Node::Purge(NginxNode {
                    endpoint,
                    method: self.method.clone(),
                    wildcards: self.wildcards,
                    setup: Setup::new(&self.nodes.name, name, key),
                }),
            };
            (name, node)
        }))
    }

    fn connect(&self, connecting: &Connecting) -> Result<Vec<NodeClient>, ConfigError> {
        let nodes = self.nodes(connecting)?.map(|(name, node)| NodeClient {
            name: name.into(),
            purger: match node {
                Node::Purge(node) => Box::new(node),
                Node::Refresh(node) => Box::new(node),
            },
        });
        Ok(nodes.collect())
    }
}

/// The client of one node.
enum Node {
    Purge(NginxNode),
    Refresh(RefreshNode),
}

impl From<Nginx> for Cache {
    fn from(nginx: Nginx) -> Self {
        let mut own = Self::new(&nginx.nodes.name).mode(match nginx.refresh {
            Some(_) => Mode::Refresh,
            None => Mode::Hard,
        });
        if nginx.wildcards {
            own = own.purges([TargetKind::Prefix], Limits::new());
        }
        Self {
            lifetime_header: Some(LifetimeHeader::XAccelExpires),
            connect: Box::new(move |connecting| nginx.connect(connecting)),
            ..own
        }
    }
}

impl fmt::Debug for Nginx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nginx")
            .field("nodes", &self.nodes)
            .field("method", &self.method)
            .field("refresh", &self.refresh.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_asks_for_the_page_itself_and_as_a_visitor() {
        let secret = "0123456789abcdef";
        for (url, method, words) in [
            ("http://localhost", "GET", None),
            ("http://localhost/", "GET", None),
            ("http://localhost/purge", "GET", Some("has a path: ")),
            (
                "http://me:pw@localhost",
                "GET",
                Some("user name or password"),
            ),
            (
                "http://localhost",
                "PURGE",
                Some("\"PURGE\" cannot be the method"),
            ),
        ] {
            let nginx = Nginx::at(url).and_then(|nginx| nginx.method(method)?.refresh(secret));
            let built = crate::Roan::builder().cache(nginx.unwrap()).build();
            let message = built.err().map(|error| error.to_string());
            match words {
                None => assert_eq!(message, None, "{url}"),
                Some(words) => assert!(
                    message.as_ref().is_some_and(|text| text.contains(words)),
                    "{message:?}"
                ),
            }
        }
    }

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
        for secret in [
            "",
            "CHANGE-ME",
            "secret",
            "secret secret secret",
            &"secret".repeat(8),
            "~secretsecretsec",
        ] {
            let message = nginx().refresh(secret).unwrap_err().to_string();
            assert!(
                !message.contains("secret") && message.contains("openssl rand"),
                "{message}"
            );
        }
        let shown = format!(
            "{:?}",
            nginx()
                .basic_auth("me", "secret")
                .refresh("secretsecretsecret")
                .and_then(|nginx| nginx.node("http://u:pw@x/p"))
        );
        assert!(
            !shown.contains("secret") && !shown.contains("pw"),
            "{shown}"
        );
    }
}
