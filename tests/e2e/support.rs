//! What the tests share: a site behind nginx, and a dispatcher for it.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use roan::{Cache, Outcome, Report, Reports, Roan, RoanBuilder};
use roan_tests::{Browser, Gate, HOST, Nginx, Options, Origin};

pub(crate) const LONG: Duration = Duration::from_secs(30);

/// An origin, one nginx in front of it, and a browser before that.
pub(crate) struct Site {
    pub(crate) origin: Origin,
    pub(crate) nginx: Nginx,
    pub(crate) browser: Browser,
}

impl Site {
    pub(crate) fn start() -> Self {
        Self::with(&Options::default())
    }

    pub(crate) fn with(options: &Options) -> Self {
        let origin = Origin::start();
        let nginx = Nginx::start(&origin, options);
        let browser = nginx.browser();
        Self {
            origin,
            nginx,
            browser,
        }
    }

    /// Stores the page of an old row, and writes a new one.
    #[track_caller]
    pub(crate) fn old_and_new(&self, url: &str) {
        self.origin.set(url, "old");
        self.browser.warm(url);
        self.origin.set(url, "new");
        assert_eq!(self.browser.assert_hit(url).text(), "old");
    }

    /// Writes a new row while a reader waits for the page of the old one.
    #[track_caller]
    pub(crate) fn new_while_old_is_filled(&self, url: &'static str) -> Fill {
        self.origin.set(url, "old");
        let gate = self.origin.hold(url);
        let browser = self.browser.clone();
        let reader = thread::spawn(move || browser.get(url).text());
        gate.wait_for(1);
        self.origin.set(url, "new");
        Fill { gate, reader }
    }
}

/// A page of an old row that nginx is about to store.
pub(crate) struct Fill {
    gate: Gate,
    reader: JoinHandle<String>,
}

impl Fill {
    #[track_caller]
    pub(crate) fn end(self) {
        self.gate.open();
        assert_eq!(self.reader.join().unwrap(), "old");
    }
}

/// A dispatcher in the making for these purge URLs; no rebound, so that each purge counts.
pub(crate) fn builder(purge_urls: &[String]) -> RoanBuilder {
    let (first, rest) = purge_urls.split_first().expect("a purge URL");
    let mut nginx = roan::Nginx::at(first).expect("a purge URL");
    for url in rest {
        nginx = nginx.node(url).expect("a purge URL");
    }
    builder_for(nginx)
}

/// The same for another cache.
pub(crate) fn builder_for(cache: impl Into<Cache>) -> RoanBuilder {
    let short = Duration::from_millis(20);
    Roan::builder()
        .cache(cache)
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

/// The final report of a purge.
#[track_caller]
pub(crate) fn purged(roan: &Roan, url: &str) -> Report {
    let mut reports = roan.subscribe();
    roan.purge(url).unwrap();
    until_final(&mut reports).pop().unwrap()
}

/// How the next purge ends.
#[track_caller]
pub(crate) fn outcome(reports: &mut Reports) -> Outcome {
    until_final(reports).pop().expect("a final report").outcome
}
