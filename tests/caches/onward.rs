//! A tag before which a cache stands that knows URLs alone: that one is purged by the URLs of the pages, and the next one by the
//! tag, after the last of those URLs, and not by each of them.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderName;
use axum::response::IntoResponse;
use roan::purger::{Answer, LifetimeHeader, Limits, PurgeRequest, Purger, TagHeader};
use roan::web::{self, CachePolicy, Web};
use roan::{Cache, Failure, Roan, Target, TargetKind};
use roan_tests::{Browser, HOST, lock, wait};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;
use tower::ServiceExt;

use crate::site::Apps;
use crate::stand::{Setup, Start};

const PAGES: usize = 200;

/// Far fewer than the pages, and more than a slow machine needs.
const FEW: u64 = 25;

const REBOUND: Duration = Duration::from_millis(500);

/// One event of the two tiers: the tier, the target, and whether it is the answer.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    tier: &'static str,
    target: String,
    is_answer: bool,
}

/// How an inner cache answers for some targets.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    Refused,
    /// A retry may succeed.
    Failing,
    Down,
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<Event>,
    /// For the targets of a tier whose text begins so.
    troubles: HashMap<(&'static str, &'static str), Trouble>,
}

#[derive(Debug, Clone, Default)]
struct Tiers(Arc<Mutex<Log>>);

impl Tiers {
    fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.0)
    }

    fn trouble(&self, tier: &'static str, target: &'static str, trouble: Option<Trouble>) {
        let troubles = &mut self.log().troubles;
        match trouble {
            Some(trouble) => troubles.insert((tier, target), trouble),
            None => troubles.remove(&(tier, target)),
        };
    }

    /// The targets of the requests to a tier, in order.
    fn asked(&self, tier: &str) -> Vec<String> {
        let log = self.log();
        let events = log.events.iter();
        let of_tier = events.filter(|event| event.tier == tier && !event.is_answer);
        of_tier.map(|event| event.target.clone()).collect()
    }

    /// Whether a request for this target reached a tier after the last answer of another for each of these pages: one, or all
    /// in a folder.
    fn came_after(&self, (later, target): (&str, &str), (earlier, pages): (&str, &str)) -> bool {
        let log = self.log();
        let events = || log.events.iter().rev();
        let last = events().position(|event| {
            let is_one_of_them = match pages.ends_with('/') {
                true => event.target.starts_with(pages),
                false => event.target == pages,
            };
            event.tier == earlier && event.is_answer && is_one_of_them
        });
        let request = events()
            .position(|event| event.tier == later && !event.is_answer && event.target == target);
        matches!((last, request), (Some(last), Some(request)) if request < last)
    }
}

struct Tier {
    name: &'static str,
    tiers: Tiers,
}

impl Purger for Tier {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        let target = request.target().to_string();
        let note = |is_answer| Event {
            tier: self.name,
            target: target.clone(),
            is_answer,
        };
        self.tiers.log().events.push(note(false));
        sleep(Duration::from_millis(fastrand::u64(0..5))).await;
        let mut log = self.tiers.log();
        log.events.push(note(true));
        let mut troubles = log.troubles.iter();
        let trouble =
            troubles.find(|((tier, prefix), _)| *tier == self.name && target.starts_with(prefix));
        match trouble {
            None => Answer::purged(),
            Some((_, Trouble::Refused)) => Answer::refused("it does not want to"),
            Some((_, Trouble::Failing)) => {
                Answer::failed(Failure::Reported("not this one".to_owned()))
            }
            Some((_, Trouble::Down)) => Answer::failed(Failure::Connect("nobody".to_owned())),
        }
    }
}

/// An app whose pages `/page/N` carry the tag `list`, and the log of its caches.
struct Bench {
    roan: Roan,
    tiers: Tiers,
    app: Router,
    runtime: Runtime,
}

