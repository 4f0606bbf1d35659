//! What is not the same for all visitors is never shown to another, and the rest is cached.

use std::thread;
use std::time::Duration;

use roan_tests::{Answer, Browser, Nginx, Options, Origin, nginx_version, wait};

type Headers = &'static [(&'static str, &'static str)];

const ALICE: Headers = &[
    ("Cookie", "user=alice"),
    ("Accept-Language", "de"),
    ("Accept-Encoding", "gzip"),
];
const BOB: Headers = &[
    ("Cookie", "user=bob"),
    ("Accept-Language", "en"),
    ("Accept-Encoding", "br"),
];

fn setup() -> (Origin, Nginx, Browser) {
    setup_with(&Options::default())
}

fn setup_with(options: &Options) -> (Origin, Nginx, Browser) {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, options);
    let browser = nginx.browser();
    (origin, nginx, browser)
}

/// The same with a purge location, and with refreshes.
fn setups() -> impl Iterator<Item = (Origin, Nginx, Browser)> {
    let both = [Options::default(), Options::default().refresh()];
    both.into_iter().map(|options| setup_with(&options))
}

/// Alice looks at a page that the app renders for her, then Bob at his. Says what Bob got.
fn alice_then_bob(origin: &Origin, browser: &Browser, url: &str) -> Answer {
    origin.set(url, "for alice");
    let hers = browser.send("GET", url, ALICE);
    assert_eq!(hers.cache_status(), "MISS", "{url}");
    origin.set(url, "for bob");
    browser.send("GET", url, BOB)
}

#[test]
fn a_page_that_varies_by_more_than_its_encoding_is_not_stored() {
    for (origin, _nginx, browser) in setups() {
        let pages: [(&str, Headers); 10] = [
            ("/cookie", &[("vary", "Cookie")]),
            ("/language", &[("vary", "Accept-Language")]),
            ("/star", &[("vary", "*")]),
            ("/encoding-cookie", &[("vary", "Accept-Encoding, Cookie")]),
            ("/cookie-encoding", &[("vary", "Cookie, Accept-Encoding")]),
            ("/encoding,cookie", &[("vary", "accept-encoding,cookie")]),
            (
                "/two-lines",
                &[("vary", "Cookie"), ("vary", "Accept-Encoding")],
            ),
            ("/set-cookie", &[("set-cookie", "user=alice")]),
            ("/private", &[("cache-control", "private")]),
            ("/no-store", &[("cache-control", "no-store")]),
        ];
        for (url, headers) in pages {
            origin.headers(url, headers);
            let his = alice_then_bob(&origin, &browser, url);
            assert_eq!((his.cache_status(), &*his.text()), ("MISS", "for bob"));
            // Not for him either, nor for one who sends nothing.
            browser.assert_miss(url);
            browser.assert_miss(url);
        }
    }
}

#[test]
fn a_session_cookie_keeps_out_of_the_cache_if_its_line_is_uncommented() {
    const LINE: &str = "proxy_no_cache $cookie_session;";
    for options in [Options::default(), Options::default().refresh()] {
        let options = options.edit(&format!("# {LINE}"), LINE);
        let (origin, _nginx, browser) = setup_with(&options);
        let session = [("Cookie", "a=b; session=1")];
        origin.set("/", "for alice");
        for _ in 0..2 {
            let hers = browser.send("GET", "/", &session);
            assert_eq!(
                (hers.cache_status(), &*hers.text()),
                ("BYPASS", "for alice")
            );
        }
        origin.set("/", "for all");
        assert_eq!(browser.assert_miss("/").text(), "for all");
        assert_eq!(browser.assert_hit("/").text(), "for all");
        origin.set("/", "for alice");
        assert_eq!(browser.send("GET", "/", &session).text(), "for alice");
        assert_eq!(browser.assert_hit("/").text(), "for all");
        // Another cookie does not matter.
        let other = browser.send("GET", "/", &[("Cookie", "sessions=1")]);
        assert_eq!(other.cache_status(), "HIT");
    }
}

#[test]
fn of_two_lines_an_old_nginx_sees_the_first() {
    let (origin, _nginx, browser) = setup();
    let lines = [("vary", "Accept-Encoding"), ("vary", "Cookie")];
    origin.headers("/", &lines);
    let his = alice_then_bob(&origin, &browser, "/");
    // The README says so: the app has to join them.
    let wanted = match nginx_version() < (1, 23) {
        true => "HIT",
        false => "MISS",
    };
    assert_eq!(his.cache_status(), wanted);
}

