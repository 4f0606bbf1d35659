//! Soft purges: the old page at once, and then the new one.

use roan::{Outcome, Target};
use roan_tests::{Answer, wait};

use super::{Site, built, cache, purged};
use crate::support::LONG;

/// The old page at once, and then the new one.
#[test]
fn a_soft_purge_serves_the_old_page_while_the_new_one_is_rendered() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    let roan = built(cache(&site.nodes[0]).soft());
    for (url, target) in [
        ("/a", Target::url("/a").unwrap()),
        ("/b", Target::tag("b").unwrap()),
    ] {
        site.origin.headers(url, &[("xkey", "b")]);
        site.origin.set(url, "old");
        browser.warm(url);
        site.origin.set(url, "new");
        let report = purged(&roan, target);
        assert_eq!((report.outcome, report.verified), (Outcome::Purged, true));
        let gate = site.origin.hold(url);
        for _visitor in 0..3 {
            let answer = browser.get(url);
            let seen = (answer.cache_status(), answer.text());
            assert_eq!(seen, ("STALE", "old".to_owned()));
        }
        gate.wait_for(1);
        gate.open();
        wait::until(LONG, "the new page", || browser.get(url).text() == "new");
        browser.assert_hit(url);
        assert_eq!(site.origin.renders(url), 2);
    }
}

#[test]
fn a_page_that_may_not_be_stored_any_more_is_not_stale_for_long() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    let roan = built(cache(&site.nodes[0]).soft());
    let get_until = |url: &str, is_new: &dyn Fn(&Answer) -> bool| {
        wait::until(LONG, "the new page", || is_new(&browser.get(url)));
        (0..3).for_each(|_| assert!(is_new(&browser.get(url))));
    };
    for url in ["/gone", "/private", "/down"] {
        site.origin.set(url, "old");
        browser.warm(url);
    }
    site.origin.remove("/gone");
    site.origin
        .headers("/private", &[("cache-control", "private")]);
    site.origin.set("/private", "new");
    site.origin.status("/down", Some(500));
    for url in ["/gone", "/private", "/down"] {
        assert_eq!(
            purged(&roan, Target::url(url).unwrap()).outcome,
            Outcome::Purged
        );
    }
    get_until("/gone", &|answer| answer.status == 404);
    get_until("/private", &|answer| answer.text() == "new");
    // An app that is down costs nobody the old page.
    get_until("/down", &|answer| {
        answer.cache_status() == "STALE" && answer.text() == "old"
    });
    // One render at a time, for all who ask meanwhile.
    wait::until(LONG, "renders that fail", || {
        browser.get("/down");
        site.origin.renders("/down") > 2
    });
    site.origin.status("/down", None);
    site.origin.set("/down", "new");
    get_until("/down", &|answer| answer.text() == "new");
    // A hard purge makes it gone all the same.
    let hard = built(cache(&site.nodes[0]));
    purged(&hard, Target::url("/down").unwrap());
    browser.assert_miss("/down");
}
