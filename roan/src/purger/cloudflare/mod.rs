//! Cloudflare: one POST to the API of a zone for up to 100 URLs, tags, prefixes or hosts.

mod client;
mod config;
mod plan;

use std::sync::Arc;

use self::client::Zone;
pub use self::config::CloudflareConfig;
pub use self::plan::Plan;
use super::cdn::{Api, Endpoint, Token};
use super::http::Connecting;
use super::{Cache, LifetimeHeader, NodeClient, SiteNeed, TagHeader};
use crate::base::target::{TargetKind, shortened};
use crate::error::ConfigError;

/// The address of the API.
const API: &str = "https://api.cloudflare.com/client/v4";

/// The variable that Cloudflare's own tools read, too.
const VARIABLE: &str = "CLOUDFLARE_API_TOKEN";

/// One zone of Cloudflare. It purges by URL, tag, prefix and host, and everything. Tested against a stand-in, made from the
/// [documentation of the API].
///
/// The token needs the permission *Zone / Cache Purge* for the zone. By default it is in the environment variable
/// `CLOUDFLARE_API_TOKEN`.
///
/// ```no_run
/// use roan::purger::Token;
/// use roan::purger::cloudflare::{Cloudflare, Plan};
/// use roan::{Nginx, Roan};
///
/// let zone = Cloudflare::zone("023e105f4ecef8ad9ca31a8372d0c353")?
///     .plan(Plan::Pro)
///     .token(Token::from_file("/run/secrets/cloudflare"));
/// let roan = Roan::builder()
///     .cache(Nginx::at("http://10.0.0.11/purge")?) // first the cache that Cloudflare fetches from
///     .cache(zone)
///     .site("https://www.example.org") // with its scheme: Cloudflare purges whole URLs
///     .build()?;
/// # Ok::<(), roan::ConfigError>(())
/// ```
///
/// The guide has [more](crate::guide::cdns): limits by plan, and what a purge does not reach.
///
/// [documentation of the API]: https://developers.cloudflare.com/api/resources/cache/methods/purge/
#[derive(Debug, Clone)]
#[must_use = "pass it to `RoanBuilder::cache`"]
pub struct Cloudflare {
    name: String,
    zone: String,
    token: Token,
    plan: Plan,
    account: Option<String>,
    endpoint: Endpoint,
}

impl Cloudflare {
    /// The zone with this ID, on the plan [`Plan::Free`]. The ID is on the zone's overview page.
    ///
    /// # Errors
    ///
    /// If `id` is not 32 hexadecimal digits.
    pub fn zone(id: &str) -> Result<Self, ConfigError> {
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let problem = "is not the ID of a zone: write the 32 hexadecimal digits that the zone's overview page shows, \
                           and not its name";
            return Err(ConfigError::value(
                "Cloudflare::zone",
                shortened(id),
                problem,
            ));
        }
        Ok(Self {
            name: "cloudflare".to_owned(),
            zone: id.to_owned(),
            token: Token::from_env(VARIABLE),
            plan: Plan::default(),
            account: None,
            endpoint: Endpoint::known(API),
        })
    }

    /// Sets the name of the cache in reports and counters. Default: `cloudflare`. Several zones need names of their own.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sets where the API token comes from. Default: the environment variable `CLOUDFLARE_API_TOKEN`.
    pub fn token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    /// Sets the plan, to whose limits the dispatcher keeps. Default: [`Plan::Free`].
    pub fn plan(mut self, plan: Plan) -> Self {
        self.plan = plan;
        self
    }

    /// Names the account of the zone: the limits are those of an account, so zones with the same name of an account share
    /// them. Any name will do. By default each zone has the limits for itself.
    pub fn account(mut self, name: &str) -> Self {
        self.account = Some(name.to_owned());
        self
    }

    /// Sets the address of the API, for a gateway or a stand-in. Default: `https://api.cloudflare.com/client/v4`. The token is
    /// sent there.
    ///
    /// # Errors
    ///
    /// If `url` is neither `https` nor `http`, or has a user name, a query or a fragment.
    pub fn endpoint(mut self, url: &str) -> Result<Self, ConfigError> {
        self.endpoint = Endpoint::parse("Cloudflare::endpoint", url, API)?;
        Ok(self)
    }

    fn connect(&self, connecting: &Connecting) -> Result<Vec<NodeClient>, ConfigError> {
        let api = Api::with_token(connecting, &self.endpoint, &self.token)?;
        let zone = Zone::new(api, &self.zone, &self.token)?;
        Ok(vec![NodeClient {
            name: Arc::from(self.zone.as_str()),
            purger: Box::new(zone),
        }])
    }
}

impl From<Cloudflare> for Cache {
    fn from(zone: Cloudflare) -> Self {
        let others = [
            TargetKind::Tag,
            TargetKind::Prefix,
            TargetKind::Host,
            TargetKind::Everything,
        ];
        let mut cache = Self::new(&zone.name)
            .purges([TargetKind::Url], zone.plan.urls())
            .purges(others, zone.plan.others())
            .tag_header(TagHeader::cache_tag())
            .lifetime_header(LifetimeHeader::CdnCacheControl);
        if let Some(account) = &zone.account {
            cache = cache.account(&format!("cloudflare {account}"));
        }
        Self {
            site_need: SiteNeed::WholeUrl,
            connect: Box::new(move |connecting| zone.connect(connecting)),
            ..cache
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_not_the_id_of_a_zone() {
        for id in [
            "example.org",
            "",
            "023e105f4ecef8ad9ca31a8372d0c35g",
            "../../x",
        ] {
            let error = Cloudflare::zone(id).unwrap_err().to_string();
            assert!(error.contains("32 hexadecimal digits"), "{error}");
        }
    }

    #[test]
    fn an_address_with_a_password_is_refused_without_showing_it() {
        let zone = || Cloudflare::zone("023e105f4ecef8ad9ca31a8372d0c353").unwrap();
        for (url, words) in [
            ("https://me:pw@x/", "has a user name"),
            ("ftp://x/", "must begin with"),
            ("x", "is not a URL"),
            ("https://x/?pw", "has a query"),
        ] {
            let error = zone().endpoint(url).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("pw"), "{error}");
        }
        assert!(zone().endpoint("http://127.0.0.1:8080/v4/").is_ok());
    }
}
