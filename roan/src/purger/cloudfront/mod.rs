//! CloudFront: one `CreateInvalidation` for paths, with or without a wildcard, or for tags.

mod client;
mod config;
mod credentials;
mod invalidation;

use std::sync::Arc;

use http::HeaderName;

use self::client::Distribution;
pub use self::config::CloudFrontConfig;
pub use self::credentials::AwsCredentials;
use super::cdn::{Api, Endpoint, Secret, id};
use super::http::Connecting;
use super::{Cache, LifetimeHeader, Limits, NodeClient, TagHeader};
use crate::base::target::TargetKind;
use crate::error::ConfigError;

/// The address of the API.
const API: &str = "https://cloudfront.amazonaws.com";

/// One distribution of CloudFront. It purges by URL, prefix, host and, if it reads tags, by tag, and everything. Tested against
/// a stand-in, made from the [documentation of the API].
///
/// The credentials need the permission `cloudfront:CreateInvalidation`. By default they are in the environment variables
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary ones, `AWS_SESSION_TOKEN`.
///
/// ```no_run
/// use roan::purger::cloudfront::{AwsCredentials, CloudFront};
/// use roan::{Nginx, Roan};
///
/// let distribution = CloudFront::distribution("E1PA6795UKMFR9")?
///     .credentials(AwsCredentials::from_file("/srv/app/.aws/credentials"))
///     .tag_header("Cache-Tag")?; // the one of the distribution's `CacheTagConfig`
/// let roan = Roan::builder()
///     .cache(Nginx::at("http://10.0.0.11/purge")?) // first the cache that CloudFront fetches from
///     .cache(distribution)
///     .site("https://www.example.org")
///     .build()?;
/// # Ok::<(), roan::ConfigError>(())
/// ```
///
/// # Price
///
/// Each URL, prefix or tag is a path of an invalidation. [AWS] takes nothing for the first 1,000 paths of a month, and $0.005
/// for each further one (2026). With the rebound, each purge is two paths, and with
/// [`Spellings::Common`](crate::Spellings::Common) each other spelling of a URL is one more. A tag or prefix
/// that names many pages costs as much as one URL.
///
/// If the answer to a request is lost, Roan sends it again under the same `CallerReference`, so that CloudFront does not
/// invalidate, and charge, twice. A purge that is asked for again has another reference. So have retries that CloudFront may
/// charge for: of a request for several paths, which leave again in smaller requests, and of rows of a durable outbox.
///
/// The guide has [more](crate::guide::cdns).
///
/// [documentation of the API]: https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateInvalidation.html
/// [AWS]: https://aws.amazon.com/cloudfront/pricing/
#[derive(Debug, Clone)]
#[must_use = "pass it to `RoanBuilder::cache`"]
pub struct CloudFront {
    name: String,
    distribution: String,
    credentials: AwsCredentials,
    tag_header: Option<HeaderName>,
    endpoint: Endpoint,
}

impl CloudFront {
    /// The distribution with this ID.
    ///
    /// # Errors
    ///
    /// If `id` has other characters than letters and digits.
    pub fn distribution(id: &str) -> Result<Self, ConfigError> {
        let problem = "is not the ID of a distribution: write the letters and digits of the console's column *ID*, such as \
                       `E1PA6795UKMFR9`, and not its domain name";
        Ok(Self {
            name: "cloudfront".to_owned(),
            distribution: self::id("CloudFront::distribution", id, problem)?,
            credentials: AwsCredentials::from_env(),
            tag_header: None,
            endpoint: Endpoint::known(API),
        })
    }

    /// Sets the name of the cache in reports and counters. Default: `cloudfront`. Several distributions need names of their
    /// own.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Sets where the credentials come from. Default: [`AwsCredentials::from_env`].
    pub fn credentials(mut self, credentials: AwsCredentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Sets the header in which the distribution reads the tags of a page, that of its [`CacheTagConfig`]: then it purges
    /// tags. CloudFront reads up to 50 tags of a page, of up to 256 characters, and does not distinguish upper and lower
    /// case. Without `CacheTagConfig` it ignores the header and purges nothing by tag.
    ///
    /// [`CacheTagConfig`]: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-by-tags.html
    ///
    /// # Errors
    ///
    /// If `name` is not the name of a header.
    pub fn tag_header(mut self, name: &str) -> Result<Self, ConfigError> {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
            let problem = "is not the name of a header: write the one of `CacheTagConfig`, such as `Cache-Tag`";
            ConfigError::value("CloudFront::tag_header", name, problem)
        })?;
        self.tag_header = Some(header);
        Ok(self)
    }

    /// Sets the address of the API, for a gateway or a stand-in. Default: `https://cloudfront.amazonaws.com`. Requests are
    /// signed for that host.
    ///
    /// # Errors
    ///
    /// If `url` is neither `https` nor `http`, or has a user name, a query or a fragment.
    pub fn endpoint(mut self, url: &str) -> Result<Self, ConfigError> {
        self.endpoint = Endpoint::parse("CloudFront::endpoint", url, API)?;
        Ok(self)
    }

    fn connect(&self, connecting: &Connecting) -> Result<Vec<NodeClient>, ConfigError> {
        let credentials = self.credentials.clone();
        let api = Api::new(
            connecting,
            self.endpoint.clone(),
            Secret::new(move || credentials.read())?,
        )?;
        let distribution = Distribution::new(api, &self.distribution, &self.credentials)?;
        Ok(vec![NodeClient {
            name: Arc::from(self.distribution.as_str()),
            purger: Box::new(distribution),
        }])
    }
}

/// The limits of [AWS] are on what is in progress: 3,000 paths and tags, and 15 paths with a wildcard. An invalidation takes
/// less than 25 s (P95): with these rates there are at most so many in 30 s.
///
/// [AWS]: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/InvalidationLimits.html
impl From<CloudFront> for Cache {
    fn from(distribution: CloudFront) -> Self {
        let paths = Limits::new().batch(1000).rate(50.0).burst(1500).by_target();
        let wildcards = Limits::new().batch(5).rate(1.0 / 3.0).burst(5).by_target();
        let mut cache = Self::new(&distribution.name)
            .purges([TargetKind::Url, TargetKind::Tag], paths)
            .lifetime_header(LifetimeHeader::CacheControl);
        cache = match &distribution.tag_header {
            Some(name) => {
                cache.tag_header(TagHeader::cache_tag().named(name.clone()).limits(256, 50))
            }
            None => Self::new(&distribution.name).purges([TargetKind::Url], paths),
        };
        let kinds = [TargetKind::Prefix, TargetKind::Host, TargetKind::Everything];
        Self {
            connect: Box::new(move |connecting| distribution.connect(connecting)),
            ..cache.purges(kinds, wildcards)
        }
    }
}