/// Caches of these names, and whether each knows more than URLs.
fn bench(caches: &[(&'static str, bool)]) -> Bench {
    let tiers = Tiers::default();
    let short = Duration::from_millis(20);
    let mut builder = Roan::builder()
        .site(HOST)
        .rebound(REBOUND)
        .backoff(short, 5 * short)
        .web(Web::new().policy(CachePolicy::until_purged()));
    for (name, knows_all) in caches {
        let tier = Tier {
            name,
            tiers: tiers.clone(),
        };
        let cache = Cache::new(name).lifetime_header(LifetimeHeader::XAccelExpires);
        let cache = if *knows_all {
            let header = TagHeader::cache_tag().named(HeaderName::from_static(name));
            let kinds = [
                TargetKind::Url,
                TargetKind::Tag,
                TargetKind::Prefix,
                TargetKind::Host,
                TargetKind::Everything,
            ];
            cache.purges(kinds, Limits::new()).tag_header(header)
        } else {
            cache
        };
        builder = builder.cache(cache.node(name, tier));
    }
    let roan = builder.build().unwrap();
    let page = |request: Request| async move {
        web::tag("list").unwrap();
        if request.uri().path().ends_with("/7") {
            web::tag("seven").unwrap();
        }
        "a page"
    };
    let app = Router::new().fallback(page).layer(roan.web().unwrap());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let bench = Bench {
        roan,
        tiers,
        app,
        runtime,
    };
    for number in 0..PAGES {
        bench.renders(&format!("/page/{number}"));
    }
    bench
}

impl Bench {
    fn renders(&self, url: &str) {
        let request = Request::get(format!("http://{HOST}{url}"));
        let request = request.body(Body::empty()).unwrap();
        let answer = self.runtime.block_on(self.app.clone().oneshot(request));
        assert_eq!(
            answer.unwrap().into_response().headers()["x-accel-expires"],
            "31536000"
        );
    }

    #[track_caller]
    fn settle(&self) {
        wait::until_settled(&self.roan);
    }

    /// See [`Tiers::came_after`].
    #[track_caller]
    fn assert_after(&self, later: (&str, &str), earlier: (&str, &str)) {
        assert!(
            self.tiers.came_after(later, earlier),
            "{later:?} came before {earlier:?}"
        );
    }

    /// The requests to a tier with these targets and no others.
    #[track_caller]
    fn assert_few(&self, tier: &str, targets: &[&str]) {
        let asked = self.tiers.asked(tier);
        let different: HashSet<&str> = asked.iter().map(String::as_str).collect();
        assert_eq!(different, targets.iter().copied().collect(), "{asked:?}");
        assert!(
            asked.len() as u64 <= FEW * targets.len() as u64,
            "{asked:?}"
        );
    }
}

fn tag(name: &str) -> Target {
    Target::tag(name).unwrap()
}

#[test]
fn the_next_cache_is_asked_for_the_tag_after_the_last_of_its_pages() {
    let bench = bench(&[("inner", false), ("outer", true)]);
    bench.roan.purge(tag("list")).unwrap();
    bench.settle();
    // And a third time, where a page was rendered just before.
    assert!(bench.tiers.asked("inner").len() >= 2 * PAGES);
    bench.assert_few("outer", &["tag list"]);
    assert!(
        bench.tiers.asked("outer").len() >= 2,
        "after each of the two purges"
    );
    bench.assert_after(("outer", "tag list"), ("inner", "/page/"));
}

#[test]
fn areas_take_their_pages_along_but_not_those_that_the_next_cache_may_not_find() {
    let bench = bench(&[("inner", false), ("outer", true)]);
    bench.renders("//page//1");
    let prefix = Target::prefix("/page/").unwrap();
    for (target, others) in [
        (prefix, &["//page//1"][..]),
        (Target::host(), &[]),
        (Target::everything(), &[]),
    ] {
        bench.tiers.log().events.clear();
        bench.roan.purge(target.clone()).unwrap();
        bench.settle();
        let text = target.to_string();
        let expected: Vec<&str> = others.iter().copied().chain([&*text]).collect();
        bench.assert_few("outer", &expected);
        bench.assert_after(("outer", &text), ("inner", "/page/"));
        // A page is purged once: it is rendered anew.
        for number in 0..PAGES {
            bench.renders(&format!("/page/{number}"));
        }
        bench.renders("//page//1");
    }
}

#[test]
fn a_url_that_is_asked_for_itself_reaches_the_next_cache_too() {
    for tag_is_first in [true, false] {
        let bench = bench(&[("inner", false), ("outer", true)]);
        let page = Target::url("/page/3").unwrap();
        let targets = if tag_is_first {
            [tag("list"), page]
        } else {
            [page, tag("list")]
        };
        for target in targets {
            bench.roan.purge(target).unwrap();
        }
        bench.settle();
        bench.assert_few("outer", &["tag list", "/page/3"]);
        bench.assert_after(("outer", "/page/3"), ("inner", "/page/3"));
        bench.assert_after(("outer", "tag list"), ("inner", "/page/"));
    }
}

#[test]
fn a_page_that_fails_or_is_refused_does_not_hold_the_tag_back() {
    for trouble in [Trouble::Refused, Trouble::Failing] {
        let bench = bench(&[("inner", false), ("outer", true)]);
        bench.tiers.trouble("inner", "/page/7", Some(trouble));
        bench.roan.purge(tag("list")).unwrap();
        wait::until(wait::LONG, "the other pages", || {
            bench.tiers.asked("inner").len() >= PAGES
        });
        wait::until(wait::LONG, "the tag after them", || {
            bench
                .tiers
                .came_after(("outer", "tag list"), ("inner", "/page/1"))
        });
        // Nobody else carries it.
        bench.roan.purge(tag("seven")).unwrap();
        wait::until(wait::LONG, "the tag of a page with trouble", || {
            bench.tiers.asked("outer").contains(&"tag seven".to_owned())
        });
        if trouble == Trouble::Failing {
            bench.tiers.trouble("inner", "/page/7", None);
            bench.settle();
            bench.assert_after(("outer", "tag list"), ("inner", "/page/7"));
            bench.assert_after(("outer", "tag seven"), ("inner", "/page/7"));
        } else {
            bench.settle();
        }
        bench.assert_few("outer", &["tag list", "tag seven"]);
    }
}

#[test]
fn a_cache_that_is_down_does_not_hold_the_tag_back_and_the_tag_follows_when_it_is_back() {
    let bench = bench(&[("inner", false), ("outer", true)]);
    bench.tiers.trouble("inner", "/", Some(Trouble::Down));
    bench.roan.purge(tag("list")).unwrap();
    wait::until(wait::LONG, "the node to be down, and the tag", || {
        bench.roan.stats().nodes[0].down && !bench.tiers.asked("outer").is_empty()
    });
    bench.roan.purge(tag("seven")).unwrap();
    wait::until(wait::LONG, "the tag of a page that waits", || {
        bench.tiers.asked("outer").contains(&"tag seven".to_owned())
    });
    bench.tiers.trouble("inner", "/", None);
    bench.settle();
    bench.assert_few("outer", &["tag list", "tag seven"]);
    bench.assert_after(("outer", "tag list"), ("inner", "/page/"));
    bench.assert_after(("outer", "tag seven"), ("inner", "/page/7"));
}

/// As a purge that a limit holds back for longer than it may wait.
#[test]
fn what_dies_before_it_was_sent_reaches_the_next_cache() {
    let tiers = Tiers::default();
    let tier = |name| Tier {
        name,
        tiers: tiers.clone(),
    };
    let rare = Limits::new().rate(0.001).burst(1);
    let inner = Cache::new("inner").purges([TargetKind::Url], rare);
    let roan = Roan::builder()
        .site(HOST)
        .rebound(None)
        .max_age(Duration::from_secs(1))
        .cache(inner.node("inner", tier("inner")))
        .cache(Cache::new("outer").node("outer", tier("outer")))
        .build()
        .unwrap();
    let urls = ["/a", "/b", "/c"];
    for url in urls {
        roan.purge(url).unwrap();
    }
    wait::until(wait::LONG, "all at the second cache", || {
        urls.iter()
            .all(|url| tiers.asked("outer").contains(&(*url).to_owned()))
    });
    assert_eq!(tiers.asked("inner").len(), 1);
    assert_eq!(roan.stats().nodes[0].dead, 2);
}

#[test]
fn each_tier_is_asked_for_what_it_and_those_behind_it_can_purge() {
    let bench = bench(&[("inner", true), ("middle", false), ("outer", true)]);
    bench.roan.purge(tag("list")).unwrap();
    bench.settle();
    // Its tags take the pages along.
    bench.assert_few("inner", &["tag list"]);
    assert!(bench.tiers.asked("middle").len() >= 2 * PAGES);
    bench.assert_after(("middle", "/page/3"), ("inner", "tag list"));
    bench.assert_few("outer", &["tag list"]);
    bench.assert_after(("outer", "tag list"), ("middle", "/page/"));

    let bench = self::bench(&[("inner", false), ("middle", true), ("outer", false)]);
    bench.roan.purge(tag("list")).unwrap();
    bench.settle();
    for page in ["/page/0", "/page/7", "/page/199"] {
        bench.assert_after(("outer", page), ("middle", page));
        bench.assert_after(("middle", page), ("inner", page));
    }
    assert!(bench.tiers.asked("middle").contains(&"tag list".to_owned()));
}

/// The numbers of the rows.
type Rows = Arc<Mutex<u64>>;

fn number(rows: &Rows) -> u64 {
    *lock(rows)
}

/// One write of a tag on many pages is a few requests at a real cache behind nginx, and none of the pages stays stale.
fn one_write(inner: &Start, outer: &Start) {
    let apps = Apps::listen(1);
    let inner = inner(&apps.addresses, Setup::Right).unwrap();
    let outer = outer(&inner.nodes(), Setup::Right).unwrap();
    let builder = Roan::builder()
        .site(format!("http://{HOST}"))
        .rebound(REBOUND)
        .web(Web::new().policy(CachePolicy::until_purged()));
    let caches = inner.caches().into_iter().chain(outer.caches());
    let roan = caches
        .fold(builder, roan::RoanBuilder::cache)
        .build()
        .unwrap();
    let rows = Rows::default();
    let page = |State(rows): State<Rows>| async move {
        web::tag("list").unwrap();
        number(&rows).to_string()
    };
    let app = Router::new().fallback(page).with_state(Arc::clone(&rows));
    let _servers = apps.serve(&app.layer(roan.web().unwrap()), &*inner);
    let node: SocketAddr = outer.nodes()[0];
    let browser = Browser::new(node);
    let urls: Vec<_> = (0..PAGES).map(|number| format!("/page/{number}")).collect();
    let stored = |url: &str| {
        wait::until_some(wait::LONG, "a HIT at the second tier", || {
            let answer = browser.get(url);
            // nginx has another header, which Varnish stores with the page.
            let of_varnish = answer.header("X-Cache");
            let status = of_varnish.unwrap_or_else(|| answer.cache_status());
            (status == "HIT").then(|| answer.text())
        })
    };
    for url in &urls {
        assert_eq!(stored(url), "0");
    }

    let mut asked = 0;
    for write in 1..=3 {
        *lock(&rows) = write;
        roan.purge(tag("list")).unwrap();
        // Visitors come all the time.
        wait::until(wait::LONG, "the purges, and the second ones", || {
            for url in urls.iter().step_by(10) {
                browser.get(url);
            }
            let stats = roan.stats();
            let mut nodes = stats.nodes.iter();
            stats.waiting == 0 && nodes.all(|node| node.pending + node.rebounds == 0)
        });
        for url in &urls {
            assert_eq!(stored(url), write.to_string(), "{url}");
        }
        let requests = roan.stats().nodes[1].requests;
        println!(
            "write {write}: {} requests at the second tier",
            requests - asked
        );
        assert!(requests - asked <= FEW, "{:?}", roan.stats());
        asked = requests;
    }
    assert!(roan.stats().nodes[0].requests >= 3 * PAGES as u64);
}

#[test]
fn one_write_of_a_tag_is_a_few_requests_at_varnish_behind_nginx() {
    one_write(&crate::stands::nginx::module, &crate::stands::varnish::hard);
}

#[test]
fn one_write_of_a_tag_is_a_few_requests_at_cloudflare_behind_nginx() {
    one_write(
        &crate::stands::nginx::module,
        &crate::stands::cdns::cloudflare,
    );
}
