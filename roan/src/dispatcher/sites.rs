//! The sites that rules may name.

use std::collections::HashMap;

use crate::base::site::Site;
use crate::error::ConfigError;
#[cfg(any(feature = "web", feature = "_sql"))]
use crate::pages::Hosts;
use crate::purger::SiteNeed;

/// The sites that rules may name.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    pub(crate) default: Option<Site>,
    pub(crate) named: HashMap<String, Site>,
}

impl Sites {
    /// Checks that a cache can purge the URLs of all sites.
    pub(crate) fn check(&self, cache: &str, need: SiteNeed) -> Result<(), ConfigError> {
        let error = |text: String, why: &str| {
            let problem =
                format!("{why}: write `https://www.example.org`, the address that visitors see");
            Err(ConfigError::value("site", text, problem))
        };
        let mut sites = self.default.iter().chain(self.named.values());
        if need != SiteNeed::Nothing && self.default.is_none() && self.named.is_empty() {
            return error(
                String::new(),
                &format!("is not set, and the cache {cache:?} purges URLs with their host"),
            );
        }
        match sites.find(|site| need == SiteNeed::WholeUrl && site.scheme().is_none()) {
            Some(site) => error(
                site.to_string(),
                &format!("has no scheme, and the cache {cache:?} purges whole URLs"),
            ),
            None => Ok(()),
        }
    }

    #[cfg(any(feature = "web", feature = "_sql"))]
    pub(crate) fn hosts(&self) -> Hosts {
        Hosts::new(self.default.as_ref(), self.named.iter())
    }
}
