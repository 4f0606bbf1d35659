//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};

use crate::agent::AgentArgs;
use crate::exit::TABLE;
use crate::fleet::FleetArgs;
use crate::history::{WatchArgs, WhyArgs};
use crate::init::CacheKind;
use crate::outbox::OutboxArgs;

/// Purges pages from HTTP caches, and proves that purges reach them.
#[derive(Debug, Parser)]
#[command(name = "roan", version, after_help = TABLE, max_term_width = 100)]
pub(crate) struct Args {
    /// How to print results. With `json`, each result is one object on a line of its own.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Purges pages, tags, prefixes or whole sites.
    Purge(PurgeArgs),
    /// Proves at each node that purges evict a page, and says what is wrong.
    Doctor(DoctorArgs),
    /// Looks after the durable outbox of an app.
    Outbox(OutboxArgs),
    /// Looks after a fleet: how its nodes are, and which of them have a purge.
    Fleet(FleetArgs),
    /// Purges the cache beside it of what comes through the stream of a fleet.
    Agent(Box<AgentArgs>),
    /// Says which purges of a page there were, and why.
    Why(WhyArgs),
    /// Prints purges as they happen.
    Watch(WatchArgs),
    /// Prints a working configuration of nginx.
    NginxConf(NginxConfArgs),
    /// Prints a working VCL of Varnish or Vinyl Cache.
    Vcl(VclArgs),
    /// Says what a crate needs to purge its pages.
    Init(InitArgs),
    /// Prints the completions of a shell.
    ///
    /// For bash: roan completions bash > /`etc/bash_completion.d/roan`
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints the manual page. For example: roan man > /usr/local/share/man/man1/roan.1
    Man,
}

/// Which caches, and for which site.
#[derive(Debug, Group)]
pub(crate) struct CacheArgs {
    /// Read the caches and sites from this TOML file, as `roan::config::Config`, in place of the environment.
    ///
    /// If the file has a table `[roan]`, that table is read.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The purge URL of an nginx, such as <http://10.0.0.11/purge>; once for each node. In place of `ROAN_PURGE_URL`.
    #[arg(long, value_name = "URL", conflicts_with = "config", value_parser = given)]
    pub(crate) purge_url: Vec<String>,
    /// The site of the pages, such as <https://www.example.org>. In place of `ROAN_SITE`; by default that of the first URL.
    #[arg(long, value_name = "SITE", value_parser = given)]
    pub(crate) site: Option<String>,
}

/// Proves at each node that purges evict a page, and says what is wrong.
///
/// It visits the page until it comes from the cache, purges it, and visits it again, which must come from the app; then with
/// a query, an encoded letter, two slashes, and the variants of Vary. For each fault it says what was seen, why, and which
/// lines mend it. It reads only, but for the purges of this page and of a few URLs of its own.
#[derive(Debug, Group)]
#[command(after_help = TABLE)]
pub(crate) struct DoctorArgs {
    /// A page that exists and that all visitors share, such as <https://www.example.org/posts>.
    #[arg(value_name = "PAGE_URL")]
    pub(crate) page_url: String,
    #[command(flatten)]
    pub(crate) caches: CacheArgs,
    /// The address of the app, such as <http://127.0.0.1:3000>: it shows headers that nginx hides.
    #[arg(long, value_name = "URL", value_parser = given)]
    pub(crate) app: Option<String>,
    /// An address of this machine that the purge location must not answer. By default its address beside loopback, if
    /// nginx is on this machine.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<IpAddr>,
}

