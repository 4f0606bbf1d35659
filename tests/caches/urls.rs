//! Purges of URLs, without the web layer.

use roan::purger::Mode;
use roan::{Target, TargetKind};
use roan_tests::{HOST, SPELLINGS};

use crate::site::{OTHER, OTHER_HOST, Site};
use crate::stand::Start;

pub(crate) fn every_spelling(start: &Start) {
    let site = Site::start(start);
    assert!(site.can.can_purge(TargetKind::Url));
    let left_out = site.stand.leaves_out();
    let mut spellings = SPELLINGS.to_vec();
    spellings.retain(|url| !left_out.contains(url));
    for url in &spellings {
        site.old_and_new(HOST, url);
    }
    for (number, url) in spellings.iter().enumerate() {
        site.roan.purge(*url).unwrap();
        site.flush();
        site.assert_fresh(HOST, url, "new");
        for other in &spellings[number + 1..] {
            site.assert_hit(HOST, other, "old");
        }
    }
    let stats = site.roan.stats();
    let refused: u64 = stats.nodes.iter().map(|node| node.refused).sum();
    assert_eq!(refused, 0, "{stats:?}");
}

pub(crate) fn sites_and_variants(start: &Start) {
    let site = Site::start(start);
    two_sites(&site);
    variants(&site);
    if site.can.mode() != Mode::Hard {
        meanwhile(&site);
    }
}

fn two_sites(site: &Site) {
    for host in [HOST, OTHER_HOST] {
        site.old_and_new(host, "/a");
    }
    let target = Target::url("/a").unwrap();
    site.roan.purge(target.at_site(OTHER)).unwrap();
    site.flush();
    site.assert_fresh(OTHER_HOST, "/a", "new");
    site.assert_hit(HOST, "/a", "old");
    site.settle();
    site.store(OTHER_HOST, "/a", "new");
    site.roan.purge(target).unwrap();
    site.flush();
    site.assert_fresh(HOST, "/a", "new");
    site.assert_hit(OTHER_HOST, "/a", "new");
}

/// All variants of a page go with it, and no visitor gets one that is for another.
fn variants(site: &Site) {
    const URL: &str = "/varies";
    const LANGUAGES: [&str; 3] = ["de", "fr", "en"];
    site.origin.varies_by(URL, "accept-language");
    let ask = |language: &str, row: &str, round: usize| {
        for browser in site.browsers(HOST) {
            let answer = browser.send("GET", URL, &[("Accept-Language", language)]);
            let text = answer.text();
            assert_eq!(text, format!("{row} for {language}"), "round {round}");
            if !site.stand.stores_variants() {
                assert!(!site.stand.is_hit(&answer), "it varies");
            }
        }
    };
    let is_hit = |language: &str| {
        let ask = [("Accept-Language", language)];
        let browsers = site.browsers(HOST).into_iter();
        browsers
            .map(|browser| browser.send("GET", URL, &ask))
            .all(|answer| site.stand.is_hit(&answer))
    };
    site.origin.set(URL, "old");
    for round in 0..2 {
        LANGUAGES
            .iter()
            .for_each(|language| ask(language, "old", round));
    }
    if site.stand.stores_variants() {
        assert!(LANGUAGES.into_iter().all(is_hit));
    }
    site.origin.set(URL, "new");
    site.roan.purge(URL).unwrap();
    site.flush();
    if site.can.mode() == Mode::Soft {
        // The first look at each may be at the old one.
        for language in LANGUAGES {
            for browser in site.browsers(HOST) {
                let text = format!("new for {language}");
                let ask = [("Accept-Language", language)];
                roan_tests::wait::until(roan_tests::wait::LONG, &text, || {
                    browser.send("GET", URL, &ask).text() == text
                });
            }
        }
    }
    for round in 2..4 {
        LANGUAGES
            .iter()
            .for_each(|language| ask(language, "new", round));
    }
}

/// While a page is fetched anew, visitors get the old one at once.
fn meanwhile(site: &Site) {
    site.old_and_new(HOST, "/slow");
    let gate = site.origin.hold("/slow");
    site.roan.purge("/slow").unwrap();
    if site.can.mode() == Mode::Soft {
        site.flush();
    } else {
        gate.wait_for(1);
    }
    for browser in site.browsers(HOST) {
        assert_eq!(browser.get("/slow").text(), "old");
    }
    gate.wait_for(1);
    for browser in site.browsers(HOST) {
        assert_eq!(browser.get("/slow").text(), "old");
    }
    gate.open();
    site.flush();
    site.assert_fresh(HOST, "/slow", "new");
}
