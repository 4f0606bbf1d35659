//! The sites that rules may name.

use std::borrow::Cow;
use std::collections::HashMap;
#[cfg(feature = "agent")]
use std::sync::{PoisonError, RwLock};

use crate::base::site::Site;
#[cfg(feature = "agent")]
use crate::base::target::Target;
use crate::error::ConfigError;
#[cfg(any(feature = "web", feature = "_sql"))]
use crate::pages::Hosts;
use crate::purger::SiteNeed;

/// The sites that rules may name.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    pub(crate) default: Option<Site>,
    pub(crate) named: HashMap<String, Site>,
    /// Those that the messages of a fleet have brought along, by their text.
    #[cfg(feature = "agent")]
    learned: RwLock<HashMap<String, Site>>,
}

/// More sites of messages are not learned.
#[cfg(feature = "agent")]
const MOST_LEARNED: usize = 10_000;

impl Sites {
    /// The site of this name; of `None` the default site.
    pub(crate) fn get(&self, name: Option<&str>) -> Option<Cow<'_, Site>> {
        let Some(name) = name else {
            return self.default.as_ref().map(Cow::Borrowed);
        };
        let known = self.named.get(name).map(Cow::Borrowed);
        #[cfg(feature = "agent")]
        let known = known.or_else(|| {
            let learned = self.learned.read();
            let learned = learned.unwrap_or_else(PoisonError::into_inner);
            learned.get(name).cloned().map(Cow::Owned)
        });
        known
    }

    /// Whether a rule or a message may name that site.
    pub(super) fn has(&self, name: &str) -> bool {
        self.named.contains_key(name) || self.get(Some(name)).is_some()
    }

    /// Takes in a site that has no name here, and returns one: its text. `None` if there are too many.
    #[cfg(feature = "agent")]
    pub(crate) fn learn(&self, site: &Site) -> Option<String> {
        let text = site.to_string();
        if self.has(&text) {
            return Some(text);
        }
        let learned = self.learned.write();
        let mut learned = learned.unwrap_or_else(PoisonError::into_inner);
        if learned.len() >= MOST_LEARNED || text.len() > Target::MAX_SITE_LEN {
            return None;
        }
        learned.insert(text.clone(), site.clone());
        Some(text)
    }

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
