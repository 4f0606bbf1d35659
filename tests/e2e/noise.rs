//! Query parameters that change no page make no entry of their own.

use roan_tests::{Browser, HOST, Nginx, Options, Origin};

const NOISE: [&str; 3] = ["utm_source=a%26b", "fbclid", "GCLID=x?y=z"];

fn setup() -> (Origin, Nginx, Browser) {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default());
    let browser = nginx.browser();
    (origin, nginx, browser)
}

/// The key that nginx makes for a URL.
fn key(browser: &Browser, url: &str) -> String {
    let answer = browser.purge(url);
    let key = answer.header("X-Roan-Purge").expect("the purge location");
    key.strip_prefix(HOST).expect("the host").to_owned()
}

/// What the key should be: the parameters that are not noise, unless they are in more than three
/// groups.
fn expected(parameters: &[&str]) -> String {
    let is_noise = |parameter: &&str| parameter.is_empty() || NOISE.contains(parameter);
    let groups = parameters.chunk_by(|a, b| is_noise(a) == is_noise(b));
    if groups.filter(|group| !is_noise(&group[0])).count() > 3 {
        return String::new();
    }
    let kept: Vec<_> = parameters.iter().filter(|one| !is_noise(one)).collect();
    match kept.is_empty() {
        true => "/a".to_owned(),
        false => format!(
            "/a?{}",
            kept.into_iter().copied().collect::<Vec<_>>().join("&")
        ),
    }
}

#[test]
fn the_key_is_the_url_without_noise_wherever_it_is() {
    let (_origin, _nginx, browser) = setup();
    assert_eq!(key(&browser, "/a"), "/a");
    let words = ["x=1", "utm_source=a%26b", "", "y", "fbclid", "GCLID=x?y=z"];
    for count in 1..=5 {
        // Every sequence up to three of all words; of the first three words beyond.
        let words = if count <= 3 { &words[..] } else { &words[..3] };
        for number in 0..words.len().pow(count) {
            let pick = |place: u32| words[number / words.len().pow(place) % words.len()];
            let parameters: Vec<_> = (0..count).map(pick).collect();
            let url = format!("/a?{}", parameters.join("&"));
            assert_eq!(key(&browser, &url), expected(&parameters), "{url}");
        }
    }
}

#[test]
fn what_looks_like_noise_is_kept() {
    let (_origin, _nginx, browser) = setup();
    for url in [
        "/utm_source=x",
        "/a&utm_source=x",
        "/a?utm_",
        "/a?utm=1",
        "/a?xutm_source=1",
        "/a?gclids=1",
        "/a?q=utm_source=x",
        "/a?q=?utm_source=x",
        "/a?q=a%26utm_source=x",
        "/a?utm%5Fsource=x",
        "/a;utm_source=x",
        "/a?x;utm_source=x",
        "/purge/a?x",
        "/a/purge/b?x",
        "/a%3Futm_source=x",
    ] {
        assert_eq!(key(&browser, url), url);
    }
    let long = format!("/a?{}x", "x&".repeat(4_000));
    assert_eq!(key(&browser, &long), long);
}

#[test]
fn a_purge_reaches_the_page_that_was_asked_for_with_noise() {
    let (origin, _nginx, browser) = setup();
    for (page, asked) in [
        ("/a", "/a?"),
        ("/a", "/a?utm_source=x"),
        ("/a", "/a?fbclid=x&utm_source=y&"),
        ("/list?page=2", "/list?page=2&utm_source=x"),
        ("/list?page=2", "/list?utm_source=x&page=2"),
        (
            "/list?page=2&q=%26",
            "/list?gclid&page=2&utm_a=&utm_b&q=%26&fbclid",
        ),
    ] {
        origin.set(page, "old");
        assert_eq!(browser.assert_miss(asked).text(), "old");
        assert_eq!(browser.assert_hit(page).text(), "old");
        origin.set(page, "new");
        assert_eq!(browser.purge(page).status, 200, "{asked}");
        assert_eq!(browser.assert_miss(asked).text(), "new");
        assert_eq!(browser.assert_hit(page).text(), "new");
        // By a purge with noise, too.
        assert_eq!(browser.purge(asked).status, 200, "{asked}");
        browser.assert_miss(page);
        browser.purge(page);
    }
}

#[test]
fn the_app_does_not_see_noise_so_no_page_can_repeat_it_to_another() {
    let (_origin, _nginx, browser) = setup();
    let page = browser.assert_miss("/list?utm_source=%3Cscript%3E&page=2");
    assert_eq!(page.text(), "site.test/list?page=2");
}

#[test]
fn with_noise_in_too_many_places_a_page_comes_from_the_app() {
    let (origin, _nginx, browser) = setup();
    let most = "/a?fbclid&1&fbclid&2&fbclid&3&fbclid";
    browser.assert_miss(most);
    assert_eq!(browser.assert_hit("/a?1&2&3").text(), "site.test/a?1&2&3");

    let more = "/a?1&fbclid&2&fbclid&3&fbclid&4";
    for count in 1..=2 {
        let answer = browser.get(more);
        assert_eq!(answer.cache_status(), "BYPASS");
        assert_eq!(answer.text(), format!("site.test{more}"));
        assert_eq!(origin.renders(more), count);
    }
    assert_eq!(browser.purge(more).status, 404, "nothing is stored");
    // Nor is another page taken for it.
    let other = "/b?1&fbclid&2&fbclid&3&fbclid&4";
    assert_eq!(browser.get(other).text(), format!("site.test{other}"));
}

/// No browser sends a fragment. nginx passes it on, and the app does not see it: its page would have a key that nobody
/// purges.
#[test]
fn a_request_with_a_fragment_is_not_cached() {
    let origin = Origin::start();
    for options in [Options::default(), Options::default().refresh()] {
        let nginx = Nginx::start(&origin, &options);
        for url in ["/a#x", "/a?#x", "/a?b#x", "/a?b&c=d#x", "/a?utm_source=x#x"] {
            for _ in 0..2 {
                let answer = nginx.browser().get(url);
                assert_ne!(answer.cache_status(), "HIT", "{url}");
            }
        }
    }
}
