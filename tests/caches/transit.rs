//! A page that is on its way from the inner cache to the outer one when the inner one is purged for the second time.

use std::thread;
use std::time::Duration;

use roan::Roan;
use roan::purger::{Answer, Cache, PurgeRequest, Purger};
use roan_tests::{Browser, Edge, HOST, Nginx, Options, Origin, Select, wait};

/// Long enough for what happens between two purges, on a busy machine.
const REBOUND: Duration = Duration::from_secs(2);
const URL: &str = "/row";

struct Outer(Edge);

impl Purger for Outer {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        match self.0.purge(Select::Url(HOST, request.target().as_str())) {
            0 => Answer::not_cached(),
            _ => Answer::purged(),
        }
    }
}

#[test]
fn a_page_that_arrives_after_the_second_purge_is_purged_once_more() {
    let origin = Origin::start();
    origin.headers_of_all(&[("cache-control", "s-maxage=31536000, max-age=0")]);
    let inner = Nginx::start(&origin, &Options::default());
    let outer = Edge::start_before(inner.addr(), "surrogate-key");
    let roan = Roan::builder()
        .cache(roan::Nginx::at(&inner.purge_url()).unwrap())
        .cache(Cache::new("outer").node("outer", Outer(outer.clone())))
        .site(HOST)
        .rebound(REBOUND)
        .build()
        .unwrap();
    let answers = |node: usize| {
        let stats = roan.stats();
        stats.nodes[node].purged + stats.nodes[node].not_cached
    };

    // The page of the old row is stored in the inner cache after its purge.
    origin.set(URL, "old");
    let gate = origin.hold(URL);
    let reader = {
        let browser = inner.browser();
        thread::spawn(move || browser.get(URL).text())
    };
    gate.wait_for(1);
    origin.set(URL, "new");
    roan.purge(URL).unwrap();
    wait::until(wait::LONG, "the first purges", || answers(1) == 1);
    gate.open();
    assert_eq!(reader.join().unwrap(), "old");
    assert_eq!(inner.browser().warm(URL).text(), "old");

    // A visitor of the outer one gets it, and it takes its time on the way.
    let on_its_way = outer.hold();
    let visitor = {
        let browser = Browser::new(outer.addr());
        thread::spawn(move || browser.get(URL).text())
    };
    on_its_way.wait_for(1);
    wait::until(wait::LONG, "the second purges", || {
        answers(0) == 2 && answers(1) >= 2
    });
    on_its_way.open();
    assert_eq!(visitor.join().unwrap(), "old");

    wait::until(wait::LONG, "all purges", || {
        roan.stats()
            .nodes
            .iter()
            .all(|node| node.pending + node.rebounds == 0)
    });
    assert_eq!(inner.browser().get(URL).text(), "new");
    assert_eq!(Browser::new(outer.addr()).get(URL).text(), "new");
    // The rebound of its own may come before the one that follows the inner cache's.
    assert!(answers(0) == 2 && [3, 4].contains(&answers(1)));
}
