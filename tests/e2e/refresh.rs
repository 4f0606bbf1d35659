//! A refresh: nginx fetches the page anew in place of dropping it, without a module.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use roan::{Failure, Outcome, Refusal, Report, Roan, RoanBuilder};
use roan_tests::{HOST, Options, REFRESH_CONF, SECRET, SITE_CONF, wait};

use crate::support::{LONG, Site, builder_for, flush, next, purged, until_final};

fn start() -> Site {
    refreshing(Options::default())
}

fn refreshing(options: Options) -> Site {
    Site::with(&options.refresh())
}

fn cache(site: &Site) -> roan::Nginx {
    let nginx = roan::Nginx::at(&site.nginx.url()).unwrap();
    nginx.refresh(SECRET).unwrap()
}

fn roan(site: &Site) -> Roan {
    builder(cache(site)).build().unwrap()
}

fn builder(cache: roan::Nginx) -> RoanBuilder {
    // A refresh that never succeeds fails its test.
    builder_for(cache).max_age(LONG)
}

#[track_caller]
fn assert_fresh(report: &Report, outcome: &Outcome) {
    assert_eq!(
        (&report.outcome, report.verified),
        (outcome, true),
        "{report}"
    );
}

#[test]
fn no_reader_waits_for_the_page_that_is_fetched_anew() {
    let site = start();
    let roan = roan(&site);
    for url in [
        "/a",
        "/caf%C3%A9",
        "/a%2Fb%20c",
        "/list?page=2&q=%26",
        "//x",
    ] {
        site.old_and_new(url);
        let report = purged(&roan, url);
        assert_fresh(&report, &Outcome::Purged);
        assert_eq!(report.status, Some(200));
        assert_eq!(site.browser.assert_hit(url).text(), "new", "{url}");
    }
    // Long keys, too.
    let long = format!("/{}", "a".repeat(4_000));
    site.old_and_new(&long);
    assert_fresh(&purged(&roan, &long), &Outcome::Purged);
    assert_eq!(site.browser.assert_hit(&long).text(), "new");
    assert_eq!(site.origin.renders("/a"), 2);
}

#[test]
fn what_nginx_may_not_store_goes_from_the_cache_all_the_same() {
    type Case = (
        &'static str,
        Option<u16>,
        &'static [(&'static str, &'static str)],
    );
    let cases: [Case; 14] = [
        ("/404", Some(404), &[]),
        ("/410", Some(410), &[]),
        ("/301", Some(301), &[("location", "/elsewhere")]),
        ("/302", Some(302), &[("location", "/login")]),
        ("/401", Some(401), &[]),
        ("/403", Some(403), &[]),
        ("/no-store", None, &[("cache-control", "no-store")]),
        ("/private", None, &[("cache-control", "private")]),
        ("/no-cache", None, &[("cache-control", "no-cache")]),
        ("/max-age", None, &[("cache-control", "max-age=0")]),
        (
            "/expires",
            None,
            &[("expires", "Thu, 01 Jan 1970 00:00:00 GMT")],
        ),
        ("/accel", None, &[("x-accel-expires", "0")]),
        ("/cookie", None, &[("set-cookie", "user=alice")]),
        ("/vary", None, &[("vary", "Cookie")]),
    ];
    let site = start();
    let roan = roan(&site);
    for (url, status, headers) in cases {
        site.old_and_new(url);
        site.origin.status(url, status);
        site.origin.headers(url, headers);
        let report = purged(&roan, url);
        assert_fresh(&report, &Outcome::Purged);
        assert_eq!(report.status, Some(status.unwrap_or(200)));
        for _ in 0..2 {
            let answer = site.browser.get(url);
            assert_eq!(answer.status, status.unwrap_or(200), "{url}");
            assert_ne!(answer.cache_status(), "HIT", "{url}");
            assert_ne!(answer.text(), "old", "{url}");
        }
        // A page that is gone is not fetched at each further save.
        let renders = site.origin.renders(url);
        assert_fresh(&purged(&roan, url), &Outcome::NotCached);
        assert_eq!(site.origin.renders(url), renders, "{url}");
        // It may come back.
        site.origin.status(url, None);
        site.origin.headers(url, &[]);
        site.browser.get(url);
        assert_eq!(site.browser.assert_hit(url).text(), "new");
    }
}

