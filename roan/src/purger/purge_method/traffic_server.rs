//! Apache Traffic Server.

use super::{CacheType, Nodes, Server};
use crate::error::ConfigError;
use crate::purger::Cache;
use crate::purger::http::node_methods;

pub(super) static TRAFFIC_SERVER: Server = Server {
    cache: CacheType {
        builder: "TrafficServer",
        example: "http://localhost:8080",
        has_path: false,
    },
    #[cfg(feature = "doctor")]
    software: crate::purger::access::Software::TrafficServer,
    name: "Traffic Server",
    product: "ATS/",
    signs_all: true,
    plain,
    allow: "allow PURGE from its address in ip_allow.yaml",
    handle: "`proxy.config.http.cache.http` must be 1 in records.config, and a `set-config` must not turn it off for PURGE",
    echo: "use the roan.config of the guide in each rule of remap.config \
           (`@plugin=header_rewrite.so @pparam=roan.config`)",
    missing: "`proxy.config.url_remap.pristine_host_hdr`, which must be 1",
};

/// One [Apache Traffic Server], or several with the same pages, that works as a reverse proxy with the configuration of the
/// [guide](crate::guide::other_caches).
///
/// The request of a purge is `PURGE {target}` with the `Host` of the site. Traffic Server answers 200 if it had the page, or
/// else 404, and drops all variants of the page. It does not know tags, prefixes or hosts: Roan's [web
/// layer](crate::guide::web) finds the URLs of their pages.
///
/// ```
/// use roan::{Roan, TrafficServer};
///
/// let roan = Roan::builder()
///     .cache(TrafficServer::at("http://10.0.0.11:8080")?.node("http://10.0.0.12:8080")?)
///     .site("https://www.example.org")
///     .build()?;
/// # Ok::<(), roan::ConfigError>(())
/// ```
///
/// Traffic Server takes `//a`, `/a?` and `/a;` for `/a`, for pages and for purges alike.
///
/// # Checks of the configuration
///
/// The configuration returns the URL that was purged in `X-Roan-Purge`. So Roan knows that the right page is gone
/// ([`Report::verified`](crate::Report::verified)). At the start, off the save path, Roan asks each node to purge a URL that
/// does not exist (`/.well-known/roan%2Dcheck?roan=check`), and logs what is wrong:
///
/// | mistake | Roan says | remedy |
/// |---|---|---|
/// | Traffic Server denies `PURGE` (403) | the status | ip_allow.yaml |
/// | no rule in remap.config for the site: Traffic Server answers 404 to all of its URLs | that it does not know the host; the purge is refused | a `map` of the site |
/// | it passes `PURGE` to the app, because its cache is off | that nothing was purged; the purge is refused | records.config |
/// | no `X-Roan-Purge` | that nothing shows what was purged; purges count as done, but not as verified | roan.config |
/// | no site | that it uses the host of the purge URL | `ROAN_SITE` |
///
/// [Apache Traffic Server]: https://docs.trafficserver.apache.org/en/9.2.x/admin-guide/storage/index.en.html
#[derive(Debug, Clone)]
pub struct TrafficServer {
    pub(super) nodes: Nodes,
}

node_methods!(TrafficServer, "traffic-server");

impl TrafficServer {
    /// A Traffic Server at an address such as `http://10.0.0.11:8080`.
    ///
    /// # Errors
    ///
    /// As [`TrafficServer::node`], and if the URL has a path.
    pub fn at(url: &str) -> Result<Self, ConfigError> {
        Self::new().node(url)
    }

    /// A Traffic Server without nodes, for nodes that all have names.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: Nodes::new(TRAFFIC_SERVER.cache, "traffic-server"),
        }
    }
}

impl Default for TrafficServer {
    fn default() -> Self {
        Self::new()
    }
}

impl From<TrafficServer> for Cache {
    fn from(server: TrafficServer) -> Self {
        super::cache(&TRAFFIC_SERVER, server.nodes)
    }
}

/// It drops slashes at the beginning, an empty query, and empty parameters (`;`) of the path.
fn plain(url: &str) -> String {
    let url = url.trim_start_matches('/');
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.trim_end_matches(';');
    match query {
        "" => format!("/{path}"),
        _ => format!("/{path}?{query}"),
    }
}
