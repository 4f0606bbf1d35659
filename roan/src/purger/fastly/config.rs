//! The settings of a [`Fastly`] as data.

use super::{Fastly, VARIABLE};
use crate::error::ConfigError;
use crate::purger::Token;

/// The settings of a [`Fastly`]. Each has the meaning and the default of the method of the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct FastlyConfig {
    /// The ID of the service. Required.
    pub service: String,
    /// Its name in reports.
    pub name: Option<String>,
    /// The environment variable that has the token. Default: `FASTLY_API_TOKEN`.
    pub token_env: Option<String>,
    /// The file that has the token, in place of a variable.
    pub token_file: Option<String>,
    /// Whether pages are marked as stale instead of removed.
    pub soft: bool,
    /// The name of the account, whose services share the limits.
    pub account: Option<String>,
    /// The address of the API.
    pub endpoint: Option<String>,
}

impl FastlyConfig {
    /// `named` returns the name by which the user knows a field.
    pub(crate) fn fastly(&self, named: &dyn Fn(&str) -> String) -> Result<Fastly, ConfigError> {
        let known_as = |field: &'static str| move |error: ConfigError| error.about(&named(field));
        let (variable, file) = (self.token_env.as_deref(), self.token_file.as_deref());
        let token = Token::configured(variable, file, VARIABLE, named)?;
        let mut service = Fastly::service(&self.service)
            .map_err(known_as("service"))?
            .token(token);
        if self.soft {
            service = service.soft();
        }
        if let Some(name) = &self.name {
            service = service.name(name);
        }
        if let Some(account) = &self.account {
            service = service.account(account);
        }
        if let Some(url) = &self.endpoint {
            service = service.endpoint(url).map_err(known_as("endpoint"))?;
        }
        Ok(service)
    }
}