#[test]
fn open_file_cache_does_not_matter() {
    let cache = "open_file_cache max=100 inactive=1h; open_file_cache_valid 1h; open_file_cache_min_uses 1;";
    let site = refreshing(Options::default().one_worker().http_text(cache));
    let roan = roan(&site);
    site.old_and_new("/a");
    assert_fresh(&purged(&roan, "/a"), &Outcome::Purged);
    assert_eq!(site.browser.assert_hit("/a").text(), "new");
    site.origin.status("/a", Some(404));
    assert_fresh(&purged(&roan, "/a"), &Outcome::Purged);
    assert_eq!(site.browser.get("/a").status, 404);
}

#[test]
fn a_page_that_has_not_changed_but_became_private_goes_too() {
    let site = start();
    site.browser.warm("/a");
    site.origin.headers("/a", &[("cache-control", "private")]);
    assert_fresh(&purged(&roan(&site), "/a"), &Outcome::Purged);
    let answer = site.browser.get("/a");
    assert_eq!(answer.cache_status(), "EXPIRED");
    assert_eq!(answer.header("Cache-Control"), Some("private"));
}

#[test]
fn while_the_app_fails_readers_get_the_old_page_and_the_refresh_is_retried() {
    let site = start();
    let roan = roan(&site);
    for status in [500, 502, 503, 429] {
        let url = format!("/{status}");
        site.old_and_new(&url);
        site.origin.status(&url, Some(status));
        let mut reports = roan.subscribe();
        roan.purge(&*url).unwrap();
        let failure = Outcome::Failed(Failure::Status(status));
        assert_eq!(next(&mut reports).outcome, failure);
        assert_eq!(next(&mut reports).outcome, failure);
        assert_eq!(site.browser.assert_hit(&url).text(), "old");
        site.origin.status(&url, None);
        assert_fresh(&until_final(&mut reports).pop().unwrap(), &Outcome::Purged);
        assert_eq!(site.browser.assert_hit(&url).text(), "new");
    }
}

#[test]
fn an_app_that_fails_for_too_long_ends_the_refresh_as_dead() {
    let site = start();
    site.old_and_new("/a");
    site.origin.status("/a", Some(500));
    let builder = builder(cache(&site)).max_age(Duration::from_millis(200));
    let report = purged(&builder.build().unwrap(), "/a");
    assert_eq!(report.outcome, Outcome::Dead(Failure::Status(500)));
}

#[test]
fn a_page_that_nobody_read_is_not_rendered_unless_that_is_wanted() {
    let site = start();
    assert_fresh(&purged(&roan(&site), "/a"), &Outcome::NotCached);
    assert_eq!(site.origin.all_renders(), 0);

    let missing_too = cache(&site).refresh_missing();
    let roan = builder(missing_too).build().unwrap();
    assert_fresh(&purged(&roan, "/a"), &Outcome::Purged);
    site.browser.assert_hit("/a");
    assert_eq!(site.origin.all_renders(), 1);
}

#[test]
fn pages_that_are_not_cached_push_no_others_out_of_the_keys_zone() {
    let site = refreshing(Options::default().keys_zone("32k"));
    let pages: Vec<_> = (0..60).map(|number| format!("/page/{number}")).collect();
    for page in &pages {
        site.browser.warm(page);
    }
    let roan = roan(&site);
    for number in 0..300 {
        roan.purge(format!("/none/{number}")).unwrap();
    }
    flush(&roan);
    assert_eq!(roan.stats().nodes[0].not_cached, 300);
    for page in &pages {
        site.browser.assert_hit(page);
    }
}

#[test]
fn one_entry_serves_readers_with_and_without_compression() {
    let site = start();
    let long = |word: &str| word.repeat(1_000);
    site.origin.set("/a", long("old"));
    let gzip = [("Accept-Encoding", "gzip")];
    site.browser.send("GET", "/a", &gzip);
    site.origin.set("/a", long("new"));
    assert_fresh(&purged(&roan(&site), "/a"), &Outcome::Purged);
    let plain = site.browser.assert_hit("/a");
    assert_eq!(plain.text(), long("new"));
    let packed = site.browser.send("GET", "/a", &gzip);
    assert_eq!(packed.cache_status(), "HIT");
    assert_eq!(packed.header("Content-Encoding"), Some("gzip"));
    assert_eq!(site.origin.renders("/a"), 2);
}

