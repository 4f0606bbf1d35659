//! Pages are requested before visitors ask for them.

use std::thread;

use roan::Site;
use roan::purger::Warmed;
use roan_tests::{Browser, HOST, Nginx, Options, Origin, SECRET, wait};

fn run(nginx: &roan::Nginx, site: &str, urls: &[&str], concurrency: usize) -> Warmed {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let site: Site = site.parse().unwrap();
    let warmed = nginx.warm(&site, urls, concurrency);
    runtime.block_on(warmed).unwrap()
}

fn refreshing(nginx: &Nginx) -> roan::Nginx {
    roan::Nginx::at(&nginx.url())
        .unwrap()
        .refresh(SECRET)
        .unwrap()
}

fn counts(warmed: &Warmed) -> [usize; 4] {
    [warmed.hits, warmed.misses, warmed.uncached, warmed.failed]
}

/// nginx may store a page a moment after its end has left.
fn until_hit(browser: &Browser, url: &str) {
    wait::until(wait::LONG, "the page to be stored", || {
        browser.get(url).cache_status() == "HIT"
    });
}

#[test]
fn every_node_has_the_pages_then() {
    let origin = Origin::start();
    let nodes = [(); 2].map(|()| Nginx::start(&origin, &Options::default()));
    let mut nginx = roan::Nginx::new();
    for node in &nodes {
        nginx = nginx.node(&node.purge_url()).unwrap();
    }
    nodes[0].browser().warm("/a");
    origin.status("/gone", Some(404));
    origin.status("/moved", Some(301));
    origin.headers("/private", &[("cache-control", "private")]);
    let urls = [
        "/a",
        "/caf%C3%A9?b=c",
        "/gone",
        "/moved",
        "/private",
        "no slash",
    ];
    let warmed = run(&nginx, HOST, &urls, 3);
    // `/private` is a miss each time.
    assert_eq!(counts(&warmed), [1, 5, 2, 4], "{warmed}");
    let first = warmed.first_failure.as_deref().unwrap();
    assert!(
        first.starts_with("/gone: ") || first.starts_with("no slash: "),
        "{first}"
    );
    for node in &nodes {
        for url in ["/a", "/caf%C3%A9?b=c"] {
            until_hit(&node.browser(), url);
        }
    }
    let warmed = run(&nginx, HOST, &urls[..2], 3);
    assert_eq!(warmed.to_string(), "4 hits, 0 misses, 0 uncached, 0 failed");
}

#[test]
fn with_refreshes_what_is_cached_is_left_and_the_rest_is_rendered_for_the_sites_scheme() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default().refresh());
    nginx.browser().warm("/a");
    origin.status("/gone", Some(404));
    let site = format!("https://{HOST}");
    let warmed = run(&refreshing(&nginx), &site, &["/a", "/b", "/gone"], 1);
    assert_eq!(counts(&warmed), [1, 1, 0, 1], "{warmed}");
    assert_eq!(origin.renders("/a"), 1);
    assert_eq!(
        origin.asked_with("/b", "x-forwarded-proto").as_deref(),
        Some("https")
    );
    until_hit(&nginx.browser(), "/b");
}

#[test]
fn the_requests_begin_in_order_and_no_more_than_the_cap_are_under_way() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default());
    let urls = ["/1", "/2", "/3", "/4"];
    let [first, second, third, fourth] = urls.map(|url| origin.hold(url));
    let purge_url = nginx.purge_url();
    let warming = thread::spawn(move || {
        let nginx = roan::Nginx::at(&purge_url).unwrap();
        run(&nginx, HOST, &urls, 2)
    });
    first.wait_for(1);
    second.wait_for(1);
    assert_eq!(origin.all_renders(), 2);
    second.open();
    third.wait_for(1);
    assert_eq!(origin.all_renders(), 3);
    third.open();
    fourth.wait_for(1);
    first.open();
    fourth.open();
    assert_eq!(counts(&warming.join().unwrap()), [0, 4, 0, 0]);
}

#[test]
fn a_node_that_is_down_is_counted_and_the_others_are_warmed() {
    let origin = Origin::start();
    let mut nodes = [(); 2].map(|()| Nginx::start(&origin, &Options::default()));
    let nginx = roan::Nginx::at(&nodes[0].purge_url()).unwrap();
    let nginx = nginx.node(&nodes[1].purge_url()).unwrap();
    nodes[0].kill();
    let warmed = run(&nginx, HOST, &["/a", "/b"], 1);
    assert_eq!(counts(&warmed), [0, 2, 0, 2], "{warmed}");
    let browser: Browser = nodes[1].browser();
    until_hit(&browser, "/b");
    let first = warmed.first_failure.unwrap();
    assert!(first.starts_with("/a: failed: cannot connect"), "{first}");
}

#[test]
fn after_everything_was_emptied_no_visitor_waits() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default().refresh());
    let (urls, nodes) = (["/1", "/2", "/3"], refreshing(&nginx));
    run(&nodes, HOST, &urls, 2);
    for url in urls {
        until_hit(&nginx.browser(), url);
    }
    for entry in std::fs::read_dir(nginx.cache_folder()).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    wait::until(wait::LONG, "the pages to be there again", || {
        run(&nodes, HOST, &urls, 2).hits == 3
    });
    assert_eq!(origin.renders("/1"), 2);
}
