//! Squid.

use super::{CacheType, Nodes, Server};
use crate::error::ConfigError;
use crate::purger::Cache;
use crate::purger::http::node_methods;

pub(super) static SQUID: Server = Server {
    cache: CacheType {
        builder: "Squid",
        example: "http://localhost",
        has_path: false,
    },
    #[cfg(feature = "doctor")]
    software: crate::purger::access::Software::Squid,
    name: "Squid",
    product: "squid",
    signs_all: false,
    plain,
    allow: "add its address to `acl roan src` in squid.conf, and the host of `ROAN_SITE` to `acl site dstdomain`",
    handle: "`http_access` must allow the method PURGE, for which the squid.conf of the guide has an `acl`",
    echo: "add `reply_header_add X-Roan-Purge \"%>ru\" purge` to squid.conf",
    missing: "a page that is cached under a port or scheme of its own (Squid's key has both)",
};

/// One [Squid], or several with the same pages, that works as a reverse proxy (*accelerator*) with the configuration of the
/// [guide](crate::guide::other_caches).
///
/// The request of a purge is `PURGE {target}` with the `Host` of the site. Squid answers 200 if it had the page, or else 404.
/// It does not know tags, prefixes or hosts: Roan's [web layer](crate::guide::web) finds the URLs of their pages.
///
/// ```
/// use roan::{Roan, Squid};
///
/// let roan = Roan::builder()
///     .cache(Squid::at("http://10.0.0.11")?.node("http://10.0.0.12")?)
///     .site("https://www.example.org")
///     .build()?;
/// # Ok::<(), roan::ConfigError>(())
/// ```
///
/// # One variant of a page
///
/// Squid purges [only the variant](https://wiki.squid-cache.org/SquidFaq/OperatingSquid) that the headers of the purge
/// choose, and a browser's `Accept-Encoding` is part of a variant, whatever the app does with it. The others would come back
/// stale. So the configuration of the guide leaves one variant of each page: Squid asks the app for the plain one and removes
/// `Vary: Accept-Encoding`, and does not store a page that varies by anything else.
///
/// # Checks of the configuration
///
/// The configuration returns the URL that Squid has purged in `X-Roan-Purge`. So Roan knows that the right page is gone
/// ([`Report::verified`](crate::Report::verified)). At the start, off the save path, Roan asks each node to purge a URL that
/// does not exist (`/.well-known/roan%2Dcheck?roan=check`), and logs what is wrong:
///
/// | mistake | Roan says | remedy |
/// |---|---|---|
/// | Squid denies `PURGE` (403): from this address, or because `http_access` does not have it | the status | `acl roan src`, and the `http_access` of the guide |
/// | the app or another server answers | that nothing was purged; the purge is refused | the address of Squid |
/// | no `X-Roan-Purge` | that nothing shows what was purged; purges count as done, but not as verified | the line `reply_header_add` |
/// | Squid keeps pages under another host (`defaultsite` without `vhost`) | the URL that it purged | `vhost`, or `ROAN_SITE` |
/// | no site | that it uses the host of the purge URL | `ROAN_SITE` |
///
/// Squid's key contains the scheme of the port: send purges to a port of the same scheme as visitors'.
///
/// [Squid]: http://www.squid-cache.org/Doc/config/
#[derive(Debug, Clone)]
pub struct Squid {
    pub(super) nodes: Nodes,
}

node_methods!(Squid, "squid");

impl Squid {
    /// A Squid at an address such as `http://10.0.0.11`.
    ///
    /// # Errors
    ///
    /// As [`Squid::node`], and if the URL has a path.
    pub fn at(url: &str) -> Result<Self, ConfigError> {
        Self::new().node(url)
    }

    /// A Squid without nodes, for nodes that all have names.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: Nodes::new(SQUID.cache, "squid"),
        }
    }
}

impl Default for Squid {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Squid> for Cache {
    fn from(squid: Squid) -> Self {
        super::cache(&SQUID, squid.nodes)
    }
}

/// Squid's `%>ru` escapes what a URL should not contain. (`'` is valid in one.)
fn plain(url: &str) -> String {
    const ESCAPED: &[u8] = b"<>\"#{}|\\^~[]`' ";
    let mut plain = String::with_capacity(url.len());
    for byte in url.bytes() {
        if ESCAPED.contains(&byte) {
            plain.push_str(&format!("%{byte:02X}"));
        } else {
            plain.push(char::from(byte));
        }
    }
    plain
}
