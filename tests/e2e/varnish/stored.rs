//! What Varnish stores, under which key, and for how long.

use roan::{Outcome, Target};
use roan_tests::HOST;

use super::{Site, built, cache, purged};

#[test]
fn a_host_has_one_spelling_and_noise_is_cut() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    browser.warm("/a");
    for host in ["SITE.test", "site.test:80", "site.test.", "Site.Test.:443"] {
        browser.at_host(host).assert_hit("/a");
    }
    browser.at_host("site.test:8080").assert_miss("/a");
    for (noisy, page) in [
        ("/n?utm_source=x", "/n"),
        ("/n?a=1&fbclid", "/n?a=1"),
        ("/n?UTM_x=1&a=2&gclid=3&b=4", "/n?a=2&b=4"),
    ] {
        browser.warm(page);
        assert_eq!(browser.assert_hit(noisy).text(), format!("{HOST}{page}"));
        let roan = built(cache(&site.nodes[0]));
        let report = purged(&roan, Target::url(noisy).unwrap());
        assert_eq!(
            (report.outcome, report.verified),
            (Outcome::Purged, false),
            "{noisy}"
        );
        browser.assert_miss(page);
    }
    browser.warm("/n?autm_source=1");
    browser.assert_miss("/n?autm_source=2");
}

#[test]
fn what_is_for_one_visitor_is_not_shared() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    let cases: [(&str, &[(&str, &str)]); 9] = [
        ("/private", &[("cache-control", "private, max-age=60")]),
        ("/no-store", &[("cache-control", "no-store")]),
        ("/no-cache", &[("cache-control", "no-cache")]),
        ("/max-age", &[("cache-control", "max-age=0")]),
        (
            "/set",
            &[("set-cookie", "a=b"), ("cache-control", "max-age=60")],
        ),
        ("/star", &[("vary", "*")]),
        ("/stars", &[("vary", "Accept-Encoding, *")]),
        ("/lines", &[("vary", "Accept-Encoding"), ("vary", "*")]),
        (
            "/surrogate",
            &[
                ("surrogate-control", "max-age=60"),
                ("cache-control", "private"),
            ],
        ),
    ];
    for (url, headers) in cases {
        site.origin.headers(url, headers);
        (0..3).for_each(|_| _ = browser.assert_miss(url));
    }
    // A cookie alone does not make a page private, but a page may differ by it.
    site.origin.headers("/vary", &[("vary", "Cookie")]);
    let with = |cookie| {
        browser
            .send("GET", "/vary", &[("Cookie", cookie)])
            .cache_status()
            .to_owned()
    };
    assert_eq!(["a=1", "a=1", "a=2"].map(with), ["MISS", "HIT", "MISS"]);
    let authorized = [("Authorization", "Basic eDp5")];
    browser.warm("/open");
    for url in ["/open", "/secret"] {
        let answer = browser.send("GET", url, &authorized);
        assert_eq!(answer.cache_status(), "MISS");
    }
    browser.assert_miss("/secret");
    // What is not in the key does not reach a page.
    let forged = ["X-Forwarded-Host", "Forwarded"].map(|name| (name, "evil"));
    browser.send("GET", "/forged", &forged);
    assert_eq!(site.origin.asked_with("/forged", "X-Forwarded-Host"), None);
    assert_eq!(site.origin.asked_with("/forged", "Forwarded"), None);
    site.origin.status("/error", Some(500));
    browser.get("/error");
    site.origin.status("/error", None);
    assert_eq!(browser.get("/error").status, 200);
}

#[test]
fn the_cache_keeps_a_page_as_long_as_the_app_says_and_browsers_ask() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    let for_browsers = ("cache-control", "max-age=0, must-revalidate");
    let headers = [
        for_browsers,
        (
            "surrogate-control",
            "max-age=31536000, stale-while-revalidate=9",
        ),
        ("vary", "Accept-Encoding"),
    ];
    site.origin.headers("/a", &headers);
    browser.warm("/a");
    let answer = browser.assert_hit("/a");
    assert_eq!(answer.header("cache-control"), Some(for_browsers.1));
    for name in ["surrogate-control", "age", "x-roan-url", "x-roan-host"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    site.origin
        .headers("/b", &[("cache-control", "s-maxage=60, max-age=0")]);
    browser.warm("/b");
    site.origin
        .headers("/c", &[("surrogate-control", "no-store")]);
    (0..2).for_each(|_| _ = browser.assert_miss("/c"));
}
