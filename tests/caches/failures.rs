//! Mistakes of a set-up, and nodes that fail for a while.

use std::time::Duration;

use roan::purger::Mode;
use roan::{Outcome, Roan};
use roan_tests::{HOST, wait};

use crate::site::{NODES, Site};
use crate::stand::{Fault, Setup, Start};

/// A purge that cannot reach its page is an error which is reported, and not a success.
pub(crate) fn mistakes(start: &Start) {
    for setup in [Setup::UnknownMethod, Setup::Refusing] {
        let Some(site) = Site::with(start, setup, |builder| builder) else {
            continue;
        };
        site.old_and_new(HOST, "/a");
        let mut reports = site.roan.subscribe();
        site.roan.purge("/a").unwrap();
        for _ in 0..NODES {
            let report = reports.next_blocking().unwrap();
            let Outcome::Refused(refusal) = &report.outcome else {
                panic!("{setup:?}: {report}");
            };
            assert!(!refusal.to_string().is_empty());
        }
        site.flush();
        site.assert_hit(HOST, "/a", "old");
    }
}

/// The other node is purged at once, and this one when it is back.
pub(crate) fn a_while(start: &Start) {
    let timeout = Duration::from_millis(300);
    let site = Site::with(start, Setup::Right, |builder| {
        builder.timeout(timeout).connect_timeout(timeout)
    });
    let mut site = site.unwrap();
    for (fault, url) in [
        (Fault::Silent, "/silent"),
        (Fault::Overloaded, "/overloaded"),
        (Fault::Down, "/down"),
    ] {
        site.old_and_new(HOST, url);
        if !site.stand.fail(1, fault) {
            site.roan.purge(url).unwrap();
            site.flush();
            site.assert_fresh(HOST, url, "new");
            continue;
        }
        site.roan.purge(url).unwrap();
        wait::until(wait::LONG, "the purge at the other node", || {
            answered(&site.roan, 0)
        });
        site.assert_fresh_at(0, HOST, url, "new");
        // A cache whose files are removed does not notice that its server is down.
        if site.speaks_to_nodes() {
            let failed = |roan: &Roan| roan.stats().nodes[1].failed > 0;
            wait::until(wait::LONG, "a failure", || failed(&site.roan));
            assert!(!answered(&site.roan, 1), "{fault:?}");
        }
        site.stand.mend(1, fault);
        site.flush();
        // What it serves from now on is of the new row, whether it kept its pages over a restart or not.
        let browser = &site.browsers(HOST)[1];
        if site.can.mode() == Mode::Soft {
            site.assert_fresh_at(1, HOST, url, "new");
        } else {
            assert_eq!(browser.get(url).text(), "new", "{fault:?}");
        }
        assert_eq!(site.warm(browser, url).text(), "new", "{fault:?}");
    }
}

fn answered(roan: &Roan, node: usize) -> bool {
    let stats = roan.stats();
    let node = &stats.nodes[node];
    stats.waiting == 0 && node.pending == 0 && node.in_flight == 0
}
