//! The harness and the configuration that the docs quote, without Roan between them: what these
//! tests show is the basis of every other end-to-end test.

use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use roan_tests::{Browser, Clock, HOST, Nginx, Options, Origin, SITE_CONF, wait};

fn setup() -> (Origin, Nginx, Browser) {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default());
    let browser = nginx.browser();
    (origin, nginx, browser)
}

#[test]
fn a_purge_by_hand_makes_any_page_fresh() {
    let (origin, _nginx, browser) = setup();
    let long = format!("/long/{}", "x".repeat(3_994));
    // nginx takes a request line of 8 KiB, and that of the purge is a little longer.
    let longest = format!("/longest?q={}", "x".repeat(8_100));
    let urls = [
        "/",
        "/posts",
        "/caf%C3%A9",
        "/caf%c3%a9",
        "/a%20b",
        "/a%2Fb",
        "/a/b",
        "/a%25b",
        "/list?page=2",
        "/list",
        "/find?q=a%26b&sort=+x",
        "//x",
        "/a//b/",
        "/it's;x=1,2",
        &long,
        &longest,
    ];
    for url in urls {
        origin.set(url, format!("old {url}"));
        browser.assert_miss(url);
    }
    for url in urls {
        // All are cached before the first purge: one that took another page with it would show.
        assert_eq!(browser.assert_hit(url).text(), format!("old {url}"));
    }
    for url in urls {
        origin.set(url, format!("new {url}"));
        assert_eq!(browser.assert_hit(url).text(), format!("old {url}"));
        let purged = browser.purge(url);
        assert_eq!(purged.status, 200, "purge of {url}");
        let key = format!("{HOST}{url}");
        assert_eq!(purged.header("X-Roan-Purge"), Some(key.as_str()));
        assert_eq!(browser.assert_miss(url).text(), format!("new {url}"));
        assert_eq!(browser.assert_hit(url).text(), format!("new {url}"));
        assert_eq!(origin.renders(url), 2, "renders of {url}");
    }
}

#[test]
fn the_readme_quotes_the_configuration_that_is_tested() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let quoted = format!("```nginx\n{SITE_CONF}```");
    assert!(readme.contains(&quoted), "copy tests/conf/site.conf there");
}

#[test]
fn a_key_that_is_not_cached_is_answered_404_and_named() {
    let (origin, _nginx, browser) = setup();
    let answer = browser.purge("/never?seen=1");
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.header("x-roan-purge"),
        Some("site.test/never?seen=1")
    );
    assert_eq!(origin.all_renders(), 0);
}

#[test]
fn the_host_picks_the_page() {
    let (origin, _nginx, browser) = setup();
    let shop = browser.at_host("shop.test");
    origin.set("/posts", "blog");
    origin.at_host("shop.test").set("/posts", "shop");
    assert_eq!(browser.warm("/posts").text(), "blog");
    assert_eq!(shop.warm("/posts").text(), "shop");

    assert_eq!(shop.purge("/posts").status, 200);
    browser.assert_hit("/posts");
    shop.assert_miss("/posts");
}

#[test]
fn one_variant_of_a_page_is_kept_and_compressed_here() {
    let (origin, _nginx, browser) = setup();
    origin.set("/posts", "x".repeat(1_000));
    browser.warm("/posts");
    let wants_gzip = [("Accept-Encoding", "gzip"), ("Accept-Language", "de")];
    let answer = browser.send("GET", "/posts", &wants_gzip);
    assert_eq!(answer.cache_status(), "HIT");
    assert_eq!(answer.header("Content-Encoding"), Some("gzip"));
    assert!(answer.body.len() < 1_000);
    assert_eq!(origin.renders("/posts"), 1);
}

#[test]
fn a_restart_keeps_the_cache() {
    let (origin, mut nginx, browser) = setup();
    origin.set("/posts", "cached");
    browser.warm("/posts");
    nginx.restart();
    // The cache loader brings the entries back from disk, and a request for one does so at once.
    assert_eq!(browser.assert_hit("/posts").text(), "cached");

    nginx.kill();
    assert!(browser.try_send("GET", "/posts", &[]).is_err());
    nginx.restart();
    browser.assert_hit("/posts");
    assert_eq!(browser.purge("/posts").status, 200);
    browser.assert_miss("/posts");
}

