//! Varnish: a `PURGE` for each URL, `xkey` for tags, and bans for prefixes and hosts.

mod client;
mod config;
mod order;
mod setup;

use self::client::VarnishNode;
pub use self::config::VarnishConfig;
use self::setup::Setup;
use super::http::{CacheType, Connecting, Nodes, node_methods};
use super::{Cache, LifetimeHeader, Limits, Mode, NodeClient, TagHeader};
use crate::base::target::TargetKind;
use crate::error::ConfigError;

/// Debian's port of Varnish.
const DEFAULT_ADDRESS: &str = "http://localhost:6081";

const VARNISH: CacheType = CacheType {
    builder: "Varnish",
    example: DEFAULT_ADDRESS,
    has_path: false,
};

/// The longest tag, in bytes. A longer one is written and purged as a hash.
const LONGEST_TAG: usize = 120;

/// The tags of one request: their line is shorter than 8 KiB, the default of [`http_req_hdr_len`].
///
/// [`http_req_hdr_len`]: https://varnish-cache.org/docs/7.1/reference/varnishd.html#http-req-hdr-len
const TAGS: usize = 64;

/// One [Varnish], or several with the same pages, whose VCL is that of the [guide](crate::guide::varnish). [Vinyl Cache],
/// which is the project's name since 2025, is the same (`vinyld`).
///
/// | target | request | what Varnish does |
/// |---|---|---|
/// | URL | `PURGE /posts/hello` with the site's `Host` | drops all variants of the page at once, or makes them stale ([`soft`](Self::soft)) |
/// | tags | `PURGE /` with `xkey-purge: a b`, 64 tags at a time | the same for all pages with one of the tags ([vmod_xkey]) |
/// | prefix, host, everything | `BAN /` with `X-Roan-Ban` and `X-Roan-Prefix` | serves no page that is older than the [ban]; its lurker frees them |
///
/// ```
/// use roan::{Roan, Varnish};
///
/// let roan = Roan::builder()
///     .cache(Varnish::at("http://10.0.0.11:6081")?.node("http://10.0.0.12:6081")?)
///     .site("https://www.example.org")
///     .build()?;
/// # Ok::<(), roan::ConfigError>(())
/// ```
///
/// A page carries its tags in `xkey`, and its lifetime in `Surrogate-Control`. The [web layer](crate::guide::web) writes
/// both, and the VCL removes both. A tag that is longer than 120 bytes is written and purged as a hash.
///
/// # Checks of the configuration
///
/// The VCL says in `X-Roan-Purge` what it has purged, and in `X-Roan-Found` how many objects that were. So Roan knows that
/// a page is gone ([`Report::verified`](crate::Report::verified)). At the start, off the save path, Roan asks each node to
/// purge a URL that does not exist (`/.well-known/roan%2Dcheck?roan=check`), and logs what is wrong:
///
/// | mistake | Roan says | remedy |
/// |---|---|---|
/// | the VCL passes `PURGE` to the app | that the answer is the app's; the purge is refused | the VCL of the guide |
/// | a VCL with another `PURGE` | that the answer does not have `X-Roan-Purge`; purges of URLs count as done, but not as verified, others are refused | the VCL of the guide |
/// | the address of the app's server is not in the `acl` (405) | the status | `acl roan` |
/// | Varnish keeps pages under another host | the host that it purged | `ROAN_SITE`, or [`RoanBuilder::site`](crate::RoanBuilder::site) |
/// | no site | that it uses the host of the purge URL | the same |
///
/// [Varnish]: https://varnish-cache.org/docs/7.1/users-guide/purging.html
/// [Vinyl Cache]: https://vinyl-cache.org/
/// [vmod_xkey]: https://github.com/varnish/varnish-modules/blob/0.20.0/src/vmod_xkey.vcc
/// [ban]: https://varnish-cache.org/docs/7.1/users-guide/purging.html#bans
#[derive(Debug, Clone)]
pub struct Varnish {
    nodes: Nodes,
    soft: bool,
}

impl Default for Varnish {
    fn default() -> Self {
        Self::new()
    }
}

node_methods!(Varnish, "varnish");

impl Varnish {
    /// A Varnish at an address such as `http://10.0.0.11:6081`.
    ///
    /// A user name and password in the URL are sent as basic authentication.
    ///
    /// # Errors
    ///
    /// If the URL is not absolute, has a path, query or fragment, is neither `http` nor `https`, or is `https` and the feature
    /// `rustls` is off.
    pub fn at(url: &str) -> Result<Self, ConfigError> {
        Self::new().node(url)
    }

    /// A Varnish without nodes, for nodes that all have names. With a durable outbox a node is known by its name: name a node
    /// that may move to another address.
    ///
    /// ```
    /// # use roan::{ConfigError, Varnish};
    /// let varnish = Varnish::new()
    ///     .named_node("left", "http://10.0.0.11:6081")?
    ///     .named_node("right", "http://10.0.0.12:6081")?;
    /// # Ok::<(), ConfigError>(())
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: Nodes::new(VARNISH, "varnish"),
            soft: false,
        }
    }

    /// Makes pages stale instead of dropping them. The next visitor gets the old page at once, while Varnish fetches the new
    /// one; nobody waits for a render, and a page survives an app that is down.
    ///
    /// This is about URLs and tags ([`purge.soft`], `xkey.softpurge`). A ban cannot be soft: prefixes, hosts and everything are
    /// dropped. An old page is served for as long as its grace lasts, which the VCL of the guide sets to an hour.
    ///
    /// Do not use it if another cache fetches from this one: that one may fetch the old page, and keep it.
    ///
    /// [`purge.soft`]: https://varnish-cache.org/docs/7.1/reference/vmod_purge.html
    #[must_use]
    pub fn soft(mut self) -> Self {
        self.soft = true;
        self
    }

    fn connect(&self, connecting: &Connecting) -> Result<Vec<NodeClient>, ConfigError> {
        let nodes = self.nodes.endpoints(connecting)?;
        let nodes = nodes.map(|(name, endpoint)| NodeClient {
            name: name.into(),
            purger: Box::new(VarnishNode {
                endpoint,
                soft: self.soft,
                setup: Setup::new(&self.nodes.name, name),
            }),
        });
        Ok(nodes.collect())
    }
}

impl From<Varnish> for Cache {
    fn from(varnish: Varnish) -> Self {
        let mode = if varnish.soft { Mode::Soft } else { Mode::Hard };
        let bans = [TargetKind::Prefix, TargetKind::Host, TargetKind::Everything];
        Self {
            connect: Box::new({
                let varnish = varnish.clone();
                move |connecting| varnish.connect(connecting)
            }),
            ..Self::new(&varnish.nodes.name)
        }
        .purges([TargetKind::Tag], Limits::new().batch(TAGS))
        .purges(bans, Limits::new())
        .tag_header(TagHeader::xkey().limits(LONGEST_TAG, usize::MAX))
        .lifetime_header(LifetimeHeader::SurrogateControl)
        .mode(mode)
    }
}
