//! Squid and Traffic Server: what their configurations promise beyond the list of every cache (`tests/caches/`).

use roan::{Cache, Outcome, Report, Roan};
use roan_tests::{
    Answer, Browser, HOST, Kind, Origin, SQUID_CONF, Server, Squid, SquidOptions,
    TRAFFIC_SERVER_CONF, TrafficServer, TrafficServerOptions, wait,
};

use crate::support::{LONG, flush, purged};

fn roan(cache: impl Into<Cache>) -> Roan {
    let builder = Roan::builder().cache(cache).site(HOST).rebound(None);
    builder.build().unwrap()
}

fn squid(options: &SquidOptions) -> (Origin, Squid, Roan) {
    let origin = Origin::start();
    let squid = Squid::start_before(origin.addr(), options);
    let roan = roan(roan::Squid::at(&squid.url()).unwrap());
    (origin, squid, roan)
}

fn traffic_server(options: &TrafficServerOptions) -> (Origin, TrafficServer, Roan) {
    let origin = Origin::start();
    let server = TrafficServer::start_before(origin.addr(), options);
    let roan = roan(roan::TrafficServer::at(&server.url()).unwrap());
    (origin, server, roan)
}

/// Browsers differ in what they accept, and the app says `Vary: Accept-Encoding`.
fn every_browser_gets_the_new_page(origin: &Origin, browser: &Browser, roan: &Roan) {
    const ENCODINGS: [&str; 5] = ["", "gzip", "br", "gzip, deflate, br, zstd", "identity"];
    let ask = |encoding: &str| -> Answer {
        match encoding {
            "" => browser.get("/varies"),
            _ => browser.send("GET", "/varies", &[("Accept-Encoding", encoding)]),
        }
    };
    browser.warm("/other");
    for round in 0..3 {
        let row = format!("row {round}");
        origin.set("/varies", &row);
        if round > 0 {
            roan.purge("/varies").unwrap();
            flush(roan);
        }
        for encoding in ENCODINGS {
            assert_eq!(ask(encoding).text(), row, "{encoding:?}");
        }
        for encoding in ENCODINGS {
            let answer = ask(encoding);
            assert_eq!(
                (answer.cache_status(), answer.text()),
                ("HIT", row.clone()),
                "{encoding:?}"
            );
        }
    }
}

/// What is for one visitor does not come from the cache for another one.
fn nothing_private_is_shared(origin: &Origin, browser: &Browser) {
    browser.warm("/other");
    origin.headers("/private", &[("cache-control", "private")]);
    origin.headers("/no-store", &[("cache-control", "no-store")]);
    origin.headers("/cookie", &[("set-cookie", "session=1")]);
    origin.headers("/varies", &[("vary", "Cookie")]);
    origin.headers(
        "/varies-more",
        &[("vary", "Accept-Encoding"), ("vary", "Cookie")],
    );
    for url in [
        "/private",
        "/no-store",
        "/cookie",
        "/varies",
        "/varies-more",
    ] {
        for visitor in ["a", "b", "c"] {
            origin.set(url, format!("for {visitor}"));
            let answer = browser.send("GET", url, &[("Cookie", visitor)]);
            assert_eq!(answer.text(), format!("for {visitor}"), "{url}");
        }
    }
    origin.set("/account", "for a");
    for _ in 0..2 {
        browser.send("GET", "/account", &[("Authorization", "Basic YTph")]);
    }
    origin.set("/account", "for all");
    assert_eq!(browser.get("/account").text(), "for all");
    // Visitors cannot make it ask the app.
    browser.warm("/reload");
    let before = origin.renders("/reload");
    for (name, value) in [
        ("Cache-Control", "no-cache"),
        ("Cache-Control", "max-age=0"),
        ("Pragma", "no-cache"),
    ] {
        browser.send("GET", "/reload", &[(name, value)]);
    }
    assert_eq!(origin.renders("/reload"), before);
    // And they cannot purge by asking for another host.
    let stranger = browser.at_host("nobody.test").get("/");
    assert!(matches!(stranger.status, 403 | 404), "{}", stranger.status);
}

/// Purges a page by a URL. Traffic Server may serve a page that it is still storing, and says 404 to its purge then.
fn purged_when_stored(browser: &Browser, roan: &Roan, page: &str, url: &str) -> Report {
    wait::until_some(LONG, &format!("a stored {page} to purge by {url}"), || {
        browser.warm(page);
        let report = purged(roan, url);
        assert!(report.verified, "{url}: {report}");
        (report.outcome == Outcome::Purged).then_some(report)
    })
}

fn reports_are_verified(browser: &Browser, roan: &Roan) {
    let report = purged_when_stored(browser, roan, "/it's?a=%2F", "/it's?a=%2F");
    assert_eq!(report.status, Some(200));
    let report = purged(roan, "/it's?a=%2F");
    assert_eq!(
        (report.outcome, report.status, report.verified),
        (Outcome::NotCached, Some(404), true)
    );
}

