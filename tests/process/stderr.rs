//! What a program without a `tracing` subscriber says on standard error, because somebody must hear of it.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use roan::purger::{Cache, Mode, TagHeader};
use roan::testing::Recorder;
use roan::web::{self, CachePolicy, Web};
use roan::{Nginx, Roan, Target, purge_on};
use roan_tests::{Behaviour, Faulty, wait};
use tower::ServiceExt;

use crate::{assert_says, run};

const COMMON_LINE: u32 = line!() + 3;

/// A title of dots is not a segment.
#[purge_on(save, url = "/common/{title}")]
#[purge_on(save, url = "/rare/{slug}")]
struct Post {
    title: &'static str,
    slug: &'static str,
}

const TAGGED_LINE: u32 = line!() + 2;

#[purge_on(save, tag = "{0}")]
struct Tagged(&'static str);

/// Runs one of the cases below, and returns whether there is one of that name.
pub(crate) fn case(case: &str) -> bool {
    match case {
        "two rules that fail" => {
            let roan = roan();
            let post = |title, slug| roan.saved(&Post { title, slug });
            (0..1000).for_each(|_| post("..", "a"));
            post("a", "..");
            assert_eq!(roan.stats().invalid, 1001);
            assert_eq!(roan.shutdown_blocking(wait::LONG).pending(), 0);
        }
        "two sites that are unknown" => {
            let roan = roan();
            let purge = |site: &str, number: u32| {
                let page = Target::url(format!("/{number}")).unwrap().at_site(site);
                roan.purge(page).unwrap();
            };
            (0..1000).for_each(|number| purge("common", number));
            purge("rare", 0);
            assert_eq!(roan.shutdown_blocking(wait::LONG).pending(), 0);
            assert_eq!(roan.stats().refused, 1001);
        }
        "a site with a typing error" => {
            let hosts = ["10.0.0.1", "www.example.org"];
            let urls =
                (0..100).flat_map(|number| hosts.map(|host| format!("http://{host}/{number}")));
            serve("https://www.exmaple.org", || {}, urls);
        }
        "pages with a mistake" => {
            let tags = |count: usize| {
                for number in 0..count {
                    web::tag(&format!("tag-{number}")).unwrap();
                }
            };
            serve_in(
                "example.org",
                Web::new().max_tags(3),
                move || tags(4),
                pages("many"),
            );
            serve("example.org", move || tags(6), pages("long"));
            serve("example.org", || web::show(&Tagged("")), pages("empty"));
            serve(
                "example.org",
                || {
                    web::show(&Post {
                        title: "",
                        slug: "",
                    });
                },
                pages("untagged"),
            );
            serve(
                "example.org",
                || drop(std::thread::spawn(|| web::show(&Tagged("a"))).join()),
                pages("spawned"),
            );
        }
        "a soft purge before another cache" => {
            let cache = |name, mode| Cache::new(name).mode(mode).node(name, Recorder::new());
            let build = |caches: [Cache; 2]| {
                let [inner, outer] = caches;
                Roan::builder().cache(inner).cache(outer).build().unwrap()
            };
            build([cache("hard", Mode::Hard), cache("last", Mode::Soft)]);
            build([cache("soft", Mode::Soft), cache("cdn", Mode::Hard)]);
        }
        "purges that die of age" => {
            let node = Faulty::start(Behaviour::Close);
            let short = Duration::from_millis(20);
            let roan = Roan::builder()
                .cache(Nginx::at(&node.purge_url()).unwrap())
                .site("https://www.example.org")
                .rebound(None)
                .backoff(short, short)
                .max_age(short)
                .build()
                .unwrap();
            for number in 0..1000 {
                roan.purge(format!("/{number}")).unwrap();
            }
            let all_dead = || roan.stats().nodes[0].dead == 1000;
            wait::until(wait::LONG, "their deaths", all_dead);
            assert_eq!(roan.shutdown_blocking(wait::LONG).pending(), 0);
        }
        "an outbox without a cache" => {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}?mode=rwc", folder.path().join("db").display());
            let outbox = roan::outbox::Outbox::at(&url).unwrap();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(outbox.migrate()).unwrap();
            let builder = Roan::builder().site("https://www.example.org");
            let roan = builder.outbox(outbox).build().unwrap();
            let _ = roan.shutdown_blocking(wait::LONG);
        }
        "a node that is paused and resumed" => {
            let roan = roan();
            let outbox = roan.outbox();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(async {
                assert!(outbox.pause("recorder", "recorder").await.unwrap());
                assert!(outbox.resume("recorder", "recorder").await.unwrap());
                assert!(!outbox.resume("recorder", "recorder").await.unwrap());
            });
        }
        _ => return false,
    }
    true
}

fn pages(name: &str) -> impl Iterator<Item = String> {
    (0..100).map(move |number| format!("http://example.org/{name}/{number}"))
}

/// Answers these requests with pages that `work` renders, at this site.
fn serve(
    site: &str,
    work: impl Fn() + Clone + Send + Sync + 'static,
    urls: impl IntoIterator<Item = String>,
) {
    serve_in(site, Web::new(), work, urls);
}

