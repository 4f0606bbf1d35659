//! What the doctor has found, and what mends it.

use std::fmt;

/// What is wrong with the configuration of a cache, a page or Roan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The page, or the purge location, does not answer.
    Unreachable,
    /// The page's site is not configured, so purges name another host.
    NoSite,
    /// No response shows whether it comes from the cache.
    NotShown,
    /// The page is never cached.
    NotCached,
    /// Purges are refused.
    Refused,
    /// Nothing takes purges: nginx is without a purge location or its module, or another server passes them on to the app.
    NoPurgeLocation,
    /// `proxy_cache_purge PURGE from ...` in the page's own location, which ends nginx's worker.
    InPlaceForm,
    /// The key of a purge and that of the page differ by the host.
    KeyHost,
    /// The key of a purge and that of the page differ by the scheme.
    KeyScheme,
    /// The key of a purge is decoded, and that of the page is not.
    KeyEncoding,
    /// The key of a purge has lost the query.
    KeyQuery,
    /// The page stays, with another key than the purge has, or in another zone.
    NotEvicted,
    /// A purge leaves a variant of the page.
    VariantLeft,
    /// A regular expression takes some purges from the purge location.
    Shadowed,
    /// The purge location answers others than the app.
    Open,
    /// Answers of 404 are kept.
    CachedMissing,
    /// Browsers keep the page, where no purge reaches it.
    BrowserKeeps,
    /// A cache is purged before the one that it fetches from.
    WrongOrder,
    /// A cached page went without a purge.
    Vanished,
}

impl Fault {
    /// Its name in JSON, which does not change.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NoSite => "no-site",
            Self::NotShown => "not-shown",
            Self::NotCached => "not-cached",
            Self::Refused => "refused",
            Self::NoPurgeLocation => "no-purge-location",
            Self::InPlaceForm => "in-place-form",
            Self::KeyHost => "key-host",
            Self::KeyScheme => "key-scheme",
            Self::KeyEncoding => "key-encoding",
            Self::KeyQuery => "key-query",
            Self::NotEvicted => "not-evicted",
            Self::VariantLeft => "variant-left",
            Self::Shadowed => "shadowed",
            Self::Open => "open",
            Self::CachedMissing => "cached-missing",
            Self::BrowserKeeps => "browser-keeps",
            Self::WrongOrder => "wrong-order",
            Self::Vanished => "vanished",
        }
    }

    /// Whether visitors get stale pages because of it, or strangers may purge. Others are worth a look.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::CachedMissing | Self::Vanished)
    }
}

/// Where lines that mend a fault belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// The `http` block of nginx.
    Http,
    /// The location of nginx that caches the page. A line replaces one with the same directive.
    PageLocation,
    /// In place of nginx's purge location.
    PurgeLocation,
    /// Headers of the app's response.
    App,
    /// The environment of the app, and of this command.
    Environment,
    /// A shell on nginx's machine.
    Shell,
    /// The VCL of Varnish, before its first `sub`.
    Vcl,
    /// `squid.conf`, before its first `http_access`.
    SquidConf,
    /// `ip_allow.yaml` of Traffic Server, before its other rules.
    IpAllow,
    /// `records.config` of Traffic Server.
    RecordsConfig,
    /// The list of caches, in a file or in code.
    Caches,
}

impl Place {
    /// Its name in JSON, which does not change.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::PageLocation => "page-location",
            Self::PurgeLocation => "purge-location",
            Self::App => "app",
            Self::Environment => "environment",
            Self::Shell => "shell",
            Self::Vcl => "vcl",
            Self::SquidConf => "squid-conf",
            Self::IpAllow => "ip-allow",
            Self::RecordsConfig => "records-config",
            Self::Caches => "caches",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "in nginx's `http` block",
            Self::PageLocation => {
                "in the location that caches the page, in place of the same directives"
            }
            Self::PurgeLocation => "in place of the purge location",
            Self::App => "in the headers of the app's response",
            Self::Environment => "in the environment",
            Self::Shell => "on nginx's machine",
            Self::Vcl => "in the VCL, before its first `sub`",
            Self::SquidConf => "in squid.conf, before its first `http_access`",
            Self::IpAllow => "in ip_allow.yaml, before its other rules",
            Self::RecordsConfig => "in records.config, in place of the same line",
            Self::Caches => "in the list of caches",
        })
    }
}

/// Lines to write, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mend {
    /// Where they belong.
    pub place: Place,
    /// The lines.
    pub lines: String,
}

impl Mend {
    pub(super) fn new(place: Place, lines: impl Into<String>) -> Self {
        Self {
            place,
            lines: lines.into(),
        }
    }
}

/// What the doctor has looked at, or could not look at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// The name of the cache. Empty if it is not about a node.
    pub cache: String,
    /// The name of the node. Empty if it is not about a node.
    pub node: String,
    /// What is right, or what is not known, and why.
    pub what: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.node.is_empty() {
            write!(f, "{} {}: ", self.cache, self.node)?;
        }
        f.write_str(&self.what)
    }
}

/// A node as messages name it. By default it is none.
#[derive(Debug, Clone, Default)]
pub(super) struct NodeName {
    pub(super) cache: String,
    pub(super) node: String,
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cache, self.node)
    }
}

/// One fault at one node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub fault: Fault,
    /// The name of the cache. Empty if it is not one of a node.
    pub cache: String,
    /// The name of the node. Empty if it is not one of a node.
    pub node: String,
    /// What was sent and seen.
    pub seen: String,
    /// What it means.
    pub why: String,
    /// The lines that mend it. Several places belong together.
    pub mend: Vec<Mend>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = match &*self.node {
            "" => String::new(),
            node => format!(" at {} {node}", self.cache),
        };
        writeln!(f, "{}{node}", self.fault.code())?;
        writeln!(f, "  seen: {}", self.seen)?;
        write!(f, "  why:  {}", self.why)?;
        for Mend { place, lines } in &self.mend {
            write!(f, "\n  mend, {place}:")?;
            for line in lines.lines() {
                write!(f, "\n      {line}")?;
            }
        }
        Ok(())
    }
}
