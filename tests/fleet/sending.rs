//! What comes into the stream.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use roan::web::{CachePolicy, Web};
use roan::{Fleet, Roan, Target};
use roan_tests::{Behaviour, Faulty, Nats, NatsCluster, NatsOptions, wait};
use serde_json::json;
use tower::ServiceExt;

use crate::support::{Rows, builder, client, stored, targets};

#[tokio::test(flavor = "multi_thread")]
async fn each_purge_is_one_message_that_names_its_site_and_its_kind() {
    let server = Nats::start(&NatsOptions::default());
    let fleet = Fleet::nats(&server.url()).unwrap();
    let roan = builder(fleet.caches(roan::Varnish::new()))
        .rebound(Duration::from_millis(50))
        .named_site("shop.test", "http://shop.example.org")
        .build()
        .unwrap();
    let (url, tag) = (Target::url("/a?b=%22").unwrap(), Target::tag("t").unwrap());
    let purged = [
        url.clone(),
        url.at_site("shop.test"),
        tag,
        Target::prefix("/docs/").unwrap(),
        Target::host().at_site("shop.test"),
        Target::everything(),
    ];
    for target in &purged {
        roan.purge(target).unwrap();
        wait::for_purges(&roan).await;
    }
    let stored = stored(&client(&server.url()).await).await;
    let seen: Vec<_> = stored
        .iter()
        .map(|stored| {
            (
                &*stored.subject,
                stored.target().clone(),
                &stored.message["site"],
            )
        })
        .collect();
    let (www, shop) = (
        json!("https://www.example.org"),
        json!("http://shop.example.org"),
    );
    assert_eq!(
        seen,
        [
            ("roan.-.url", json!("/a?b=%22"), &www),
            (
                "roan.shop=2Etest.url",
                json!({"url": "/a?b=%22", "site": "shop.test"}),
                &shop
            ),
            ("roan.-.tag", json!({"tag": "t"}), &www),
            ("roan.-.prefix", json!({"prefix": "/docs/"}), &www),
            (
                "roan.shop=2Etest.host",
                json!({"host": true, "site": "shop.test"}),
                &shop
            ),
            ("roan.-.everything", json!({"everything": true}), &www),
        ]
    );
    for stored in &stored {
        assert_eq!(stored.message["v"], 1);
        assert!(stored.message["asked"].as_u64().unwrap() > 1_700_000_000_000);
        assert!(stored.id.starts_with("m-"), "{stored:?}");
    }
    // The second purge is the agents' work.
    let node = &roan.stats().nodes[0];
    assert_eq!((node.purged, node.rebounds), (6, 0));
}

/// The agents purge twice, but perhaps both times before the page arrives at their caches.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_on_its_way_is_purged_once_more() {
    let server = Nats::start(&NatsOptions::default());
    let roan = builder(Fleet::nats(&server.url()).unwrap())
        .web(Web::new().policy(CachePolicy::until_purged()))
        .build()
        .unwrap();
    let app = Router::new()
        .route("/a", get(async || "page"))
        .layer(roan.web().unwrap());
    let request = Request::get("/a").header("host", "www.example.org");
    let page = app.oneshot(request.body(Body::empty()).unwrap()).await;
    let page = page.unwrap();
    assert_eq!(
        page.headers()["x-accel-expires"],
        "31536000",
        "as for nginx"
    );
    drop(page);
    roan.purge("/a").unwrap();
    wait::until(wait::LONG, "the first message", || {
        roan.stats().nodes[0].purged > 0
    });
    let client = client(&server.url()).await;
    wait::until_async(wait::LONG, "a second message", async || {
        targets(&client).await == ["/a", "/a"]
    })
    .await;
    let stored = stored(&client).await;
    assert_ne!(stored[0].id, stored[1].id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_again_is_published_again() {
    let server = Nats::start(&NatsOptions::default());
    let roan = builder(Fleet::nats(&server.url()).unwrap())
        .build()
        .unwrap();
    for _ in 0..3 {
        roan.purge("/a").unwrap();
        wait::for_purges(&roan).await;
    }
    let stored = stored(&client(&server.url()).await).await;
    assert_eq!(stored.len(), 3, "{stored:?}");
}

/// The first one purges twice, and each time the fleet may have fetched from it before.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_behind_another_cache_is_asked_after_each_of_its_purges() {
    let server = Nats::start(&NatsOptions::default());
    let inner = Faulty::start(Behaviour::Purged);
    let mut rows = Rows::new().await;
    let roan = Roan::builder()
        .cache(roan::Nginx::at(&inner.purge_url()).unwrap())
        .cache(Fleet::nats(&server.url()).unwrap())
        .rebound(Duration::from_millis(200))
        .site("https://www.example.org")
        .outbox(rows.outbox.clone())
        .build()
        .unwrap();
    rows.insert(r#""/a""#).await;
    rows.until_done().await;
    assert_eq!(inner.count(), 2);
    let client = client(&server.url()).await;
    assert_eq!(targets(&client).await, ["/a", "/a"]);
    drop(roan);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_flows_in_batches() {
    const ROWS: usize = 10_000;
    let server = Nats::start(&NatsOptions::default());
    let mut rows = Rows::new().await;
    rows.run("BEGIN").await;
    for number in 0..ROWS {
        rows.insert(&format!(r#""/{number}""#)).await;
    }
    rows.run("COMMIT").await;
    let roan = builder(Fleet::nats(&server.url()).unwrap())
        .outbox(rows.outbox.clone())
        .build()
        .unwrap();
    wait::for_purges_within(6 * wait::LONG, &roan).await;
    assert_eq!(server.monitor("/jsz")["messages"], ROWS);
    let node = &roan.stats().nodes[0];
    assert_eq!(node.purged, ROWS as u64);
    assert!(node.requests < ROWS as u64 / 10, "{node:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_may_lose_a_server_and_waits_while_it_has_lost_two() {
    let mut cluster = NatsCluster::start(&NatsOptions::default());
    let stream = roan::fleet::Stream::new().replicas(3);
    let fleet = Fleet::nats(&cluster.url()).unwrap().stream(stream);
    let mut rows = Rows::new().await;
    let roan = builder(fleet).outbox(rows.outbox.clone()).build().unwrap();
    rows.insert(r#""/whole""#).await;
    rows.until_done().await;

    let leader = cluster.leader_of("ROAN").unwrap();
    cluster.servers[leader].kill();
    rows.insert(r#""/without-its-leader""#).await;
    rows.until_done().await;

    // The new leader stays, alone: it has the message, and answers repeats of it, until it gives up.
    let alone = cluster.leader_of("ROAN").unwrap();
    let second = 3 - leader - alone;
    cluster.servers[second].kill();
    rows.insert(r#""/without-a-majority""#).await;
    let failed = roan.stats().nodes[0].failed;
    wait::until(2 * wait::LONG, "repeats to fail", || {
        roan.stats().nodes[0].failed > failed + 2
    });
    assert_eq!(rows.left().await, 1, "most have not stored it");

    cluster.servers[leader].restart();
    cluster.servers[second].restart();
    cluster.wait_until_whole();
    rows.until_done().await;
    let client = client(&cluster.url()).await;
    let mut seen = targets(&client).await;
    // A repeat of what was under way when a server died is dropped by its id, or is one purge more.
    seen.dedup();
    assert_eq!(
        seen,
        ["/whole", "/without-its-leader", "/without-a-majority"]
    );
    drop(roan);
}
