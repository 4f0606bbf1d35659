//! Prefixes, hosts and everything: bans that the lurker works off.

use roan::{Outcome, Target};
use roan_tests::{HOST, Origin, Varnish, VarnishOptions, wait};

use super::{SHOP, Site, built, cache, purged};
use crate::support::{LONG, flush};

/// A ban that says something of the request would be kept, and tested, for as long as an older page lives.
#[test]
fn the_lurker_works_the_bans_off() {
    let origin = Origin::start();
    let at_once = VarnishOptions::default().parameter("ban_lurker_age", "0.1");
    let never = VarnishOptions::default().parameter("ban_lurker_age", "9999");
    let [node, idle] = [at_once, never].map(|options| Varnish::start(&origin, &options));
    let roan = built(cache(&node).node(&idle.url()).unwrap());
    for browser in [node.browser(), idle.browser()] {
        for number in 0..10 {
            browser.warm(&format!("/docs/{number}"));
            browser.warm(&format!("/other/{number}"));
        }
    }
    // The answer to a purge is an object for a moment.
    let objects = |node: &Varnish, count: u64| {
        wait::until(LONG, "the number of pages", || {
            node.counter("MAIN.n_object") == count
        });
    };
    objects(&node, 20);
    let prefix = Target::prefix("/docs/").unwrap();
    roan.purge(prefix.clone()).unwrap();
    roan.purge(prefix.at_site("shop")).unwrap();
    roan.purge(Target::host().at_site("shop")).unwrap();
    flush(&roan);
    assert_eq!(idle.open_bans().len(), 3, "{:?}", idle.open_bans());
    wait::until(LONG, "the bans to be worked off", || {
        node.open_bans().is_empty()
    });
    // Pages that nobody asks for are freed.
    objects(&node, 10);
    roan.purge(Target::everything()).unwrap();
    flush(&roan);
    objects(&node, 0);
    objects(&idle, 20);
}

/// A value is one word of the ban, and matches as it is written.
#[test]
fn no_value_escapes_the_expression_of_a_ban() {
    let site = Site::start();
    let roan = built(cache(&site.nodes[0]));
    let browser = site.nodes[0].browser();
    // The last path segment of a prefix, and pages that it would hit if it were a pattern or another word.
    let hostile = [
        (".*", "/p/xx/1"),
        ("a|b", "/p/b/1"),
        ("a|", "/q/1"),
        ("(a)", "/p/a/1"),
        ("[a-z]", "/p/b/1"),
        ("a+", "/p/aa/1"),
        ("a{2}", "/p/aa/1"),
        ("a?", "/p/1"),
        ("^", "/p/1"),
        ("$", "/p/1"),
        ("a.c", "/p/abc/1"),
        ("\\E.*", "/p/xx/1"),
        ("\\E|.*\\Q", "/q/1"),
        ("\\d", "/p/1/1"),
        ("a\\", "/p/a/1"),
        ("a && obj.http.x-roan-url ~ .", "/q/1"),
        ("\" || obj.status == 200", "/q/1"),
        ("\"", "/q/1"),
        ("a\r\nX-Roan-Ban: everything", "/q/1"),
        ("%2e*", "/p/xx/1"),
    ];
    for (value, other) in hostile {
        let segment = value.bytes().fold(String::new(), |text, byte| {
            let is_raw = b"*|()[]+{}^$.,;'".contains(&byte) || byte.is_ascii_alphanumeric();
            match Target::url(format!("/{}", char::from(byte))) {
                Ok(_) if is_raw => text + &char::from(byte).to_string(),
                _ => format!("{text}%{byte:02X}"),
            }
        });
        let prefix = format!("/p/{segment}/");
        let page = format!("{prefix}page");
        browser.warm(&page);
        browser.warm(other);
        let report = purged(&roan, Target::prefix(&prefix).expect(&prefix));
        let seen = (report.outcome, report.verified);
        assert_eq!(seen, (Outcome::Purged, true), "{value}");
        browser.assert_miss(&page);
        browser.assert_hit(other);
    }
    // The VCL itself does not take what is not a prefix, from whoever sends it.
    for prefix in [
        "/\\E.*/",
        "/a /",
        "/a/ && obj.http.x-roan-url ~ .",
        "/a/\t||",
        "/",
        "docs/",
        "",
        "/\u{e9}/",
    ] {
        let headers = [("X-Roan-Ban", "prefix"), ("X-Roan-Prefix", prefix)];
        assert_eq!(browser.send("BAN", "/", &headers).status, 400, "{prefix:?}");
    }
    for ban in ["", "obj.status == 200", "Everything"] {
        let headers = [("X-Roan-Ban", ban)];
        assert_eq!(browser.send("BAN", "/", &headers).status, 400, "{ban:?}");
    }
    let shop = browser.at_host("x && obj.status == 200");
    assert_eq!(shop.send("BAN", "/", &[("X-Roan-Ban", "host")]).status, 400);
    browser.assert_hit("/q/1");
}

#[test]
fn prefixes_hosts_and_everything_are_banned() {
    let site = Site::start();
    let pages = [
        "/docs/v1/",
        "/docs/v1/a?q=1",
        "/docs/v1",
        "/docs/v10/a",
        "/docs/v2/",
        "/x?/docs/v1/",
        "/x/docs/v1/",
    ];
    let roan = site.roan();
    let left = |target: Target| {
        let hosts = [HOST, SHOP];
        for browser in site.browsers() {
            for host in hosts {
                let browser = browser.at_host(host);
                pages.iter().for_each(|url| _ = browser.warm(url));
            }
        }
        roan.purge(target).unwrap();
        flush(&roan);
        let left = hosts.map(|host| pages.iter().filter(|url| site.has(host, url)).count());
        (left, roan.stats().refused)
    };
    let prefix = Target::prefix("/docs/v1/").unwrap();
    assert_eq!(left(prefix.at_site("shop")), ([7, 5], 0));
    assert_eq!(left(prefix), ([5, 7], 0));
    assert_eq!(left(Target::host()), ([0, 7], 0));
    assert_eq!(left(Target::host().at_site("shop")), ([7, 0], 0));
    assert_eq!(left(Target::everything()), ([0, 0], 0));
    let report = purged(&built(cache(&site.nodes[0])), Target::host());
    assert_eq!((report.outcome, report.verified), (Outcome::Purged, true));
}