#[test]
fn the_app_is_asked_as_by_a_visitor_and_does_not_see_the_secret() {
    let site = start();
    let https = format!("https://{HOST}");
    let roan = builder(cache(&site)).site(&https).build().unwrap();
    site.browser.warm("/a");
    assert_eq!(
        site.origin.asked_with("/a", "x-forwarded-proto").as_deref(),
        Some("http")
    );
    assert_fresh(&purged(&roan, "/a"), &Outcome::Purged);
    let asked_with = |name| site.origin.asked_with("/a", name);
    assert_eq!(asked_with("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(asked_with("host").as_deref(), Some(HOST));
    for name in [
        "x-roan-secret",
        "authorization",
        "cookie",
        "accept-encoding",
    ] {
        assert_eq!(asked_with(name), None, "{name}");
    }
}

#[test]
fn an_order_without_the_secret_is_the_request_of_a_visitor() {
    let site = start();
    site.old_and_new("/a");
    for order in ["refresh", "peek", "drop"] {
        for secret in ["", "CHANGE-ME", "1", "default", &SECRET[1..]] {
            let headers = [
                ("X-Roan-Secret", secret),
                ("X-Roan-Order", order),
                ("X-Forwarded-Proto", "https"),
            ];
            let answer = site.browser.send("GET", "/a", &headers);
            assert_eq!((answer.cache_status(), &*answer.text()), ("HIT", "old"));
            assert_eq!(answer.header("X-Roan-Refresh"), None);
            let url = format!("/{order}-{secret}");
            let answer = site.browser.send("GET", &url, &headers);
            assert_eq!((answer.cache_status(), answer.status), ("MISS", 200));
            site.browser.assert_hit(&url);
            assert_eq!(
                site.origin.asked_with(&url, "x-forwarded-proto").as_deref(),
                Some("http")
            );
            assert_eq!(site.origin.asked_with(&url, "x-roan-order"), None);
        }
    }
    // A secret in front of an order does not make another one.
    let headers = [
        ("X-Roan-Order", &*format!("{SECRET} drop")),
        ("X-Roan-Secret", ""),
    ];
    assert_eq!(
        site.browser.send("GET", "/a", &headers).cache_status(),
        "HIT"
    );
}

/// A fill of the old page is under way as the row is written: its page is stored after the refresh, which found none.
fn race(rebound: Option<Duration>) -> String {
    let site = start();
    let roan = builder(cache(&site)).rebound(rebound).build().unwrap();
    let mut reports = roan.subscribe();
    let fill = site.new_while_old_is_filled("/row");
    roan.purge("/row").unwrap();
    // It waits for the fill, as long as `proxy_cache_lock_timeout` says.
    let first = until_final(&mut reports).pop().unwrap();
    assert_eq!(first.outcome, Outcome::NotCached);
    fill.end();
    assert_eq!(site.browser.assert_hit("/row").text(), "old");
    if rebound.is_some() {
        let second = until_final(&mut reports).pop().unwrap();
        assert!(second.rebound);
        assert_fresh(&second, &Outcome::Purged);
    }
    site.browser.get("/row").text()
}

#[test]
fn a_fill_that_is_slower_than_the_refresh_leaves_a_stale_page_until_the_rebound() {
    assert_eq!(race(None), "old");
    assert_eq!(race(Some(Duration::from_secs(2))), "new");
}

#[test]
fn a_fill_that_ends_while_the_refresh_looks_is_refreshed_at_once() {
    // The refresh waits for the fill, and its end may take longer than usual here.
    let site = refreshing(Options::default().edit("lock_timeout 500ms", "lock_timeout 30s"));
    let roan = roan(&site);
    let fill = site.new_while_old_is_filled("/row");
    let mut reports = roan.subscribe();
    roan.purge("/row").unwrap();
    fill.end();
    assert_fresh(&until_final(&mut reports).pop().unwrap(), &Outcome::Purged);
    assert_eq!(site.browser.assert_hit("/row").text(), "new");
}

#[test]
fn a_row_that_is_written_while_its_page_is_refreshed_is_refreshed_again() {
    let site = start();
    let roan = roan(&site);
    site.old_and_new("/row");
    let gate = site.origin.hold("/row");
    roan.purge("/row").unwrap();
    gate.wait_for(1);
    site.origin.set("/row", "newest");
    roan.purge("/row").unwrap();
    gate.open();
    flush(&roan);
    assert_eq!(site.browser.assert_hit("/row").text(), "newest");
    assert_eq!(site.origin.renders("/row"), 3);
}

#[test]
fn with_use_stale_updating_a_page_that_is_gone_shows_nothing_to_some() {
    // The docs say so.
    let lock = "proxy_cache_lock on;";
    let stale = format!("{lock} proxy_cache_use_stale updating;");
    let site = refreshing(Options::default().edit(lock, &stale));
    site.old_and_new("/a");
    site.origin.status("/a", Some(404));
    assert_fresh(&purged(&roan(&site), "/a"), &Outcome::Purged);
    let gate = site.origin.hold("/a");
    let reader = {
        let browser = site.browser.clone();
        thread::spawn(move || browser.get("/a").status)
    };
    gate.wait_for(1);
    let other = site.browser.get("/a");
    assert_eq!((other.status, other.cache_status()), (204, "UPDATING"));
    gate.open();
    assert_eq!(reader.join().unwrap(), 404);
}

/// Ends the readers, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many renders a save costs while 50 visitors read the page, and how many of their reads waited for one.
fn herd(roan: &Roan, site: &Site) -> (f64, f64) {
    const SAVES: usize = 10;
    let (origin, browser) = (&site.origin, &site.browser);
    origin.delay("/row", Duration::from_millis(30));
    browser.warm("/row");
    let (stop, reads, waits) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let before = origin.renders("/row");
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        for _ in 0..50 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = browser.get("/row");
                    if answer.cache_status() != "HIT" {
                        waits.fetch_add(1, Ordering::Relaxed);
                    }
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 0..SAVES {
            origin.set("/row", number.to_string());
            let mut reports = roan.subscribe();
            roan.purge("/row").unwrap();
            while !until_final(&mut reports)
                .iter()
                .any(|report| report.rebound)
            {}
            let before = reads.load(Ordering::Relaxed);
            wait::until(LONG, "more reads", || {
                reads.load(Ordering::Relaxed) > before + 100
            });
        }
    });
    let per_save = |count: usize| count as f64 / SAVES as f64;
    (
        per_save(origin.renders("/row") - before),
        per_save(waits.load(Ordering::Relaxed)),
    )
}

