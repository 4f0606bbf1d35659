//! The forks of nginx's cache-purge module, by a stand-in that answers as they do.

use std::time::Duration;

use roan::{Outcome, Roan, Target};
use roan_tests::{Behaviour, Faulty, HOST};

use crate::support::{flush, purged, until_final};

fn roan(fork: &Faulty) -> Roan {
    let nginx = roan::Nginx::at(&fork.purge_url()).unwrap().wildcards();
    let builder = Roan::builder().cache(nginx).site(HOST).rebound(None);
    builder
        .backoff(Duration::from_millis(20), Duration::from_millis(20))
        .build()
        .unwrap()
}

fn answer(status: u16, key: &str) -> Behaviour {
    let key = ("X-Roan-Purge".to_owned(), key.to_owned());
    Behaviour::Answer(status, vec![key])
}

#[test]
fn the_answers_of_a_fork_are_known() {
    let fork = Faulty::start(answer(412, "site.test/a"));
    let roan = roan(&fork);
    let report = purged(&roan, "/a");
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::NotCached, true)
    );
    // The queue of the fork has it.
    fork.set(answer(202, "site.test/a"));
    let report = purged(&roan, "/a");
    assert_eq!(
        (report.outcome, report.status, report.verified),
        (Outcome::Purged, Some(202), false)
    );
    fork.set(answer(202, "site.test/b"));
    assert!(matches!(purged(&roan, "/a").outcome, Outcome::Refused(_)));
}

#[test]
fn a_star_at_the_end_is_a_prefix_and_never_a_page() {
    let fork = Faulty::start(Behaviour::Purged);
    let roan = roan(&fork);
    let mut reports = roan.subscribe();
    roan.purge(Target::prefix("/docs/v1/").unwrap()).unwrap();
    let report = until_final(&mut reports).pop().unwrap();
    assert_eq!((report.outcome, report.verified), (Outcome::Purged, true));
    assert!(matches!(
        purged(&roan, "/docs/*").outcome,
        Outcome::Refused(_)
    ));
    roan.purge("/docs/*/x").unwrap();
    flush(&roan);
    let targets: Vec<_> = fork
        .requests()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert_eq!(targets, ["/purge/docs/v1/*", "/purge/docs/*/x"]);
}
