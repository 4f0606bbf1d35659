//! Two caches, of which the first one knows URLs alone: the pages of a tag become purges of the first one, and the tag, once
//! more, one of the second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use roan::purger::{Answer, LifetimeHeader, Limits, PurgeRequest, Purger, TagHeader};
use roan::testing::Recorder;
use roan::web::{self, CachePolicy, Web};
use roan::{Cache, Failure, Roan, TargetKind};
use roan_tests::HOST;
use roan_tests::wait::until_async;
use tokio::sync::Notify;
use tower::ServiceExt;

use crate::support::{Database, LONG, flush, on_each_database};

on_each_database!(
    a_row_is_done_when_the_second_cache_was_asked_for_its_tag_after_the_pages,
    what_waits_in_the_database_for_the_first_cache_is_a_tag_at_the_second_one,
);

const PAGES: usize = 40;

/// A cache that notes its purges, and answers as the test says.
#[derive(Clone, Default)]
struct Tier {
    recorder: Recorder,
    is_broken: Arc<AtomicBool>,
    /// Purges of this kind wait for [`Tier::goes_on`].
    held: Arc<Mutex<Option<TargetKind>>>,
    goes_on: Arc<Notify>,
}

impl Purger for Tier {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        let goes_on = self.goes_on.notified();
        let held = *self.held.lock().unwrap();
        if held == Some(request.target().kind()) {
            goes_on.await;
        }
        if self.is_broken.load(Ordering::SeqCst) {
            return Answer::failed(Failure::Connect("nobody".to_owned()));
        }
        self.recorder.purge(request).await
    }
}

impl Tier {
    fn hold(&self, kind: TargetKind) {
        *self.held.lock().unwrap() = Some(kind);
    }

    fn go_on(&self) {
        *self.held.lock().unwrap() = None;
        self.goes_on.notify_waiters();
    }

    fn asked(&self) -> Vec<String> {
        let requests = self.recorder.requests();
        requests.iter().map(ToString::to_string).collect()
    }
}

struct Instance {
    roan: Roan,
    app: Router,
    inner: Tier,
    outer: Tier,
}

impl Instance {
    async fn start(database: &Database) -> Self {
        let (inner, outer) = (Tier::default(), Tier::default());
        let first = Cache::new("inner").lifetime_header(LifetimeHeader::XAccelExpires);
        let second = Cache::new("outer").purges([TargetKind::Url, TargetKind::Tag], Limits::new());
        let builder = Roan::builder()
            .cache(first.node("inner", inner.clone()))
            .cache(
                second
                    .tag_header(TagHeader::xkey())
                    .node("outer", outer.clone()),
            )
            .site(HOST)
            .rebound(None)
            .web(Web::new().policy(CachePolicy::until_purged()))
            .outbox(database.outbox().await);
        let built = tokio::task::spawn_blocking(move || builder.build());
        let roan = built.await.unwrap().unwrap();
        let page = |request: Request| async move {
            web::tag("list").unwrap();
            request.uri().path().to_owned()
        };
        Self {
            app: Router::new().fallback(page).layer(roan.web().unwrap()),
            roan,
            inner,
            outer,
        }
    }

    async fn renders_all(&self) {
        for number in 0..PAGES {
            let request = Request::get(format!("http://{HOST}/{number}"));
            let request = request.body(Body::empty()).unwrap();
            let answer = self.app.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.headers()["x-accel-expires"], "31536000");
        }
    }
}

const ROW: &str = r#"INSERT INTO {}outbox (payload) VALUES ('{"v":1,"purge":[{"tag":"list"}]}')"#;
const URL_ROW: &str = r#"INSERT INTO {}outbox (payload) VALUES ('{"v":1,"purge":["/other"]}')"#;

/// Counts the rows with this in their payload that are done.
fn done(what: &str) -> String {
    format!("SELECT count(*) FROM {{}}outbox WHERE state = 2 AND payload LIKE '%{what}%'")
}

async fn a_row_is_done_when_the_second_cache_was_asked_for_its_tag_after_the_pages(
    database: Database,
) {
    let instance = Instance::start(&database).await;
    instance.renders_all().await;
    let mut client = database.client().await;
    // The first one is slow, so that the second one does not wait for all of its answers.
    instance.inner.hold(TargetKind::Url);
    client.run(ROW).await;
    until_async(LONG, "the tag", async || {
        !instance.outer.asked().is_empty() && instance.roan.stats().nodes[1].pending == 0
    })
    .await;
    instance.outer.hold(TargetKind::Tag);
    instance.inner.go_on();
    until_async(LONG, "the pages of the tag, and the tag", async || {
        let nodes = instance.roan.stats().nodes;
        instance.inner.asked().len() == PAGES && nodes[0].pending == 0 && nodes[1].in_flight == 1
    })
    .await;
    // A row that comes later is done, and what was answered before is written down with it.
    client.run(URL_ROW).await;
    client.wait_for_count(&done("other"), 1).await;
    assert_eq!(client.count(&done("list")).await, 0);
    instance.outer.go_on();
    client.wait_for_count(&done("list"), 1).await;
    let mut asked = instance.outer.asked();
    asked.retain(|target| target != "/other");
    assert!((2..PAGES / 2).contains(&asked.len()), "{asked:?}");
    assert!(asked.iter().all(|target| target == "tag list"), "{asked:?}");
    assert_eq!(client.count("SELECT count(*) FROM {}delivery").await, 0);
}

async fn what_waits_in_the_database_for_the_first_cache_is_a_tag_at_the_second_one(
    database: Database,
) {
    let mut client = database.client().await;
    let first = Instance::start(&database).await;
    first.renders_all().await;
    first.inner.is_broken.store(true, Ordering::SeqCst);
    client.run(ROW).await;
    // Meanwhile the second one does without the first one.
    until_async(LONG, "the tag at the second cache", async || {
        !first.outer.asked().is_empty()
    })
    .await;
    let waiting = "SELECT count(*) FROM {}delivery WHERE state IN (0, 1)";
    client
        .wait_for_count(waiting, i64::try_from(PAGES).unwrap())
        .await;
    let asked = first.outer.asked();
    assert!(asked.iter().all(|target| target == "tag list"), "{asked:?}");
    let _ = first.roan.shutdown(Duration::ZERO).await;

    let second = Instance::start(&database).await;
    client
        .wait_for_count("SELECT count(*) FROM {}delivery", 0)
        .await;
    flush(&second.roan).await;
    let purged = second.inner.asked();
    assert!(
        (0..PAGES).all(|number| purged.contains(&format!("/{number}"))),
        "{purged:?}"
    );
    let asked = second.outer.asked();
    assert!(!asked.is_empty() && asked.len() < PAGES / 2, "{asked:?}");
    assert!(asked.iter().all(|target| target == "tag list"), "{asked:?}");
}