#[test]
fn a_crowd_of_readers_does_not_reach_the_app() {
    let rebound = Duration::from_millis(500);
    let row = |name: &str, (renders, waits): (f64, f64)| {
        println!(
            "{name:<28} {renders:>6.1} renders a save, {waits:>6.1} reads that waited for one"
        );
        (renders, waits)
    };
    for (name, options) in [
        (
            "purge, without a lock",
            Options::default().edit("proxy_cache_lock on;", ""),
        ),
        ("purge, proxy_cache_lock", Options::default()),
    ] {
        let site = Site::with(&options);
        let roan = crate::support::builder(&[site.nginx.purge_url()])
            .rebound(rebound)
            .build()
            .unwrap();
        row(name, herd(&roan, &site));
    }
    let site = start();
    let roan = builder(cache(&site)).rebound(rebound).build().unwrap();
    let (renders, waits) = row("refresh", herd(&roan, &site));
    // One for the purge and one for its rebound.
    assert_eq!(renders, 2.0);
    assert_eq!(waits, 0.0);
    // A purge leaves an old page where a fill took longer than the rebound; a refresh has no fills beside it.
    assert_eq!(site.browser.assert_hit("/row").text(), "9");
}

/// Set-ups in which a refresh cannot work: what is changed, and what Roan must say.
#[test]
fn a_set_up_in_which_a_refresh_does_not_reach_the_page_is_refused_with_its_cure() {
    let host = (
        "server_name www.example.org;",
        "server_name site.test; if ($host != site.test) { return 404; }",
    );
    let cases = [
        (
            "another secret",
            ("CHANGE-ME", "another-secret"),
            "into nginx's `map $http_x_roan_secret`",
        ),
        (
            "no result header",
            ("add_header X-Roan-Refresh $roan_result always;", ""),
            "`add_header X-Roan-Refresh $roan_result always;`",
        ),
        (
            "no bypass",
            (
                "proxy_cache_bypass $roan_unkeyed $roan_authorized $roan_bypass;",
                "",
            ),
            "add `$roan_bypass` to `proxy_cache_bypass`",
        ),
        (
            "orders reach the app",
            (
                "proxy_pass http://$roan_upstream$roan_uri;",
                "proxy_pass http://app$roan_uri;",
            ),
            "write `proxy_pass http://$roan_upstream$roan_uri;`",
        ),
        (
            "the order is not passed on",
            (
                "proxy_set_header X-Roan-Order $roan_order;",
                "proxy_set_header X-Roan-Order \"\";",
            ),
            "`proxy_set_header X-Roan-Order $roan_order;`",
        ),
        (
            "a drop that is not stored",
            ("add_header X-Accel-Expires $roan_expires;", ""),
            "`add_header X-Accel-Expires $roan_expires;`",
        ),
        (
            "a drop that is stored for long",
            (
                "proxy_ignore_headers Vary;",
                "proxy_ignore_headers Vary X-Accel-Expires; proxy_cache_valid any 1h;",
            ),
            "not `proxy_ignore_headers X-Accel-Expires`",
        ),
        (
            "no cache",
            ("proxy_cache pages;", ""),
            "the location of the page does not cache",
        ),
        (
            "another key",
            ("key=$roan_key", "key=$scheme$host$uri"),
            "nginx returned the key",
        ),
        (
            "no site of that host",
            host,
            "nginx's server for other.test",
        ),
    ];
    for (name, (text, with), words) in cases {
        let site = refreshing(Options::default().edit(text, with));
        site.origin.set("/a%20b", "old");
        site.browser.get("/a%20b");
        site.origin.set("/a%20b", "new");
        site.origin
            .headers("/a%20b", &[("cache-control", "private")]);
        let host = if name == "no site of that host" {
            "other.test"
        } else {
            HOST
        };
        let roan = builder(cache(&site)).site(host).build().unwrap();
        let report = purged(&roan, "/a%20b");
        let Outcome::Refused(Refusal::Node(why)) = &report.outcome else {
            panic!("{name}: {report}");
        };
        assert!(why.contains(words), "{name}: {why}");
        assert!(!why.contains(SECRET) && !format!("{report:?}").contains(SECRET));
        println!("{name}:\n    {why}");
        // None of them shows a visitor what is not a page.
        assert_eq!(site.browser.get("/a%20b").status, 200, "{name}");
    }
}

#[test]
fn a_redirect_to_https_is_named() {
    let options = Options::default().edit(
        "location / {",
        "if ($host) { return 301 https://$host$request_uri; } location / {",
    );
    let site = refreshing(options);
    let report = purged(&roan(&site), "/a");
    let message = report.outcome.to_string();
    assert!(
        message.contains("status 301 and no X-Roan-Refresh"),
        "{message}"
    );
    assert!(
        message.contains("server for site.test without a redirect"),
        "{message}"
    );
}

#[test]
fn the_refreshed_site_keeps_the_guards_of_the_purged_one() {
    let refresh: Vec<_> = REFRESH_CONF.lines().map(code).collect();
    let of_purges = [
        "large_client_header_buffers",
        "roan_strays",
        "(?: /purge",
        "proxy_pass",
        "X-Forwarded-Proto",
        "proxy_cache_bypass",
    ];
    let end = SITE_CONF.find("location ^~ /purge/").unwrap();
    for line in SITE_CONF[..end].lines().map(code) {
        if !of_purges.iter().any(|word| line.contains(word)) {
            assert!(refresh.contains(&line), "{line:?} is not in refresh.conf");
        }
    }
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}
