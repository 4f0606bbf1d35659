//! The command before caches other than nginx.

use std::process::Command;

use roan_tests::{Origin, Squid, SquidOptions, Varnish, VarnishOptions};

use crate::support::{roan, run};

fn command(arguments: &[&str], kind: &str, url: &str) -> Command {
    let mut command = roan(arguments);
    command
        .env("ROAN_CACHE", kind)
        .env("ROAN_PURGE_URL", url)
        .env("ROAN_SITE", "http://site.test");
    command
}

#[test]
fn tags_prefixes_hosts_and_everything_are_purged_where_the_cache_can() {
    let origin = Origin::start();
    let varnish = Varnish::start(&origin, &VarnishOptions::default());
    let (browser, url) = (varnish.browser(), varnish.url());
    let is_cached = |page: &str| browser.get(page).header("X-Cache") == Some("HIT");
    let pages = ["/docs/v1/a", "/docs/v2/a", "/tagged"];
    origin.headers("/tagged", &[("xkey", "news")]);
    for (arguments, gone) in [
        (&["--tag=news"][..], &["/tagged"][..]),
        (&["--prefix=/docs/v1/"], &["/docs/v1/a"]),
        (&["--host"], &pages),
        (&["--everything", "--yes"], &pages),
        (&["/docs/v2/a", "--tag=news"], &["/docs/v2/a", "/tagged"]),
    ] {
        pages.iter().for_each(|page| drop(browser.get(page)));
        assert!(pages.iter().all(|page| is_cached(page)));
        let arguments = [&["purge", "--no-rebound"], arguments].concat();
        run(command(&arguments, "varnish", &url)).assert_code(0);
        for page in pages {
            assert_eq!(
                is_cached(page),
                !gone.contains(&page),
                "{page} after {arguments:?}"
            );
        }
    }
}

#[test]
fn the_doctor_proves_that_varnish_and_squid_evict() {
    let origin = Origin::start();
    let varnish = Varnish::start(&origin, &VarnishOptions::default());
    let squid = Squid::start_before(origin.addr(), &SquidOptions::default());
    let page = ["doctor", "http://site.test/posts"];
    let healthy = [
        "/posts came from the cache, was purged, and came from the app",
        "0 faults",
    ];
    run(command(&page, "varnish", &varnish.url()))
        .assert_code(0)
        .assert_says(&healthy);
    // The doctor says which header keeps a page out, and which one it needs.
    origin.headers_of_all(&[("cache-control", "no-store")]);
    let ran = run(command(&page, "squid", &squid.url()));
    let header = ["cache-control", "s-maxage=31536000, max-age=0"];
    ran.assert_code(1)
        .assert_says(&["not-cached", "Cache-Control: s-maxage=31536000, max-age=0"]);
    origin.headers_of_all(&[(header[0], header[1])]);
    run(command(&page, "squid", &squid.url()))
        .assert_code(0)
        .assert_says(&healthy);
    // A purge that removes nothing is seen.
    let broken = VarnishOptions::default().edit("set req.http.X-Roan-Found = purge.hard();", "");
    let varnish = Varnish::start(&origin, &broken);
    let ran = run(command(&page, "varnish", &varnish.url()));
    ran.assert_code(1).assert_says(&["not-evicted"]);
}
