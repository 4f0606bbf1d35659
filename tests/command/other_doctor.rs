//! `roan doctor` before caches other than nginx: each fault is a real server that is set up wrongly. The doctor names the cause,
//! the test writes the lines that it prints into the configuration, and the doctor finds nothing.

use roan_tests::{
    Origin, SQUID_CONF, Squid, SquidOptions, TrafficServer, TrafficServerOptions, Varnish,
    VarnishOptions,
};
use serde_json::Value;

use crate::support::{Ran, roan, run};

fn doctor(kind: &str, url: &str) -> Ran {
    let mut command = roan(&["doctor", "http://site.test/posts", "--format=json"]);
    command
        .env("ROAN_CACHE", kind)
        .env("ROAN_PURGE_URL", url)
        .env("ROAN_SITE", "http://site.test");
    run(command)
}

/// The fault, which says these words and none of nginx, and the lines for this place.
#[track_caller]
fn named(ran: &Ran, fault: &str, words: &str, place: &str) -> String {
    ran.assert_code(1);
    let report = ran.json().pop().expect("a report");
    let findings = report["findings"].as_array().expect("a list");
    let [found] = &**findings else {
        panic!("{report:#}");
    };
    assert_eq!(found["fault"], fault, "{found:#}");
    assert!(found["why"].as_str().unwrap().contains(words), "{found:#}");
    let text = found.to_string();
    assert!(
        !text.contains("nginx") && !text.contains("proxy_"),
        "{found:#}"
    );
    let mut mends = found["mend"].as_array().unwrap().iter();
    let mend = mends.find(|mend| mend["place"] == place);
    let mend = mend.unwrap_or_else(|| panic!("no lines for {place}: {found:#}"));
    mend["lines"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_healthy(ran: &Ran) {
    let report = ran.json().pop().expect("a report");
    assert_eq!(report["findings"], Value::Array(Vec::new()), "{report:#}");
    ran.assert_code(0);
    let passed = report["passed"].to_string();
    assert!(
        passed.contains("was purged, and came from the app"),
        "{passed}"
    );
}

const FIRST_SUB: &str = "sub vcl_recv {\n    # Only this file";
const ACL: &str = "    \"127.0.0.1\";\n    \"::1\";\n";

#[test]
fn varnish_that_does_not_allow_this_machine() {
    let origin = Origin::start();
    let options = VarnishOptions::default();
    let varnish = Varnish::start(&origin, &options.clone().edit(ACL, "    \"192.0.2.1\";\n"));
    let ran = doctor("varnish", &varnish.url());
    let words = "the VCL does not allow PURGE from this machine";
    let lines = named(&ran, "refused", words, "vcl");
    assert!(lines.starts_with("acl roan {"), "{lines}");
    let list = "acl roan {                                       # the servers that the app runs on\n    \"127.0.0.1\";\n    \"::1\";\n}";
    let varnish = Varnish::start(&origin, &options.edit(list, &lines));
    assert_healthy(&doctor("varnish", &varnish.url()));
}

#[test]
fn varnish_that_does_not_know_purge() {
    for (text, fault, words) in [
        // The app answers.
        (
            "if (req.method == \"PURGE\" || req.method == \"BAN\")",
            "no-purge-location",
            "Varnish passes PURGE on",
        ),
        // The VCL answers, and does nothing.
        (
            "set req.http.X-Roan-Found = purge.hard();",
            "not-evicted",
            "answers a PURGE, but does not purge",
        ),
    ] {
        let origin = Origin::start();
        let with = text.replace("req.method == \"PURGE\"", "req.method == \"NONE\"");
        let with = with.replace("set req.http.X-Roan-Found = purge.hard();", "");
        let broken = VarnishOptions::default().edit(text, &with);
        let varnish = Varnish::start(&origin, &broken);
        let lines = named(&doctor("varnish", &varnish.url()), fault, words, "vcl");
        let mended = broken.edit(FIRST_SUB, &format!("{lines}\n{FIRST_SUB}"));
        let varnish = Varnish::start(&origin, &mended);
        assert_healthy(&doctor("varnish", &varnish.url()));
    }
}

#[test]
fn varnish_with_another_key_for_purges() {
    let origin = Origin::start();
    let hash = "    hash_data(req.url);\n    hash_data(req.http.Host);\n    return (lookup);\n";
    let broken = format!("    if (req.method != \"PURGE\") {{ hash_data(\"pages\"); }}\n{hash}");
    let options = VarnishOptions::default();
    let varnish = Varnish::start(&origin, &options.clone().edit(hash, &broken));
    let ran = doctor("varnish", &varnish.url());
    let lines = named(&ran, "not-evicted", "`vcl_hash` makes another key", "vcl");
    let whole = format!("sub vcl_hash {{\n{hash}}}");
    let varnish = Varnish::start(&origin, &options.edit(&whole, &lines));
    assert_healthy(&doctor("varnish", &varnish.url()));
}

#[test]
fn squid_that_denies_purges() {
    let first = "http_access deny manager";
    for (text, with) in [
        ("acl roan src 127.0.0.1 ::1", "acl roan src 192.0.2.1"),
        ("http_access deny purge !roan", "http_access deny purge"),
    ] {
        assert!(SQUID_CONF.contains(text));
        let origin = Origin::start();
        origin.headers_of_all(&[("cache-control", "s-maxage=31536000, max-age=0")]);
        let broken = SquidOptions::default().edit(text, with);
        let squid = Squid::start_before(origin.addr(), &broken);
        let ran = doctor("squid", &squid.url());
        let lines = named(
            &ran,
            "refused",
            "Squid denies PURGE from this machine",
            "squid-conf",
        );
        let mended = broken.edit(first, &format!("{lines}\n{first}"));
        let mended = mended.edit("reply_header_add X-Roan-Purge \"%>ru\" purge\n", "");
        let squid = Squid::start_before(origin.addr(), &mended);
        assert_healthy(&doctor("squid", &squid.url()));
    }
}

#[test]
fn traffic_server_that_denies_purges() {
    let origin = Origin::start();
    let allowed = "    ip_addrs: 127.0.0.1\n    action: allow\n    methods: ALL\n";
    let broken = TrafficServerOptions::default().edit(
        allowed,
        "    ip_addrs: 127.0.0.1\n    action: deny\n    methods: [PURGE]\n",
    );
    let server = TrafficServer::start_before(origin.addr(), &broken);
    let ran = doctor("traffic-server", &server.url());
    let words = "Traffic Server denies PURGE from this machine";
    let lines = named(&ran, "refused", words, "ip-allow");
    let mended = broken.edit("ip_allow:\n", &format!("ip_allow:\n{lines}\n"));
    let server = TrafficServer::start_before(origin.addr(), &mended);
    assert_healthy(&doctor("traffic-server", &server.url()));
}
