//! What the tests share: a site behind nginx, and a dispatcher for it.

use std::time::Duration;

use roan::{Outcome, Report, Reports, Roan, RoanBuilder};
use roan_tests::{HOST, Nginx, Options, Origin};

pub(crate) const LONG: Duration = Duration::from_secs(30);

/// An origin and one nginx in front of it.
pub(crate) struct Site {
    pub(crate) origin: Origin,
    pub(crate) nginx: Nginx,
}

impl Site {
    pub(crate) fn start() -> Self {
        let origin = Origin::start();
        let nginx = Nginx::start(&origin, &Options::default());
        Self { origin, nginx }
    }
}

/// A dispatcher in the making for these purge URLs; no rebound, so that each purge counts.
pub(crate) fn builder(purge_urls: &[String]) -> RoanBuilder {
    let (first, rest) = purge_urls.split_first().expect("a purge URL");
    let mut nginx = roan::Nginx::at(first).expect("a purge URL");
    for url in rest {
        nginx = nginx.node(url).expect("a purge URL");
    }
    let short = Duration::from_millis(20);
    Roan::builder()
        .cache(nginx)
        .site(HOST)
        .rebound(None)
        .backoff(short, 10 * short)
}

pub(crate) fn roan(nginx: &Nginx) -> Roan {
    builder(&[nginx.purge_url()])
        .build()
        .expect("a configuration")
}

/// Waits until every purge has been answered.
#[track_caller]
pub(crate) fn flush(roan: &Roan) {
    let left = roan.flush_blocking(LONG);
    assert_eq!(left.pending(), 0, "{left}");
}

/// The next report, which must come before long.
#[track_caller]
pub(crate) fn next(reports: &mut Reports) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let next = async { tokio::time::timeout(LONG, reports.next()).await };
    let report = runtime.expect("a runtime").block_on(next);
    report
        .expect("a report before long")
        .expect("the dispatcher lives")
}

/// The reports up to the first final one.
#[track_caller]
pub(crate) fn until_final(reports: &mut Reports) -> Vec<Report> {
    let mut seen = Vec::new();
    loop {
        let report = next(reports);
        let is_final = report.outcome.is_final();
        seen.push(report);
        if is_final {
            return seen;
        }
    }
}

/// How the next purge ends.
#[track_caller]
pub(crate) fn outcome(reports: &mut Reports) -> Outcome {
    until_final(reports).pop().expect("a final report").outcome
}
