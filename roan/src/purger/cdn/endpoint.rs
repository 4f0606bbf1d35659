//! The address of an API.

use std::fmt;

use reqwest::Url;

use crate::base::redact::redacted;
use crate::base::target::shortened;
use crate::error::ConfigError;

/// The beginning of the URL of each request, without a slash at its end.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::purger) struct Endpoint(String);

impl Endpoint {
    /// An address that Roan knows.
    pub(in crate::purger) fn known(url: &'static str) -> Self {
        Self(url.to_owned())
    }

    /// `setting` is the name by which the user knows the address, `example` the usual one.
    pub(in crate::purger) fn parse(
        setting: &str,
        text: &str,
        example: &str,
    ) -> Result<Self, ConfigError> {
        let error = |problem: &str| {
            let problem = format!("{problem}: write an address such as `{example}`");
            Err(ConfigError::value(
                setting,
                shortened(&redacted(text)),
                problem,
            ))
        };
        let Ok(url) = Url::parse(text) else {
            return error("is not a URL");
        };
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return error("must begin with `https://` or `http://`");
        }
        if !url.username().is_empty() || url.password().is_some() || url.path().contains('@') {
            return error("has a user name or password, which requests would not carry");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return error("has a query or fragment");
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// The URL of a request. `None` if the HTTP client would not send `path` byte for byte.
    pub(in crate::purger) fn url(&self, path: &str) -> Option<Url> {
        let url = format!("{}{path}", self.0);
        let parsed = Url::parse(&url).ok()?;
        (parsed.as_str() == url).then_some(parsed)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
