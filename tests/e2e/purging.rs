//! A purge removes just the page that it names, whatever its URL looks like.

use roan::{Outcome, Target, purge_on};
use roan_tests::{HOST, Nginx, Options, Origin, SPELLINGS};

use crate::support::{Site, builder, flush, outcome, roan, until_final};

#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
struct Post {
    slug: String,
    title: String,
}

#[test]
fn a_saved_row_makes_its_pages_fresh() {
    let site = Site::start();
    let roan = roan(&site.nginx);
    let browser = site.nginx.browser();
    let mut post = Post {
        slug: "caf\u{e9} au lait".to_owned(),
        title: "Old".to_owned(),
    };
    let page = "/posts/caf%C3%A9%20au%20lait";
    site.origin.set("/posts", &post.title);
    site.origin.set(page, &post.title);
    site.origin.set("/about", "unchanged");
    for url in ["/posts", page, "/about"] {
        browser.warm(url);
    }
    post.title = "New".to_owned();
    site.origin.set("/posts", &post.title);
    site.origin.set(page, &post.title);
    roan.saved(&post);
    flush(&roan);
    assert_eq!(browser.assert_miss("/posts").text(), "New");
    assert_eq!(browser.assert_miss(page).text(), "New");
    browser.assert_hit("/posts");
    browser.assert_hit("/about");
}

#[test]
fn a_created_row_makes_the_404_of_its_own_url_fresh() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default().keeps_missing());
    let roan = roan(&nginx);
    let browser = nginx.browser();
    let page = "/posts/new";
    origin.remove(page);
    assert_eq!(browser.get(page).status, 404);
    origin.set(page, "New");
    assert_eq!(browser.get(page).status, 404);
    assert_eq!(origin.renders(page), 1, "the 404 came from the cache");
    roan.created(&Post {
        slug: "new".to_owned(),
        title: "New".to_owned(),
    });
    flush(&roan);
    let answer = browser.assert_miss(page);
    assert_eq!((answer.status, &*answer.text()), (200, "New"));
}

#[test]
fn a_moved_row_makes_both_urls_fresh() {
    let site = Site::start();
    let roan = roan(&site.nginx);
    let browser = site.nginx.browser();
    for url in ["/posts/old", "/posts/new", "/posts/other"] {
        browser.warm(url);
    }
    let old = Post {
        slug: "old".to_owned(),
        title: String::new(),
    };
    let new = Post {
        slug: "new".to_owned(),
        title: String::new(),
    };
    roan.updated(&old, &new);
    flush(&roan);
    browser.assert_miss("/posts/old");
    browser.assert_miss("/posts/new");
    browser.assert_hit("/posts/other");
}

#[test]
fn a_page_is_fresh_under_each_spelling_that_links_have() {
    let site = Site::start();
    let browser = site.nginx.browser();
    let links = [
        "/posts/C%2B%2B%20(it's)",
        "/posts/C++%20(it's)",
        "/posts/C%2B%2B%20%28it%27s%29",
    ];
    let post = Post {
        slug: "C++ (it's)".to_owned(),
        title: String::new(),
    };
    let common = roan(&site.nginx);
    links.iter().for_each(|link| _ = browser.warm(link));
    common.saved(&post);
    flush(&common);
    links.iter().for_each(|link| _ = browser.assert_miss(link));

    let exact = builder(&[site.nginx.purge_url()])
        .spellings(roan::Spellings::Exact)
        .build()
        .unwrap();
    links.iter().for_each(|link| _ = browser.warm(link));
    exact.saved(&post);
    flush(&exact);
    browser.assert_hit(links[0]);
    browser.assert_hit(links[1]);
    browser.assert_miss(links[2]);
}

#[test]
fn every_url_can_be_purged_and_no_other_goes_with_it() {
    let site = Site::start();
    let roan = builder(&[site.nginx.purge_url()])
        .spellings(roan::Spellings::Exact)
        .build()
        .unwrap();
    let mut reports = roan.subscribe();
    let browser = site.nginx.browser();
    let long = format!("/long/{}", "x".repeat(4000));
    let mut urls = SPELLINGS.to_vec();
    urls.push(&long);
    for url in &urls {
        browser.warm(url);
    }
    for (number, url) in urls.iter().enumerate() {
        roan.purge(*url).expect(url);
        let report = until_final(&mut reports).pop().unwrap();
        assert_eq!(report.outcome, Outcome::Purged, "{url}");
        // The configuration cuts an empty query from its keys, and Roan does not count another key as proof.
        let verified = !url.ends_with('?');
        assert_eq!(
            (report.status, report.verified, report.attempts),
            (Some(200), verified, 1),
            "{url}"
        );
        assert_eq!(report.target.as_str(), *url);
        browser.assert_miss(url);
        // The others are still there: those before it were filled again by the look at them.
        for other in &urls[number + 1..] {
            assert_eq!(
                browser.get(other).cache_status(),
                "HIT",
                "{other} after the purge of {url}"
            );
        }
    }
}

