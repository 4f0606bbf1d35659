//! Purges of tags, prefixes, hosts and everything, in the web layer: by the cache if it claims the kind, else by the index.

use std::collections::HashMap;

use roan::Target;
use roan_tests::HOST;

use crate::site::{OTHER, OTHER_HOST, Site};
use crate::stand::Start;

/// Pages of both sites.
const PAGES: [&str; 11] = [
    "/tagged/a",
    "/tagged/b",
    "/tagged/none",
    "/docs/v1/",
    "/docs/v1/page",
    "/docs/v1/a/b?q=1",
    "/docs/v1x",
    "/docs/v10/page",
    "/docs/v1%2Fpage",
    "/docs?x=/docs/v1/",
    "/other/docs/v1/page",
];
/// Those below `/docs/v1/`.
const BELOW: &[&str] = &["/docs/v1/", "/docs/v1/page", "/docs/v1/a/b?q=1"];

pub(crate) fn every_kind(start: &Start) {
    let site = Site::start_tagged(start);
    for host in [HOST, OTHER_HOST] {
        let origin = site.origin.at_host(host);
        origin.tags("/tagged/a", &["author-7", "posts"]);
        origin.tags(
            "/tagged/b",
            &["author-77", "author-", "author", "uthor-7", "Author-7"],
        );
    }
    let mut rounds = Rounds::new(&site);
    let a = &["/tagged/a"];
    rounds.purge(&Target::url("/tagged/a").unwrap(), a, &[]);
    rounds.purge(&Target::tag("author-7").unwrap(), a, a);
    let b = &["/tagged/b"];
    rounds.purge(&Target::tag("author-77").unwrap(), b, b);
    let prefix = Target::prefix("/docs/v1/").unwrap();
    rounds.purge(&prefix, BELOW, &[]);
    rounds.purge(&prefix.at_site(OTHER), &[], BELOW);
    rounds.purge(&Target::host(), &PAGES, &[]);
    rounds.purge(&Target::host().at_site(OTHER), &[], &PAGES);
    rounds.purge(&Target::everything(), &PAGES, &PAGES);
}

/// One purge a round, between which the pages stay in the caches.
struct Rounds<'site> {
    site: &'site Site,
    round: usize,
    /// The pages that the cache can have.
    pages: Vec<&'static str>,
    /// What the caches have.
    texts: HashMap<(&'static str, &'static str), String>,
}

impl<'site> Rounds<'site> {
    fn new(site: &'site Site) -> Self {
        let left_out = site.stand.leaves_out();
        let pages = PAGES.into_iter().filter(|url| !left_out.contains(url));
        Self {
            site,
            round: 0,
            pages: pages.collect(),
            texts: HashMap::new(),
        }
    }

    /// Of all pages of both sites, the purge makes fresh those pages of the first site and those of the other one.
    #[track_caller]
    fn purge(&mut self, target: &Target, of_the_first: &[&str], of_the_other: &[&str]) {
        let site = self.site;
        let old = format!("row {}", self.round);
        self.round += 1;
        let new = format!("row {}", self.round);
        for host in [HOST, OTHER_HOST] {
            for url in self.pages.iter().copied() {
                let text = self.texts.entry((host, url)).or_insert_with(|| {
                    site.store(host, url, &old);
                    old.clone()
                });
                site.assert_hit(host, url, text);
                site.origin.at_host(host).set(url, &new);
            }
        }
        site.roan.purge(target.clone()).unwrap();
        site.flush();
        for (host, purged) in [(HOST, of_the_first), (OTHER_HOST, of_the_other)] {
            for url in self.pages.iter().copied() {
                if purged.contains(&url) {
                    site.assert_fresh(host, url, &new);
                    self.texts.insert((host, url), new.clone());
                } else {
                    site.assert_hit(host, url, &self.texts[&(host, url)]);
                }
            }
        }
        site.settle();
        for (host, purged) in [(HOST, of_the_first), (OTHER_HOST, of_the_other)] {
            for url in self.pages.iter().filter(|url| purged.contains(url)) {
                site.store(host, url, &new);
            }
        }
    }
}