fn serve_in(
    site: &str,
    web: Web,
    work: impl Fn() + Clone + Send + Sync + 'static,
    urls: impl IntoIterator<Item = String>,
) {
    let tag_header = TagHeader::surrogate_key().limits(1024, 5);
    let cache = Cache::new("mine").tag_header(tag_header);
    let builder = Roan::builder().rebound(None).site(site);
    let builder = builder.web(web.policy(CachePolicy::until_purged()));
    let roan = builder.cache(cache.node("mine", Recorder::new()));
    let roan = roan.build().unwrap();
    let app = Router::new().fallback(move || {
        work();
        async { "page" }
    });
    let app = app.layer(roan.web().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for url in urls {
        let request = Request::get(url).body(Body::empty()).unwrap();
        runtime.block_on(app.clone().oneshot(request)).unwrap();
    }
}

fn roan() -> Roan {
    let builder = Roan::builder().rebound(None);
    builder.cache(Recorder::new()).build().unwrap()
}

#[test]
fn a_rule_that_fails_often_does_not_hide_another() {
    let (_, stderr) = run("two rules that fail", &[]);
    let rule = |path: &str, line: u32, number: u32| {
        format!(
            "rule Post (save): url = \"{path}\" at {}:{line} could not make a target (number {number} of this rule): URL ",
            file!()
        )
    };
    let common = |number| rule("/common/{title}", COMMON_LINE, number);
    let rare = rule("/rare/{slug}", COMMON_LINE + 1, 1);
    assert_says(&stderr, &[&common(1), &common(2), &common(512), &rare]);
    assert_eq!(
        stderr.lines().count(),
        11,
        "1, 2, 4, ... 512, and the rare one:\n{stderr}"
    );
}

#[test]
fn a_site_that_is_often_unknown_does_not_hide_another() {
    let (_, stderr) = run("two sites that are unknown", &[]);
    let site = |name: &str| format!("site {name:?} is not configured");
    assert_says(&stderr, &[&site("common"), &site("rare")]);
    assert_eq!(
        stderr.lines().count(),
        11,
        "1, 2, 4, ... 512, and the rare one:\n{stderr}"
    );
}

#[test]
fn a_site_with_a_typing_error_is_named_for_each_host_and_not_for_each_page() {
    let (_, stderr) = run("a site with a typing error", &[]);
    for host in ["10.0.0.1", "www.example.org"] {
        let words = format!(
            "/0 is not cached: no site has the host {host:?}, so nobody could purge it (the sites have \"www.exmaple.org\"): add \
             it with `RoanBuilder::site`, `RoanBuilder::named_site` or `ROAN_SITE`"
        );
        assert_says(&stderr, &[&words]);
    }
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
}

#[test]
fn mistakes_that_keep_pages_out_of_caches_or_their_tags_off_are_heard() {
    let (_, stderr) = run("pages with a mistake", &[]);
    let now_and_then = |words: &str| {
        let lines = stderr.lines().filter(|line| line.contains(words));
        assert_eq!(
            lines.count(),
            7,
            "1, 2, 4, ... 64 of 100 pages: {words}\n{stderr}"
        );
    };
    now_and_then("it has more than 3 tags: raise `Web::max_tags`");
    now_and_then("it has more tags than `surrogate-key` may carry");
    let rule = format!(
        "rule Tagged (save): tag = \"{{0}}\" at {}:{TAGGED_LINE} yields an invalid tag: a tag must not be empty",
        file!()
    );
    now_and_then(&rule);
    let once = [
        "`show` of process::stderr::Post adds no tag to the page",
        "`show` at tests/process/stderr.rs:",
    ];
    for words in once {
        assert_eq!(stderr.matches(words).count(), 1, "{words}\n{stderr}");
    }
    assert_eq!(stderr.lines().count(), 3 * 7 + once.len(), "{stderr}");
}

#[test]
fn a_soft_purge_before_another_cache_is_heard() {
    let (_, stderr) = run("a soft purge before another cache", &[]);
    let words = "the cache \"soft\" is purged softly, and \"cdn\" after it";
    assert_says(&stderr, &[words, "Purge soft without `soft`"]);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn purges_that_die_of_age_are_counted_and_say_why() {
    let (_, stderr) = run("purges that die of age", &[]);
    let dead = stderr.lines().filter(|line| line.contains(": dead: "));
    let dead: Vec<_> = dead.collect();
    let numbers = dead
        .iter()
        .filter_map(|line| line.rsplit_once("(number ")?.1.strip_suffix(" there)"));
    let numbers: Vec<u32> = numbers.map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
    // A probe that dies says what it met; any one line may be about a probe.
    let unsent = dead
        .iter()
        .filter(|line| line.contains("dead: never sent: the node "));
    assert_ne!(unsent.count(), 0, "{dead:#?}");
}

#[test]
fn an_outbox_without_a_cache_is_heard() {
    let (_, stderr) = run("an outbox without a cache", &[]);
    let words = "no cache is configured, so the purges of the outbox go to the nginx at `http://localhost/purge`: set \
                 `ROAN_PURGE_URL`";
    assert_says(&stderr, &[words]);
}

#[test]
fn who_hears_of_a_pause_hears_of_its_end() {
    let (_, stderr) = run("a node that is paused and resumed", &[]);
    assert_says(
        &stderr,
        &[
            "recorder recorder is paused",
            "recorder recorder is resumed",
        ],
    );
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
}