#[test]
fn a_url_that_would_be_rewritten_is_refused_where_it_is_made() {
    let site = Site::start();
    let roan = roan(&site.nginx);
    for url in [
        "/a/../b",
        "/a/%2e%2E/b",
        "/a\\b",
        "/a#b",
        "/a b",
        "/a?b'c",
        "posts",
    ] {
        let error = roan.purge(url).expect_err(url).to_string();
        assert!(
            error.contains(url.trim_start_matches('/')) || error.contains("\\\\"),
            "{error}"
        );
    }
}

/// A URL of that many bytes.
fn long(length: usize) -> String {
    format!("/{}", "x".repeat(length - 1))
}

/// nginx reads a request line of 8 KiB by default. The page's own may fit where that of its purge,
/// longer by `/purge`, does not.
#[test]
fn a_url_too_long_for_a_purge_is_refused_with_the_directive_to_set() {
    let longest = 8192 - "GET /purge HTTP/1.1\r\n".len();
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default().default_buffers());
    let purged = roan(&nginx);
    let mut reports = purged.subscribe();
    let browser = nginx.browser();
    let (last, first) = (long(longest), long(longest + 1));
    browser.warm(&last);
    browser.warm(&first);
    purged.purge(&last).unwrap();
    assert_eq!(outcome(&mut reports), Outcome::Purged);
    purged.purge(&first).unwrap();
    let refused = outcome(&mut reports).to_string();
    assert!(
        refused.contains("status 414") && refused.contains("`large_client_header_buffers 4 32k;`"),
        "{refused}"
    );

    let site = Site::start();
    let purged = roan(&site.nginx);
    let mut reports = purged.subscribe();
    site.nginx.browser().warm(&first);
    purged.purge(&first).unwrap();
    assert_eq!(outcome(&mut reports), Outcome::Purged);
    purged.purge(long(Target::MAX_LEN)).unwrap();
    assert_eq!(outcome(&mut reports), Outcome::NotCached, "it was read");
}

#[test]
fn a_page_that_is_not_cached_is_told_apart() {
    let site = Site::start();
    let roan = roan(&site.nginx);
    let mut reports = roan.subscribe();
    roan.purge("/never-seen").unwrap();
    let report = until_final(&mut reports).pop().unwrap();
    assert_eq!(
        (report.outcome, report.status),
        (Outcome::NotCached, Some(404))
    );
    assert!(report.verified, "the location named the right key");
}

#[test]
fn two_sites_under_one_nginx_are_purged_apart() {
    let site = Site::start();
    let roan = builder(&[site.nginx.purge_url()])
        .named_site("shop", "http://shop.test")
        .build()
        .unwrap();
    let browser = site.nginx.browser();
    let shop = browser.at_host("shop.test");
    browser.warm("/");
    shop.warm("/");
    roan.purge(Target::url("/").unwrap().at_site("shop"))
        .unwrap();
    flush(&roan);
    browser.assert_hit("/");
    shop.assert_miss("/");
    roan.purge("/").unwrap();
    flush(&roan);
    browser.assert_miss("/");
    shop.assert_hit("/");
}

#[test]
fn an_unknown_site_is_reported() {
    let site = Site::start();
    let roan = roan(&site.nginx);
    let mut reports = roan.subscribe();
    roan.purge(Target::url("/").unwrap().at_site("shop"))
        .unwrap();
    let message = outcome(&mut reports).to_string();
    assert!(
        message.contains("\"shop\"") && message.contains("ROAN_SITE"),
        "{message}"
    );
    assert_eq!(roan.stats().refused, 1);
}

#[test]
fn a_key_with_the_scheme_is_matched() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default().scheme_in_key());
    let roan = builder(&[nginx.purge_url()])
        .site(format!("http://{HOST}"))
        .build()
        .unwrap();
    let mut reports = roan.subscribe();
    nginx.browser().warm("/a");
    roan.purge("/a").unwrap();
    let report = until_final(&mut reports).pop().unwrap();
    assert_eq!((report.outcome, report.verified), (Outcome::Purged, true));
    nginx.browser().assert_miss("/a");
}

#[test]
fn every_node_is_purged() {
    let origin = Origin::start();
    let nodes = [(); 2].map(|()| Nginx::start(&origin, &Options::default()));
    let roan = builder(&nodes.each_ref().map(Nginx::purge_url))
        .build()
        .unwrap();
    for node in &nodes {
        node.browser().warm("/a");
    }
    roan.purge("/a").unwrap();
    flush(&roan);
    for node in &nodes {
        node.browser().assert_miss("/a");
    }
    let purged: Vec<_> = roan.stats().nodes.iter().map(|node| node.purged).collect();
    assert_eq!(purged, [1, 1]);
}