#[test]
fn a_page_that_varies_by_its_encoding_is_cached_for_all_and_purged_for_all() {
    let (origin, _nginx, browser) = setup();
    let pages: [(&str, Headers); 3] = [
        ("/none", &[]),
        ("/encoding", &[("vary", "Accept-Encoding")]),
        ("/lower-case", &[("vary", "accept-encoding")]),
    ];
    for (url, headers) in pages {
        origin.headers(url, headers);
        let his = alice_then_bob(&origin, &browser, url);
        assert_eq!((his.cache_status(), &*his.text()), ("HIT", "for alice"));
        assert_eq!(browser.purge(url).status, 200);
        // Neither her variant nor his is left.
        let his = browser.send("GET", url, BOB);
        assert_eq!((his.cache_status(), &*his.text()), ("MISS", "for bob"));
        let hers = browser.send("GET", url, ALICE);
        assert_eq!(hers.cache_status(), "HIT");
        assert_eq!(origin.renders(url), 2);
    }
}

#[test]
fn a_request_with_authorization_neither_fills_the_cache_nor_reads_it() {
    for (origin, _nginx, browser) in setups() {
        // To nginx, a variable that is "0" is false.
        let zero = browser.send("GET", "/zero", &[("Authorization", "0")]);
        assert_eq!(zero.cache_status(), "BYPASS");
        let secret = [("Authorization", "Basic YTpi")];
        origin.set("/", "for alice");
        let hers = browser.send("GET", "/", &secret);
        assert_eq!(
            (hers.cache_status(), &*hers.text()),
            ("BYPASS", "for alice")
        );
        origin.set("/", "for all");
        assert_eq!(browser.assert_miss("/").text(), "for all");
        assert_eq!(browser.assert_hit("/").text(), "for all");

        origin.set("/", "for alice");
        let hers = browser.send("GET", "/", &secret);
        assert_eq!(
            (hers.cache_status(), &*hers.text()),
            ("BYPASS", "for alice")
        );
        assert_eq!(browser.assert_hit("/").text(), "for all");
    }
}

#[test]
fn a_page_that_is_not_stored_is_not_served_one_visitor_at_a_time() {
    for (origin, _nginx, browser) in setups() {
        origin.headers("/", &[("cache-control", "private")]);
        let gate = origin.hold("/");
        let visitors = [(); 4].map(|()| {
            let browser = browser.clone();
            thread::spawn(move || browser.get("/").status)
        });
        // The first renders as long as the gate is shut: the others wait half a second for it. Without
        // `proxy_cache_lock_timeout` it is five.
        wait::until(Duration::from_secs(4), "all to be rendered", || {
            origin.renders("/") == 4
        });
        gate.open();
        for visitor in visitors {
            assert_eq!(visitor.join().unwrap(), 200);
        }
    }
}

#[test]
fn after_a_purge_one_visitor_renders_the_page_for_all() {
    for (origin, _nginx, browser) in setups() {
        let gate = origin.hold("/");
        let visitors = [(); 4].map(|()| {
            let browser = browser.clone();
            thread::spawn(move || browser.get("/").text())
        });
        gate.wait_for(1);
        gate.open();
        for visitor in visitors {
            visitor.join().unwrap();
        }
        assert_eq!(origin.renders("/"), 1);
    }
}

#[test]
fn no_purge_comes_out_in_another_location() {
    let origin = Origin::start();
    let internal = "location /internal/ { allow 127.0.0.1; deny all; return 200 internal; }";
    let nginx = Nginx::start(&origin, &Options::default().server_text(internal));
    let browser = nginx.browser();
    assert_eq!(browser.get("/internal/delete-all").text(), "internal");
    for url in [
        "/../internal/delete-all",
        "/posts/../../internal/delete-all",
        "/posts/..%2F..%2Finternal%2Fdelete-all",
        "/posts/%2e%2e/%2e%2e/internal/delete-all",
        "/posts/%2E%2E%2F.%2E%2Finternal/delete-all?a=b",
        "/../posts",
        "/..%2fpurg%65r",
    ] {
        let answer = browser.purge(url);
        assert_eq!(answer.status, 400, "{url}: {}", answer.text());
    }
    // Nor does one in the form for proxies.
    let absolute = "http://site.test/purge/..%2Finternal%2Fdelete-all";
    assert_eq!(browser.get(absolute).status, 400);
    // What resolves inside stays, and is the key as it came.
    for url in [
        "/a/../b",
        "/a/..%2Fb",
        "/a%252F..%252F..%252Fb",
        "/a%20b",
        "//a",
    ] {
        let answer = browser.purge(url);
        let key = format!("site.test{url}");
        let found = (answer.status, answer.header("X-Roan-Purge"));
        assert_eq!(found, (404, Some(&*key)), "{url}");
    }
    assert_eq!(origin.all_renders(), 0);
}
