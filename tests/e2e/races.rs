//! Promises 3 and 5: no stale page after a race.

use std::time::Duration;

use roan::{Outcome, purge_on};
use roan_tests::{Behaviour, Faulty};

use crate::support::{LONG, Site, builder, flush, until_final};

#[purge_on(save, url = "/row")]
struct Row;

/// A fill is under way as the row is written; the page of the old row is stored after the purge.
/// Says what a reader sees in the end.
fn race(rebound: Option<Duration>) -> String {
    let site = Site::start();
    let mut builder = builder(&[site.nginx.purge_url()]);
    if let Some(delay) = rebound {
        builder = builder.rebound(delay);
    }
    let roan = builder.build().unwrap();
    let mut reports = roan.subscribe();
    let fill = site.new_while_old_is_filled("/row");
    roan.saved(&Row);
    let first = until_final(&mut reports).pop().unwrap();
    assert_eq!(
        first.outcome,
        Outcome::NotCached,
        "the page is being filled"
    );
    fill.end();
    if rebound.is_some() {
        let second = until_final(&mut reports).pop().unwrap();
        assert!(second.rebound);
    }
    site.browser.get("/row").text()
}

#[test]
fn without_a_rebound_a_slow_fill_leaves_a_stale_page() {
    assert_eq!(race(None), "old");
}

#[test]
fn a_rebound_purges_what_a_slow_fill_has_stored() {
    assert_eq!(race(Some(Duration::from_secs(2))), "new");
}

#[test]
fn a_purge_asked_for_while_the_same_is_in_flight_is_sent_again() {
    let endpoint = Faulty::start(Behaviour::Hang);
    let roan = builder(&[endpoint.purge_url()]).build().unwrap();
    roan.saved(&Row);
    endpoint.wait_for(1);
    roan.saved(&Row);
    roan.saved(&Row);
    endpoint.set(Behaviour::Purged);
    flush(&roan);
    assert_eq!(endpoint.count(), 2);
}

#[test]
fn a_storm_of_saves_of_one_row_sends_few_purges_and_one_after_the_last() {
    let site = Site::start();
    let roan = builder(&[site.nginx.purge_url()]).build().unwrap();
    let browser = site.nginx.browser();
    for number in 0..100_000_u32 {
        if number % 10_000 == 0 {
            browser.get("/row");
        }
        if number == 99_999 {
            site.origin.set("/row", "last");
        }
        roan.saved(&Row);
    }
    flush(&roan);
    assert_eq!(browser.get("/row").text(), "last");
    let stats = roan.stats();
    let sent = stats.nodes[0].purged + stats.nodes[0].not_cached;
    assert_eq!(stats.asked, 100_000);
    assert!(sent < 1_000, "{sent} purges for 100,000 saves");
}

#[test]
fn a_shutdown_waits_for_the_rebound() {
    let endpoint = Faulty::start(Behaviour::Purged);
    let roan = builder(&[endpoint.purge_url()])
        .rebound(Duration::from_secs(2))
        .build()
        .unwrap();
    roan.saved(&Row);
    flush(&roan);
    assert_eq!(endpoint.count(), 1);
    let left = roan.shutdown_blocking(LONG);
    assert_eq!((left.pending(), left.rebounds()), (0, 0), "{left}");
    assert_eq!(endpoint.count(), 2);
}
