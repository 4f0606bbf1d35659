//! The settings of a [`CloudFront`] as data.

use super::{AwsCredentials, CloudFront};
use crate::error::ConfigError;

/// The settings of a [`CloudFront`]. Each has the meaning and the default of the method of the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct CloudFrontConfig {
    /// The ID of the distribution. Required.
    pub distribution: String,
    /// Its name in reports.
    pub name: Option<String>,
    /// The file that has the credentials, in place of the environment: see [`AwsCredentials::from_file`].
    pub credentials_file: Option<String>,
    /// The profile in that file. Default: `default`.
    pub profile: Option<String>,
    /// The header in which the distribution reads tags.
    pub tag_header: Option<String>,
    /// The address of the API.
    pub endpoint: Option<String>,
}

impl CloudFrontConfig {
    /// `named` returns the name by which the user knows a field.
    pub(crate) fn cloudfront(
        &self,
        named: &dyn Fn(&str) -> String,
    ) -> Result<CloudFront, ConfigError> {
        let known_as = |field: &'static str| move |error: ConfigError| error.about(&named(field));
        let mut distribution =
            CloudFront::distribution(&self.distribution).map_err(known_as("distribution"))?;
        match (&self.credentials_file, &self.profile) {
            (Some(path), profile) => {
                let credentials = AwsCredentials::from_file(path);
                let profile = profile.as_deref().unwrap_or("default");
                distribution = distribution.credentials(credentials.profile(profile));
            }
            (None, Some(profile)) => {
                let needed = named("credentials_file");
                let problem = format!("has no effect without {needed}: set that, too");
                return Err(ConfigError::value(named("profile"), profile, problem));
            }
            (None, None) => {}
        }
        if let Some(name) = &self.name {
            distribution = distribution.name(name);
        }
        if let Some(header) = &self.tag_header {
            distribution = distribution
                .tag_header(header)
                .map_err(known_as("tag_header"))?;
        }
        if let Some(url) = &self.endpoint {
            distribution = distribution.endpoint(url).map_err(known_as("endpoint"))?;
        }
        Ok(distribution)
    }
}
