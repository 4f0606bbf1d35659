//! The site of a page: which host is which.

use std::borrow::Cow;

use crate::base::site::Site;
use crate::base::target::Target;

/// The hosts of the configured sites.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    default: Option<String>,
    /// Host and name of each further site, sorted by name.
    named: Vec<(String, String)>,
}

/// A site, as targets name it: `None` is the default site.
pub(crate) type SiteName<'a> = Option<&'a str>;

impl Hosts {
    pub(crate) fn new<'a>(
        default: Option<&Site>,
        named: impl Iterator<Item = (&'a String, &'a Site)>,
    ) -> Self {
        let mut named: Vec<_> = named
            .map(|(name, site)| (site.host().to_owned(), name.clone()))
            .collect();
        named.sort_by(|a, b| a.1.cmp(&b.1));
        Self {
            default: default.map(|site| site.host().to_owned()),
            named,
        }
    }

    /// The one site of a host, however many names it has. `None` if no site has this host.
    pub(crate) fn site(&self, host: &str) -> Option<SiteName<'_>> {
        if self.default.as_deref() == Some(host) {
            return Some(None);
        }
        match self.named.iter().find(|(known, _)| known == host) {
            Some((_, name)) => Some(Some(name)),
            // Without a default site, that of no name is each host that has none.
            None => self.default.is_none().then_some(None),
        }
    }

    /// The host of a site. `None` is every host.
    pub(crate) fn host(&self, site: SiteName<'_>) -> Option<&str> {
        match site {
            None => self.default.as_deref(),
            Some(site) => {
                let named = self.named.iter().find(|(_, name)| name == site);
                named.map(|(host, _)| &**host)
            }
        }
    }

    /// The hosts, for a message.
    #[cfg(feature = "web")]
    pub(crate) fn shown(&self) -> String {
        let hosts = self.default.iter();
        let hosts = hosts.chain(self.named.iter().map(|(host, _)| host));
        let hosts: Vec<_> = hosts.map(|host| format!("{host:?}")).collect();
        hosts.join(", ")
    }

    /// The target at the one site of its host.
    pub(crate) fn canonical<'t>(&self, target: &'t Target) -> Cow<'t, Target> {
        if target.site().is_none() {
            return Cow::Borrowed(target);
        }
        let site = self.host(target.site()).and_then(|host| self.site(host));
        match site {
            Some(site) if site != target.site() => Cow::Owned(target.at_site(site.unwrap_or(""))),
            _ => Cow::Borrowed(target),
        }
    }

    /// The same, without a copy of what is canonical.
    #[cfg(feature = "web")]
    pub(crate) fn canonical_of(&self, target: Target) -> Target {
        match self.canonical(&target) {
            Cow::Owned(canonical) => canonical,
            Cow::Borrowed(_) => target,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(default: Option<&str>) -> Hosts {
        let site = |text: &str| -> Site { text.parse().unwrap() };
        let named = [("b", "http://b.org"), ("a", "b.org"), ("c", "www.org:81")];
        let named = named.map(|(name, text)| (name.to_owned(), site(text)));
        Hosts::new(
            default.map(site).as_ref(),
            named.iter().map(|(name, site)| (name, site)),
        )
    }

    #[test]
    fn a_host_is_one_site_however_many_names_it_has() {
        let hosts = hosts(Some("https://www.org"));
        assert_eq!(hosts.site("www.org"), Some(None));
        assert_eq!(hosts.site("b.org"), Some(Some("a")));
        assert_eq!(hosts.site("other.org"), None);
        let url = Target::url("/x").unwrap();
        assert_eq!(*hosts.canonical(&url.at_site("c")), url);
        assert_eq!(*hosts.canonical(&url.at_site("b")), url.at_site("a"));
        assert_eq!(*hosts.canonical(&url), url);
    }

    #[test]
    fn without_a_default_site_each_other_host_is_that() {
        let hosts = hosts(None);
        assert_eq!(hosts.site("other.org"), Some(None));
        assert_eq!(hosts.site("b.org"), Some(Some("a")));
        assert_eq!(hosts.host(None), None);
    }
}