/// Purges pages, tags, prefixes or whole sites.
///
/// The caches come from the environment (`ROAN_PURGE_URL`, `ROAN_SITE` and so on, as an app with Roan reads them), from
/// --purge-url or from --config. A page is a whole URL or a path of the site. URLs of other hosts are refused. Each page
/// is purged under the common spellings of its URL, and once more after the rebound.
#[derive(Debug, Group)]
#[command(after_help = TABLE)]
#[group(id = "what", required = true, multiple = true, args = ["urls", "files", "sitemaps", "tags", "prefixes", "host", "everything"])]
pub(crate) struct PurgeArgs {
    /// Pages: URLs such as <https://www.example.org/posts>, or paths. `-` reads one a line from standard input.
    #[arg(value_name = "URL", value_parser = given)]
    pub(crate) urls: Vec<String>,
    /// Read pages from this file, one a line. Empty lines and lines that begin with `#` are skipped.
    #[arg(long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Purge the pages of this sitemap or sitemap index, which may be compressed by gzip.
    #[arg(long = "sitemap", value_name = "URL|FILE", value_parser = given)]
    pub(crate) sitemaps: Vec<String>,
    /// Purge all pages with this tag.
    #[arg(long = "tag", value_name = "TAG", value_parser = given)]
    pub(crate) tags: Vec<String>,
    /// Purge all pages below this path, such as /docs/v1/.
    #[arg(long = "prefix", value_name = "PATH", value_parser = given)]
    pub(crate) prefixes: Vec<String>,
    /// Purge all pages of the site.
    #[arg(long)]
    pub(crate) host: bool,
    /// Purge all pages of all sites in the caches. Needs --yes.
    #[arg(long)]
    pub(crate) everything: bool,
    /// Purge everything without a question.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Fail unless each cache keeps a stale copy to serve while it fetches the page anew.
    #[arg(long, conflicts_with = "refresh")]
    pub(crate) soft: bool,
    /// Fail unless each cache fetches the page anew and replaces it.
    #[arg(long)]
    pub(crate) refresh: bool,
    #[command(flatten)]
    pub(crate) caches: CacheArgs,
    /// Do not purge again after the rebound: no page is being rendered from old data.
    #[arg(long)]
    pub(crate) no_rebound: bool,
    /// Purge each URL exactly as it is given, and not under its other spellings.
    #[arg(long)]
    pub(crate) exact: bool,
    /// How long to retry a purge that fails.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) max_age: Duration,
    #[command(flatten)]
    pub(crate) limits: SitemapLimits,
}

/// What a sitemap may cost.
#[derive(Debug, Clone, Group)]
pub(crate) struct SitemapLimits {
    /// The largest sitemap to read, in MiB after unpacking.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub(crate) max_sitemap_size: u64,
    /// How deep sitemap indexes may nest.
    #[arg(long, value_name = "LEVELS", default_value_t = 2)]
    pub(crate) max_sitemap_depth: u32,
    /// The most sitemaps to read.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub(crate) max_sitemaps: u64,
    /// The most pages to purge.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    pub(crate) max_urls: u64,
}

/// The address of the app in the guide's configurations.
const APP: &str = "127.0.0.1:3000";

/// The names in the guide's configuration of nginx.
const PURGE_PATH: &str = "/purge";
const ZONE: &str = "pages";
const ZONE_SIZE: &str = "64m";
const CACHE_FOLDER: &str = "/var/cache/nginx-pages";

/// Prints a working configuration of nginx.
///
/// It belongs in the http block: on Debian, in /etc/nginx/sites-enabled. It is the one that Roan's guide explains.
#[derive(Debug, Group)]
pub(crate) struct NginxConfArgs {
    /// The sites, such as <https://www.example.org>; once for each host.
    #[arg(long = "site", value_name = "SITE", default_value = "www.example.org")]
    pub(crate) sites: Vec<String>,
    /// The address of the app: host and port, or <unix:/path>.
    #[arg(long, value_name = "ADDRESS", default_value = APP, value_parser = given)]
    pub(crate) app: String,
    /// The path of the purge location. The purge URL is then <http://127.0.0.1/purge>.
    #[arg(long, value_name = "PATH", default_value = PURGE_PATH)]
    pub(crate) purge_path: String,
    /// A server that may purge: its address or network, once for each. Default: this machine.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) allow: Vec<String>,
    /// An address to listen at, once for each. Default: port 80 of all addresses.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Vec<String>,
    /// The name of the keys zone.
    #[arg(long, value_name = "NAME", default_value = ZONE)]
    pub(crate) zone: String,
    /// The size of the keys zone. A megabyte holds about 8,000 pages.
    #[arg(long, value_name = "SIZE", default_value = ZONE_SIZE)]
    pub(crate) zone_size: String,
    /// The folder of the cache.
    #[arg(long, value_name = "FOLDER", default_value = CACHE_FOLDER)]
    pub(crate) cache_folder: String,
}

