//! From the URL of a page to what is purged.

use roan::{RoanBuilder, Site, Target};

/// The sites whose pages may be purged.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    /// With their names; the default site has none.
    sites: Vec<(Option<String>, Site)>,
}

/// A URL that is not purged.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) why: Why,
    /// What is wrong, and what to type.
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    OtherHost,
    NotAUrl,
}

impl Pages {
    pub(crate) fn new(builder: &RoanBuilder) -> Self {
        let owned = |(name, site): (Option<&str>, &Site)| (name.map(str::to_owned), site.clone());
        Self {
            sites: builder.sites().map(owned).collect(),
        }
    }

    /// The site of this URL alone; none, if it is not a whole URL.
    pub(crate) fn of_url(url: &str) -> Self {
        let sites = split(url).map(|(site, _)| (None, site));
        Self {
            sites: sites.into_iter().collect(),
        }
    }

    /// The page at a whole URL, or at a path of the default site.
    pub(crate) fn target(&self, text: &str) -> Result<Target, Refused> {
        let refused = |why, message| Err(Refused { why, message });
        let (site, url) = if text.starts_with('/') {
            (None, text.to_owned())
        } else {
            match split(text) {
                Ok((site, url)) => (Some(site), url),
                Err(problem) => return refused(Why::NotAUrl, problem),
            }
        };
        let target = match Target::url(&url) {
            Ok(target) => target,
            Err(error) => return refused(Why::NotAUrl, error.to_string()),
        };
        let Some(site) = site else { return Ok(target) };
        match self.sites.iter().find(|(_, own)| same(own, &site)) {
            Some((None, _)) => Ok(target),
            Some((Some(name), _)) => Ok(target.at_site(name)),
            None => {
                let own: Vec<_> = self
                    .sites
                    .iter()
                    .map(|(_, site)| site.to_string())
                    .collect();
                let message = format!(
                    "{text} is a page of another site than {}: name that one by --site or in ROAN_SITE",
                    own.join(", ")
                );
                refused(Why::OtherHost, message)
            }
        }
    }

    /// Whether a whole URL is one of these sites.
    pub(crate) fn has(&self, url: &str) -> bool {
        split(url).is_ok_and(|(site, _)| self.sites.iter().any(|(_, own)| same(own, &site)))
    }
}

fn split(text: &str) -> Result<(Site, String), String> {
    if !text.contains("://") {
        return Err(format!(
            "{text:?} is neither a URL nor a path: write a URL such as `https://www.example.org/posts`, or a path \
             such as `/posts`"
        ));
    }
    Site::split(text).map_err(|error| error.to_string())
}

/// The site of a whole URL, if it is one.
pub(crate) fn site_of(text: &str) -> Option<String> {
    let (site, _) = split(text).ok()?;
    Some(site.to_string())
}

/// Whether visitors see the same pages at both: the scheme may differ.
fn same(one: &Site, other: &Site) -> bool {
    fn place(site: &Site) -> &str {
        let authority = site.authority();
        let default = match site.scheme() {
            Some("https") => ":443",
            Some(_) => ":80",
            None => return authority,
        };
        authority.strip_suffix(default).unwrap_or(authority)
    }
    place(one) == place(other)
}
