//! Renders at one instance after purges by another one.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use roan::outbox::{Dialect, Outbox};
use roan::purger::LifetimeHeader;
use roan::testing::Recorder;
use roan::web::{self, CachePolicy, Web};
use roan::{Cache, Roan, Target};
use sqlx::postgres::PgListener;
use tower::ServiceExt;

use crate::support::{Database, LONG, flush, on_each_database};

const ROUNDS: usize = 10;

on_each_database!(
    an_instance_that_has_looked_stores_what_it_renders_after_the_purge_of_another_one,
    an_instance_learns_by_a_notification_what_another_one_has_purged,
);

struct Instance {
    roan: Roan,
    app: Router,
}

impl Instance {
    fn new(outbox: Outbox) -> Self {
        let cache = Cache::new("nginx")
            .lifetime_header(LifetimeHeader::XAccelExpires)
            .node("a", Recorder::new());
        let roan = Roan::builder()
            .cache(cache)
            .site("https://example.org")
            .rebound(None)
            .outbox(outbox)
            .web(Web::new().policy(CachePolicy::until_purged()))
            .build()
            .unwrap();
        let app = Router::new().fallback(|| async {
            web::tag("rows").unwrap();
            "page"
        });
        let app = app.layer(roan.web().unwrap());
        Self { roan, app }
    }

    /// Whether a cache may store the answer.
    async fn shares(&self, url: &str) -> bool {
        let request = Request::get(format!("http://example.org{url}"));
        let request = request.body(Body::empty()).unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        response.headers()["x-accel-expires"] != "0"
    }

    async fn purge(&self, target: &Target) {
        self.roan.purge(target).unwrap();
        flush(&self.roan).await;
    }
}

fn targets() -> [Target; 3] {
    [
        Target::tag("rows").unwrap(),
        Target::url("/page").unwrap(),
        Target::host(),
    ]
}

/// Waiting visitors would all render the page, if it were not stored.
async fn an_instance_that_has_looked_stores_what_it_renders_after_the_purge_of_another_one(
    database: Database,
) {
    let outbox = database.outbox().await;
    let one = Instance::new(outbox.clone());
    let other = Instance::new(outbox);
    for target in targets() {
        let mut not_stored = 0;
        for _ in 0..ROUNDS {
            one.purge(&target).await;
            // Its relay looks.
            flush(&other.roan).await;
            not_stored += usize::from(!other.shares("/page").await);
        }
        // A database that is busy does not answer in time whether the page was purged, and then it is not stored. Without
        // the look none is stored.
        assert!(not_stored <= ROUNDS / 2, "{target}: {not_stored}");
    }
}

async fn an_instance_learns_by_a_notification_what_another_one_has_purged(database: Database) {
    if database.dialect() != Dialect::Postgres {
        return;
    }
    // Nobody looks by itself.
    let seldom = Duration::from_secs(60 * 60);
    let outbox = database.outbox().await.poll(seldom).notify();
    let mut listener = PgListener::connect(database.url()).await.unwrap();
    listener
        .listen(&format!("{}outbox", database.prefix))
        .await
        .unwrap();
    let one = Instance::new(outbox.clone());
    let other = Instance::new(outbox);
    assert!(other.shares("/page").await);
    let [target, ..] = targets();
    let mut stored = 0;
    for _ in 0..ROUNDS {
        one.purge(&target).await;
        loop {
            let next = tokio::time::timeout(LONG, listener.recv()).await;
            let notification = next.expect("it is notified").unwrap();
            if notification.payload().starts_with("marked ") {
                break;
            }
        }
        stored += usize::from(other.shares("/page").await);
    }
    // The notification reaches this test and the other instance in no order.
    assert!(stored > 0, "no page was stored after {ROUNDS} purges");
}
