//! Wrong set-ups, and nodes that fail for a while.

use std::time::Duration;

use roan::{Failure, Outcome, Roan, Target};
use roan_tests::{Origin, Varnish, VarnishOptions, wait};

use super::{Site, built, cache, purged};
use crate::support::{LONG, builder_for, flush, next, outcome};

/// What would be a success that purges nothing is refused, and says what to do.
#[test]
fn a_wrong_set_up_is_refused() {
    let origin = Origin::start();
    let x_cache = "sub vcl_deliver { if (obj.hits > 0) { set resp.http.X-Cache = \"HIT\"; } }";
    let whole = |text: &str| VarnishOptions::default().whole(&format!("{x_cache}\n{text}"));
    let foreign =
        VarnishOptions::default().edit("    \"127.0.0.1\";\n    \"::1\";", "    \"192.0.2.1\";");
    for (options, words) in [
        // Varnish's own VCL pipes a method that it does not know.
        (whole(""), "from the app or another server"),
        (
            whole("sub vcl_recv { if (req.method != \"GET\") { return (pass); } }"),
            "from the app or another server",
        ),
        (
            whole("sub vcl_recv { if (req.method != \"GET\") { return (synth(405)); } }"),
            "status 405: the VCL does not allow",
        ),
        (foreign, "add its address to `acl roan`"),
        (
            VarnishOptions::default().edit(
                "set req.http.X-Roan-Purge = \"url \" + req.http.Host",
                "set req.http.X-Roan-Purge = \"url other.test\"",
            ),
            "the VCL says that it purged \"url other.test/a\" instead of \"url site.test/a\"",
        ),
    ] {
        let node = Varnish::start(&origin, &options);
        node.browser().warm("/a");
        let roan = built(cache(&node));
        let report = purged(&roan, Target::url("/a").unwrap());
        let Outcome::Refused(refusal) = &report.outcome else {
            panic!("{words}: {report}");
        };
        let refusal = refusal.to_string();
        assert!(
            refusal.contains(words) && !report.verified,
            "{words}: {refusal}"
        );
    }
}

/// The PURGE of most sites' VCL drops a page, too, but nothing shows that.
#[test]
fn another_vcl_purges_urls_unverified_and_nothing_else() {
    let origin = Origin::start();
    let vcl = "sub vcl_recv { if (req.method == \"PURGE\") { return (purge); } \
               if (req.method == \"BAN\") { return (synth(200, \"Banned\")); } } \
               sub vcl_deliver { set resp.http.X-Cache = \"MISS\"; \
               if (obj.hits > 0) { set resp.http.X-Cache = \"HIT\"; } }";
    let node = Varnish::start(&origin, &VarnishOptions::default().whole(vcl));
    let browser = node.browser();
    browser.warm("/a");
    let roan = built(cache(&node));
    let report = purged(&roan, Target::url("/a").unwrap());
    assert_eq!((report.outcome, report.verified), (Outcome::Purged, false));
    browser.assert_miss("/a");
    for target in [
        Target::tag("a").unwrap(),
        Target::prefix("/a/").unwrap(),
        Target::host(),
        Target::everything(),
    ] {
        let report = purged(&roan, target).to_string();
        assert!(
            report.contains("without X-Roan-Purge") && report.contains("roan::guide::varnish"),
            "{report}"
        );
    }
}

#[test]
fn only_those_in_the_acl_may_purge_and_not_through_a_proxy() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    browser.warm("/a");
    let through = [("X-Forwarded-For", "192.0.2.7")];
    for method in ["PURGE", "BAN"] {
        assert_eq!(browser.send(method, "/a", &through).status, 405);
    }
    // Nor can a visitor have Varnish say that it has purged.
    let forged = [("X-Roan-Purge", "url x"), ("X-Roan-Found", "1")];
    let answer = browser.at_host("").send("GET", "/a", &forged);
    assert_eq!((answer.status, answer.header("X-Roan-Purge")), (400, None));
    browser.assert_hit("/a");
}

#[test]
fn purges_arrive_when_a_node_comes_back() {
    let mut site = Site::start();
    let timeout = Duration::from_millis(500);
    let roan = builder_for(site.cache()).timeout(timeout).build().unwrap();
    let mut reports = roan.subscribe();
    site.warm("/a");
    // Slow: the kernel accepts the connection, and nobody answers.
    site.nodes[0].suspend();
    roan.purge("/a").unwrap();
    let late = wait::until_some(LONG, "a failure", || {
        let report = next(&mut reports);
        match report.outcome {
            Outcome::Failed(failure) => Some(failure),
            _ => None,
        }
    });
    assert_eq!(late, Failure::Timeout);
    site.nodes[1].browser().assert_miss("/a");
    site.nodes[0].resume();
    flush(&roan);
    site.nodes[0].browser().assert_miss("/a");

    site.warm("/b");
    site.nodes[0].kill();
    roan.purge("/b").unwrap();
    wait::until(LONG, "the other node to be purged", || {
        let stats = roan.stats();
        stats.nodes[1].pending == 0 && stats.nodes[0].down
    });
    site.nodes[1].browser().assert_miss("/b");
    site.nodes[0].restart();
    flush(&roan);
    assert!(!roan.stats().nodes[0].down);
    assert_eq!(outcome_of(&roan, "/c"), Outcome::NotCached);
}

#[track_caller]
fn outcome_of(roan: &Roan, url: &str) -> Outcome {
    let mut reports = roan.subscribe();
    roan.purge(url).unwrap();
    outcome(&mut reports)
}