fn refusal(roan: &Roan, url: &str) -> String {
    match purged(roan, url).outcome {
        Outcome::Refused(why) => why.to_string(),
        other => panic!("{url}: {other}"),
    }
}

#[test]
fn squid_leaves_one_variant() {
    let (origin, squid, roan) = squid(&SquidOptions::default());
    every_browser_gets_the_new_page(&origin, &squid.browser(), &roan);
}

#[test]
fn traffic_server_drops_all_variants() {
    let (origin, server, roan) = traffic_server(&TrafficServerOptions::default());
    every_browser_gets_the_new_page(&origin, &server.browser(), &roan);
}

#[test]
fn squid_shares_nothing_private() {
    let (origin, squid, _roan) = squid(&SquidOptions::default());
    nothing_private_is_shared(&origin, &squid.browser());
}

#[test]
fn traffic_server_shares_nothing_private() {
    let (origin, server, _roan) = traffic_server(&TrafficServerOptions::default());
    nothing_private_is_shared(&origin, &server.browser());
}

#[test]
fn squid_says_what_it_has_purged() {
    let (_origin, squid, roan) = squid(&SquidOptions::default());
    reports_are_verified(&squid.browser(), &roan);
}

#[test]
fn traffic_server_says_what_it_has_purged() {
    let (_origin, server, roan) = traffic_server(&TrafficServerOptions::default());
    reports_are_verified(&server.browser(), &roan);
    // Other spellings of one page.
    let browser = server.browser();
    for url in ["//x", "/x?", "/x;"] {
        purged_when_stored(&browser, &roan, "/x", url);
        browser.assert_miss("/x");
    }
}

#[test]
fn without_the_header_of_the_guide_nothing_is_verified() {
    let echo = "reply_header_add X-Roan-Purge \"%>ru\" purge\n";
    let (_origin, squid, roan) = squid(&SquidOptions::default().edit(echo, ""));
    squid.browser().warm("/a");
    let report = purged(&roan, "/a");
    assert_eq!((report.outcome, report.verified), (Outcome::Purged, false));
}

/// A purge holds over a restart and a crash.
fn purged_stays_purged<K: Kind>(
    origin: &Origin,
    server: &mut Server<K>,
    roan: &Roan,
    stored: impl Fn(&Server<K>),
) {
    for is_killed in [false, true] {
        origin.set("/a", "old");
        let browser = Browser::new(server.addr());
        browser.warm("/a");
        stored(server);
        origin.set("/a", "new");
        roan.purge("/a").unwrap();
        flush(roan);
        if is_killed {
            server.kill();
        }
        server.restart();
        let answer = browser.get("/a");
        assert_eq!((answer.cache_status(), &*answer.text()), ("MISS", "new"));
        roan.purge("/a").unwrap();
        flush(roan);
    }
}

#[test]
fn squid_does_not_bring_back_a_purged_page() {
    let (origin, mut squid, roan) = squid(&SquidOptions::default());
    purged_stays_purged(&origin, &mut squid, &roan, |_| {});
}

#[test]
fn traffic_server_does_not_bring_back_a_purged_page() {
    let (origin, mut server, roan) = traffic_server(&TrafficServerOptions::default());
    purged_stays_purged(&origin, &mut server, &roan, TrafficServer::wait_for_disk);
}

#[test]
fn what_is_not_the_cache_is_found_out() {
    let origin = Origin::start();
    let url = format!("http://{}", origin.addr());
    // The app answers 200, and even 404.
    for gone in [false, true] {
        if gone {
            origin.remove("/a");
        }
        let squid = roan(roan::Squid::at(&url).unwrap());
        assert!(refusal(&squid, "/a").contains("from the app or another server"));
        let server = roan(roan::TrafficServer::at(&url).unwrap());
        assert!(refusal(&server, "/a").contains("from the app or another server"));
    }
    // It knows neither host.
    let squid = Squid::start_before(origin.addr(), &SquidOptions::default());
    let server = TrafficServer::start_before(origin.addr(), &TrafficServerOptions::default());
    let at_other_host = |cache: Cache| {
        let builder = Roan::builder()
            .cache(cache)
            .site("other.test")
            .rebound(None);
        refusal(&builder.build().unwrap(), "/a")
    };
    let why = at_other_host(roan::Squid::at(&squid.url()).unwrap().into());
    assert!(why.contains("`acl site dstdomain`"), "{why}");
    let why = at_other_host(roan::TrafficServer::at(&server.url()).unwrap().into());
    assert!(
        why.contains("does not know other.test") && why.contains("remap.config"),
        "{why}"
    );
}

#[test]
fn the_guide_quotes_the_configurations_that_are_tested() {
    let guide = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../roan/src/guide/other_caches/"
    );
    for (name, text) in [
        "records.config",
        "remap.config",
        "roan.config",
        "ip_allow.yaml",
        "storage.config",
    ]
    .into_iter()
    .zip(TRAFFIC_SERVER_CONF)
    .chain([("squid.conf", SQUID_CONF)])
    {
        let quoted = std::fs::read_to_string(format!("{guide}{name}")).expect(name);
        assert_eq!(quoted, text, "{name}");
    }
}