#[test]
fn a_suspended_nginx_answers_when_it_is_resumed() {
    let (_origin, nginx, browser) = setup();
    browser.warm("/posts");
    nginx.suspend();
    let asking = std::thread::spawn(move || browser.get("/posts"));
    // "Nothing happens" is not an event: this wait can only miss a fault, not make one.
    std::thread::sleep(Duration::from_millis(100));
    assert!(!asking.is_finished());
    nginx.resume();
    assert_eq!(asking.join().unwrap().cache_status(), "HIT");
}

#[test]
fn two_nodes_keep_a_cache_each() {
    let (origin, _one, first) = setup();
    let two = Nginx::start(&origin, &Options::default());
    let second = two.browser();
    first.warm("/posts");
    second.assert_miss("/posts");
    assert_eq!(first.purge("/posts").status, 200);
    first.assert_miss("/posts");
    second.assert_hit("/posts");
}

#[test]
fn options_change_the_quoted_configuration() {
    let origin = Origin::start();
    let options = Options::default()
        .server_text("location = /extra { return 204; }")
        .keys_zone("1m")
        .purge_location("return 403;");
    let nginx = Nginx::start(&origin, &options);
    let browser = nginx.browser();
    assert_eq!(browser.get("/extra").status, 204);
    browser.warm("/posts");
    assert_eq!(browser.purge("/posts").status, 403);
    browser.assert_hit("/posts");

    let nginx = Nginx::start(&origin, &Options::default().scheme_in_key());
    let browser = nginx.browser();
    browser.warm("/posts");
    let answer = browser.purge("/posts");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("X-Roan-Purge"), Some("httpsite.test/posts"));
}

#[test]
fn a_held_render_has_read_its_row_and_is_stored_after_the_purge() {
    let (origin, _nginx, browser) = setup();
    origin.set("/posts", "old");
    let gate = origin.hold("/posts");
    let reader = browser.clone();
    let reading = std::thread::spawn(move || reader.get("/posts"));
    gate.wait_for(1);
    origin.set("/posts", "new");
    assert_eq!(browser.purge("/posts").status, 404);
    gate.open();
    assert_eq!(reading.join().unwrap().text(), "old");
    assert_eq!(browser.assert_hit("/posts").text(), "old");
    assert_eq!(browser.purge("/posts").status, 200);
    assert_eq!(browser.assert_miss("/posts").text(), "new");
}

#[test]
fn a_removed_page_is_gone_and_a_delayed_one_is_late() {
    let origin = Origin::start();
    let browser = Browser::new(origin.addr());
    origin.remove("/posts/1");
    assert_eq!(browser.get("/posts/1").status, 404);
    assert_eq!(browser.get("/other").text(), "site.test/other");

    let delay = Duration::from_millis(60);
    origin.delay("/slow", delay);
    let start = std::time::Instant::now();
    browser.get("/slow");
    assert!(start.elapsed() >= delay);
    assert_eq!(origin.renders("/slow"), 1);
    assert_eq!(origin.all_renders(), 3);
}

#[test]
fn a_program_goes_by_the_clock_that_it_is_given() {
    let clock = Clock::new();
    let time = || {
        let mut date = Command::new("date");
        clock.give_to(date.arg("+%s"));
        let out = date.output().unwrap().stdout;
        let text = String::from_utf8(out).unwrap();
        text.trim().parse::<u64>().unwrap()
    };
    let now = || UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(time() >= now() - 60);
    clock.set(-3600);
    assert!(time() <= now() - 3540);
    clock.set(0);
    assert!(time() >= now() - 60);
}

#[test]
#[should_panic(expected = "waited 30ms without success for: pigs to fly")]
fn a_wait_names_what_did_not_come() {
    wait::until(Duration::from_millis(30), "pigs to fly", || false);
}
