//! Varnish, with the VCL that the guide quotes: what is purged, and what is not.

mod bans;
mod setup;
mod soft;
mod stored;

use roan::{Cache, Outcome, Report, Roan, Spellings, Target, TargetKind};
use roan_tests::{Browser, HOST, Origin, SPELLINGS, Varnish, VarnishOptions, wait};

use crate::support::{LONG, builder_for, flush, next, until_final};

const SHOP: &str = "shop.test";

/// An origin, and two nodes in front of it.
struct Site {
    origin: Origin,
    nodes: [Varnish; 2],
}

impl Site {
    fn start() -> Self {
        let origin = Origin::start();
        let options = VarnishOptions::default();
        let nodes = [(); 2].map(|()| Varnish::start(&origin, &options));
        Self { origin, nodes }
    }

    fn cache(&self) -> roan::Varnish {
        cache(&self.nodes[0]).node(&self.nodes[1].url()).unwrap()
    }

    fn roan(&self) -> Roan {
        built(self.cache())
    }

    fn browsers(&self) -> [Browser; 2] {
        self.nodes.each_ref().map(Varnish::browser)
    }

    #[track_caller]
    fn warm(&self, url: &str) {
        for browser in self.browsers() {
            browser.warm(url);
        }
    }

    /// Whether both nodes have the page.
    #[track_caller]
    fn has(&self, host: &str, url: &str) -> bool {
        let of = |browser: Browser| browser.at_host(host).get(url).cache_status() == "HIT";
        let [left, right] = self.browsers().map(of);
        assert_eq!(left, right, "{host}{url} at each node");
        left
    }
}

fn cache(node: &Varnish) -> roan::Varnish {
    roan::Varnish::at(&node.url()).unwrap()
}

fn built(varnish: roan::Varnish) -> Roan {
    builder_for(varnish)
        .named_site("shop", format!("http://{SHOP}"))
        .spellings(Spellings::Exact)
        .build()
        .unwrap()
}

/// The final report of a purge at the only node.
#[track_caller]
fn purged(roan: &Roan, target: Target) -> Report {
    let mut reports = roan.subscribe();
    roan.purge(target).unwrap();
    until_final(&mut reports).pop().unwrap()
}

#[test]
fn every_url_can_be_purged_and_no_other_goes_with_it() {
    let site = Site::start();
    let roan = site.roan();
    let mut reports = roan.subscribe();
    let long = format!("/long/{}", "x".repeat(4000));
    let more = ["/bare", "/bare?", "/new%0Aline", "/%5C%51", "/a?b&", &long];
    let urls = [&SPELLINGS[..], &more].concat();
    urls.iter().for_each(|url| site.warm(url));
    for (number, url) in urls.iter().enumerate() {
        roan.purge(*url).expect(url);
        for _node in &site.nodes {
            let report = next(&mut reports);
            let seen = (&report.outcome, report.status, report.verified);
            assert_eq!(seen, (&Outcome::Purged, Some(200), true), "{url}");
        }
        assert!(!site.has(HOST, url), "{url} after its purge");
        for other in &urls[number + 1..] {
            assert!(site.has(HOST, other), "{other} after the purge of {url}");
        }
    }
    let report = purged(&roan, Target::url("/never-seen").unwrap());
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::NotCached, true)
    );
    let longest = format!("/{}", "x".repeat(Target::MAX_LEN - 1));
    site.warm(&longest);
    roan.purge(&longest).unwrap();
    flush(&roan);
    assert!(!site.has(HOST, &longest));
}

#[test]
fn pages_are_purged_by_tags() {
    let site = Site::start();
    let tagged: [(&str, &[(&str, &str)]); 5] = [
        ("/1", &[("xkey", "a b-1")]),
        ("/2", &[("xkey", "b-1"), ("xkey", "c:/=")]),
        ("/3", &[("xkey", "d")]),
        ("/4", &[("xkey", "A aa b-11 %61 .*")]),
        ("/5", &[]),
    ];
    for (url, headers) in tagged {
        site.origin.headers(url, headers);
        site.warm(url);
        assert_eq!(site.nodes[0].browser().get(url).header("xkey"), None);
    }
    let roan = site.roan();
    let fresh = |tags: &[&str]| {
        for tag in tags {
            roan.purge(Target::tag(tag).unwrap()).unwrap();
        }
        flush(&roan);
        let gone = tagged.iter().filter(|(url, _)| !site.has(HOST, url));
        gone.map(|(url, _)| *url).collect::<Vec<_>>()
    };
    assert_eq!(fresh(&["a"]), ["/1"]);
    assert_eq!(fresh(&["b-1"]), ["/1", "/2"]);
    assert_eq!(fresh(&["c:/=", "d", "never-seen"]), ["/2", "/3"]);
    assert_eq!(fresh(&["%2A", ".", "b"]), [""; 0]);
    assert_eq!(fresh(&["%61"]), ["/4"]);
    assert_eq!(roan.stats().refused, 0);
    let report = purged(&built(cache(&site.nodes[0])), Target::tag("zz").unwrap());
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::NotCached, true)
    );
}

/// A batch of the longest tags is a line that Varnish reads.
#[test]
fn many_long_tags_are_purged() {
    let site = Site::start();
    let limits = Cache::from(site.cache())
        .capabilities()
        .limits(TargetKind::Tag);
    let batch = limits.unwrap().batch_size();
    let tags: Vec<_> = (0..10 * batch)
        .map(|number| format!("{number:x>120}"))
        .collect();
    let (first, last) = (leaked(&tags[0]), leaked(&tags[10 * batch - 1]));
    site.origin.headers("/first", &[("xkey", first)]);
    site.origin.headers("/last", &[("xkey", last)]);
    site.origin.headers("/other", &[("xkey", "x")]);
    let urls = ["/first", "/last", "/other"];
    urls.iter().for_each(|url| site.warm(url));
    let roan = site.roan();
    for tag in &tags {
        roan.purge(Target::tag(tag).unwrap()).unwrap();
    }
    flush(&roan);
    assert_eq!(urls.map(|url| site.has(HOST, url)), [false, false, true]);
    assert_eq!(roan.stats().refused, 0);

    let (browser, line) = (site.nodes[0].browser(), tags[..batch].join(" "));
    for name in ["xkey-purge", "xkey-softpurge"] {
        browser.warm("/first");
        let answer = browser.send("PURGE", "/", &[(name, &line)]);
        assert_eq!(
            (answer.status, answer.header("X-Roan-Found")),
            (200, Some("1"))
        );
    }
}

fn leaked(text: &str) -> &'static str {
    text.to_owned().leak()
}

#[test]
fn all_variants_of_a_page_go() {
    let site = Site::start();
    let url = "/hello";
    site.origin
        .headers(url, &[("vary", "Accept-Language"), ("xkey", "t")]);
    let browser = site.nodes[0].browser();
    let languages = ["de", "en", "fr"];
    let get = |language| browser.send("GET", url, &[("Accept-Language", language)]);
    for soft in [false, true] {
        for target in [Target::url(url).unwrap(), Target::tag("t").unwrap()] {
            for language in languages {
                let is_hit = || get(language).cache_status() == "HIT";
                wait::until(LONG, "a HIT", is_hit);
            }
            let varnish = cache(&site.nodes[0]);
            let varnish = if soft { varnish.soft() } else { varnish };
            assert_eq!(purged(&built(varnish), target).outcome, Outcome::Purged);
            let wanted = if soft { "STALE" } else { "MISS" };
            for language in languages {
                assert_eq!(get(language).cache_status(), wanted, "{language}");
            }
        }
    }
}