impl NginxConfArgs {
    /// The usual ones, for this site and app.
    pub(crate) fn of(site: &str, app: &str) -> Self {
        Self {
            sites: vec![site.to_owned()],
            app: app.to_owned(),
            purge_path: PURGE_PATH.to_owned(),
            allow: Vec::new(),
            listen: Vec::new(),
            zone: ZONE.to_owned(),
            zone_size: ZONE_SIZE.to_owned(),
            cache_folder: CACHE_FOLDER.to_owned(),
        }
    }
}

/// Prints a working VCL of Varnish or Vinyl Cache.
///
/// It is a whole file: on Debian, /etc/varnish/default.vcl. It needs Varnish 7 and `vmod_xkey` (Debian's package
/// varnish-modules); Vinyl Cache, as Varnish is called since 2025, reads it, too. It is the one that Roan's guide explains. The purge URL is
/// the address of Varnish, such as <http://127.0.0.1:6081>, with `ROAN_CACHE=varnish`.
#[derive(Debug, Group)]
pub(crate) struct VclArgs {
    /// The sites, such as <https://www.example.org>; once for each host. Other hosts get status 421. Default: all hosts are
    /// served. The scheme is what the app gets as X-Forwarded-Proto.
    #[arg(long = "site", value_name = "SITE")]
    pub(crate) sites: Vec<String>,
    /// The address of the app: host and port, or <unix:/path>.
    #[arg(long, value_name = "ADDRESS", default_value = APP, value_parser = given)]
    pub(crate) app: String,
    /// A server that may purge: its address or network, once for each. Default: this machine.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) allow: Vec<String>,
    /// An address to listen at, once for each. A VCL cannot say it: a comment has the lines for Debian's service. Default: as
    /// the service is, at port 6081 on Debian.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Vec<String>,
}

impl VclArgs {
    /// The usual ones, for this site and app.
    pub(crate) fn of(site: &str, app: &str) -> Self {
        Self {
            sites: vec![site.to_owned()],
            app: app.to_owned(),
            allow: Vec::new(),
            listen: Vec::new(),
        }
    }
}

/// Says what a crate needs to purge its pages.
///
/// It reads Cargo.toml, and prints the features of Roan that fit its libraries, the lines to add, and the commands that set up
/// the cache and prove that it works. It changes nothing without --write.
#[derive(Debug, Group)]
pub(crate) struct InitArgs {
    /// The folder of the crate.
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Write the line into Cargo.toml, and the configuration of the cache into roan.nginx.conf or roan.vcl, if that does not
    /// exist.
    #[arg(long)]
    pub(crate) write: bool,
    /// The cache before the app.
    #[arg(long, value_enum, default_value_t = CacheKind::Nginx)]
    pub(crate) cache: CacheKind,
    /// The site.
    #[arg(long, value_name = "SITE", default_value = "https://www.example.org", value_parser = given)]
    pub(crate) site: String,
    /// The address of the app.
    #[arg(long, value_name = "ADDRESS", default_value = APP, value_parser = given)]
    pub(crate) app: String,
    /// Where the crate `roan` is, in a clone of its repository: the path from the crate, such as ../roan/roan. The crate is not
    /// on crates.io, so --write needs it, unless Cargo.toml has roan already.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) roan_path: Option<PathBuf>,
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("write a number and its unit, such as `10s`".to_owned()),
    }
}

/// A text that says something. In a script, `--target "$SLUG"` with an unset variable must not mean all.
pub(crate) fn given(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("is empty: write a value, or leave the option out".to_owned()),
        _ => Ok(text.to_owned()),
    }
}
