//! The settings of a [`Cloudflare`] as data.

use super::{Cloudflare, Plan, VARIABLE};
use crate::error::ConfigError;
use crate::purger::Token;

/// The settings of a [`Cloudflare`]. Each has the meaning and the default of the method of the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct CloudflareConfig {
    /// The ID of the zone. Required.
    pub zone: String,
    /// Its name in reports.
    pub name: Option<String>,
    /// The environment variable that has the token. Default: `CLOUDFLARE_API_TOKEN`.
    pub token_env: Option<String>,
    /// The file that has the token, in place of a variable.
    pub token_file: Option<String>,
    /// The plan: `free`, `pro`, `business` or `enterprise`.
    pub plan: Plan,
    /// The name of the account, whose zones share the limits.
    pub account: Option<String>,
    /// The address of the API.
    pub endpoint: Option<String>,
}

impl CloudflareConfig {
    /// `named` returns the name by which the user knows a field.
    pub(crate) fn cloudflare(
        &self,
        named: &dyn Fn(&str) -> String,
    ) -> Result<Cloudflare, ConfigError> {
        let known_as = |field: &'static str| move |error: ConfigError| error.about(&named(field));
        let (variable, file) = (self.token_env.as_deref(), self.token_file.as_deref());
        let token = Token::configured(variable, file, VARIABLE, named)?;
        let mut zone = Cloudflare::zone(&self.zone)
            .map_err(known_as("zone"))?
            .token(token)
            .plan(self.plan);
        if let Some(name) = &self.name {
            zone = zone.name(name);
        }
        if let Some(account) = &self.account {
            zone = zone.account(account);
        }
        if let Some(url) = &self.endpoint {
            zone = zone.endpoint(url).map_err(known_as("endpoint"))?;
        }
        Ok(zone)
    }
}
