//! Fastly: one POST to its API for a URL, or for up to 256 surrogate keys.

mod client;
mod config;

use std::sync::Arc;
use std::time::Duration;

use self::client::Service;
pub use self::config::FastlyConfig;
use super::cdn::{Api, Endpoint, Token, id};
use super::http::Connecting;
use super::{Cache, LifetimeHeader, Limits, Mode, NodeClient, SiteNeed, TagHeader};
use crate::base::target::TargetKind;
use crate::error::ConfigError;

/// The address of the API.
const API: &str = "https://api.fastly.com";

/// The variable that Fastly's own tools read, too.
const VARIABLE: &str = "FASTLY_API_TOKEN";

/// Keys of one request: <https://www.fastly.com/documentation/reference/api/purging/>
const KEYS: usize = 256;

/// Purges of an account in an hour, and requests of other kinds, of which a purge of everything is one:
/// <https://www.fastly.com/documentation/reference/api/#rate-limiting>
const PURGES_AN_HOUR: f64 = 100_000.0;
const OTHERS_AN_HOUR: f64 = 1_000.0;
const HOUR: f64 = 3600.0;

/// How far apart two purges of a page must be, so that no server of Fastly fills itself from another one that was not purged
/// yet: <https://www.fastly.com/documentation/guides/full-site-delivery/purging/purging-best-practices/>
const APART: Duration = Duration::from_secs(2);

/// One service of Fastly. It purges by URL, by tag (*surrogate key*), and everything. Tested against a stand-in, made from the
/// [documentation of the API].
///
/// The token needs the scopes `purge_select`, and `purge_all` to purge everything. By default it is in the environment
/// variable `FASTLY_API_TOKEN`.
///
/// ```no_run
/// use roan::purger::fastly::Fastly;
/// use roan::{Nginx, Roan};
///
/// let roan = Roan::builder()
///     .cache(Nginx::at("http://10.0.0.11/purge")?) // first the cache that Fastly fetches from
///     .cache(Fastly::service("SU1Z0isxPaozGVKXdv0eY")?.soft())
///     .site("https://www.example.org")
///     .build()?;
/// # Ok::<(), roan::ConfigError>(())
/// ```
///
/// Fastly's servers are not purged at one time, so that one can fetch a stale page from another. Roan purges each page
/// a second time after 2 s at least, also if [`RoanBuilder::rebound`](crate::RoanBuilder::rebound) is shorter or `None`.
/// The guide has [more](crate::guide::cdns).
///
/// [documentation of the API]: https://www.fastly.com/documentation/reference/api/purging/
#[derive(Debug, Clone)]
#[must_use = "pass it to `RoanBuilder::cache`"]
pub struct Fastly {
    name: String,
    service: String,
    token: Token,
    soft: bool,
    account: Option<String>,
    endpoint: Endpoint,
}

impl Fastly {
    /// The service with this ID.
    ///
    /// # Errors
    ///
    /// If `id` has other characters than letters and digits.
    pub fn service(id: &str) -> Result<Self, ConfigError> {
        let problem = "is not the ID of a service: write the letters and digits below its name in the control panel, such \
                       as `SU1Z0isxPaozGVKXdv0eY`";
        Ok(Self {
            name: "fastly".to_owned(),
            service: self::id("Fastly::service", id, problem)?,
            token: Token::from_env(VARIABLE),
            soft: false,
            account: None,
            endpoint: Endpoint::known(API),
        })
    }

    /// Sets the name of the cache in reports and counters. Default: `fastly`. Several services need names of their own.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sets where the API token comes from. Default: the environment variable `FASTLY_API_TOKEN`.
    pub fn token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    /// Marks pages as stale instead of removing them ([soft purge]): Fastly may serve them while it fetches a new one, if they
    /// have `stale-while-revalidate`, or while the app is down, with `stale-if-error`. A purge of everything is never soft.
    ///
    /// [soft purge]: https://www.fastly.com/documentation/guides/full-site-delivery/purging/soft-purges/
    pub fn soft(mut self) -> Self {
        self.soft = true;
        self
    }

    /// Names the account of the service, which may have 100,000 purges an hour: services with the same name of an account
    /// share them. Any name will do. By default each service has them for itself.
    pub fn account(mut self, name: &str) -> Self {
        self.account = Some(name.to_owned());
        self
    }

    /// Sets the address of the API, for a gateway or a stand-in. Default: `https://api.fastly.com`. The token is sent there.
    ///
    /// # Errors
    ///
    /// If `url` is neither `https` nor `http`, or has a user name, a query or a fragment.
    pub fn endpoint(mut self, url: &str) -> Result<Self, ConfigError> {
        self.endpoint = Endpoint::parse("Fastly::endpoint", url, API)?;
        Ok(self)
    }

    fn connect(&self, connecting: &Connecting) -> Result<Vec<NodeClient>, ConfigError> {
        let api = Api::with_token(connecting, &self.endpoint, &self.token)?;
        let service = Service::new(api, &self.service, &self.token, self.soft);
        Ok(vec![NodeClient {
            name: Arc::from(self.service.as_str()),
            purger: Box::new(service),
        }])
    }
}

impl From<Fastly> for Cache {
    fn from(service: Fastly) -> Self {
        let purges = Limits::new().rate(PURGES_AN_HOUR / HOUR).burst(1000);
        let others = Limits::new().rate(OTHERS_AN_HOUR / HOUR).burst(10);
        let mut cache = Self::new(&service.name)
            .purges([TargetKind::Url], purges)
            .purges([TargetKind::Tag], purges.batch(KEYS))
            .purges([TargetKind::Everything], others)
            .tag_header(TagHeader::surrogate_key())
            .lifetime_header(LifetimeHeader::SurrogateControl)
            .least_rebound(APART);
        if service.soft {
            cache = cache.mode(Mode::Soft);
        }
        if let Some(account) = &service.account {
            cache = cache.account(&format!("fastly {account}"));
        }
        Self {
            site_need: SiteNeed::Host,
            connect: Box::new(move |connecting| service.connect(connecting)),
            ..cache
        }
    }
}
