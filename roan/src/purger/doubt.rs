//! Whether the answers of a node leave it open that purges reach its pages.

use std::collections::BTreeMap;

use crate::base::lock::Mutex;
use crate::base::site::Site;

/// For so many sites it is known which of them it is about: a node that has this many is set up wrongly for all.
const MOST_SITES: usize = 64;

/// The sites of which the last answer of a node shows nothing, and why, with the cure.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    sites: Mutex<BTreeMap<String, (Site, String)>>,
}

impl Doubt {
    /// An answer about this site shows nothing.
    pub(crate) fn raise(&self, site: &Site, why: impl FnOnce() -> String) {
        let mut sites = self.sites.lock();
        if sites.len() < MOST_SITES && !sites.contains_key(site.authority()) {
            sites.insert(site.authority().to_owned(), (site.clone(), why()));
        }
    }

    /// An answer about this site shows that purges reach its pages.
    pub(crate) fn settle(&self, site: &Site) {
        self.sites.lock().remove(site.authority());
    }

    /// Returns why nothing shows that purges reach the pages of some site.
    #[cfg(feature = "agent")]
    pub(crate) fn why(&self) -> Option<String> {
        let sites = self.sites.lock();
        sites.values().next().map(|(_, why)| why.clone())
    }

    /// Returns the sites that it is about.
    #[cfg(feature = "agent")]
    pub(crate) fn sites(&self) -> Vec<Site> {
        let sites = self.sites.lock();
        sites.values().map(|(site, _)| site.clone()).collect()
    }
}
