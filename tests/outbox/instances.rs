//! Several instances of an app in the web layer, on one outbox: what one renders, another purges.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use roan::__private::index::open_store;
use roan::purger::LifetimeHeader;
use roan::testing::Recorder;
use roan::web::{self, CachePolicy, Web, WebLayer};
use roan::{Cache, Roan, RoanBuilder, Target};
use roan_tests::wait::until_async;
use roan_tests::{Background, HOST, Nginx, Options, lock};
use tokio::sync::Notify;
use tower::ServiceExt;

use crate::support::{Client, Database, LONG, flush, on_each_database};

on_each_database!(
    nginx_is_purged_of_what_another_instance_has_rendered,
    a_page_is_fenced_from_a_purge_by_another_instance,
    an_area_reaches_the_pages_of_other_instances,
    what_another_instance_forgets_is_recorded_again,
    a_page_that_was_forgotten_while_it_was_rendered_is_recorded_again,
    a_crawl_leaves_as_many_pages_as_are_allowed,
    a_worker_without_the_layer_purges_tags_and_fences,
    a_purge_past_the_outbox_reaches_other_instances,
    a_row_that_waited_for_a_start_finds_its_pages,
    more_pages_than_may_wait_are_purged_one_after_the_other,
    while_the_database_is_down_pages_are_served_and_not_shared,
);

/// The first row of a page that is held while it is rendered.
#[derive(Clone, Default)]
struct Held {
    began: Arc<Notify>,
    goes_on: Arc<Notify>,
}

/// A page of `/page/x` carries the tag `x`; that of `/held` carries `held`.
fn app(held: &Held) -> Router {
    let page = |State(held): State<Held>, request: Request| async move {
        let path = request.uri().path().to_owned();
        if path.ends_with("/held") {
            held.began.notify_one();
            held.goes_on.notified().await;
        }
        let last = path.rsplit('/').next().unwrap_or_default();
        if !last.is_empty() {
            web::tag(last).unwrap();
        }
        web::tag("all").unwrap();
        format!("{path} of a row")
    };
    Router::new().fallback(page).with_state(held.clone())
}

fn until_purged() -> Web {
    Web::new().policy(CachePolicy::until_purged())
}

async fn build(builder: RoanBuilder) -> Roan {
    let builder = builder.site(HOST).named_site("shop", "https://shop.test");
    let builder = builder.rebound(None);
    let built = tokio::task::spawn_blocking(move || builder.build());
    built.await.unwrap().unwrap()
}

/// One instance, before a cache without tags that notes its purges.
struct Instance {
    roan: Roan,
    layer: WebLayer,
    app: Router,
    cache: Recorder,
    held: Held,
}

fn without_tags(recorder: &Recorder) -> Cache {
    Cache::new("nginx")
        .lifetime_header(LifetimeHeader::XAccelExpires)
        .node("a", recorder.clone())
}

impl Instance {
    async fn start(database: &Database, web: Web) -> Self {
        let outbox = database.outbox().await;
        Self::with(Roan::builder().outbox(outbox), web).await
    }

    /// Its relay looks for rows only after a call of `committed`.
    async fn that_does_not_look(database: &Database) -> Self {
        let outbox = database.outbox().await.poll(Duration::from_secs(3600));
        Self::with(Roan::builder().outbox(outbox), until_purged()).await
    }

    async fn with(builder: RoanBuilder, web: Web) -> Self {
        let cache = Recorder::new();
        let held = Held::default();
        let roan = build(builder.cache(without_tags(&cache)).web(web)).await;
        let layer = roan.web().unwrap();
        Self {
            app: app(&held).layer(layer.clone()),
            roan,
            layer,
            cache,
            held,
        }
    }

    /// Renders a page, and returns whether it may be stored.
    async fn renders(&self, url: &str) -> bool {
        let (status, headers) = get(&self.app, url).await;
        assert_eq!(status, StatusCode::OK);
        match headers["x-accel-expires"].to_str().unwrap() {
            "0" => false,
            "31536000" => true,
            other => panic!("{other}"),
        }
    }

    async fn pages_of(&self, tag: &str) -> Vec<String> {
        let tag = Target::tag(tag).unwrap();
        let pages = self.layer.pages_of(&tag).await.unwrap();
        let mut pages: Vec<_> = pages.iter().map(ToString::to_string).collect();
        pages.sort();
        pages
    }

    fn purged(&self) -> HashSet<String> {
        let purges = self.cache.purges();
        purges.targets().iter().map(ToString::to_string).collect()
    }
}

async fn get(app: &Router, url: &str) -> (StatusCode, HeaderMap) {
    let request = Request::get(format!("http://{HOST}{url}"));
    let request = request.body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, _) = response.into_parts();
    (parts.status, parts.headers)
}

/// A write of another program, which purges a tag.
async fn write(client: &mut Client, tag: &str) {
    let sql = format!(
        r#"INSERT INTO {{}}outbox (payload) VALUES ('{{"v":1,"purge":[{{"tag":"{tag}"}}]}}')"#
    );
    client.run(&sql).await;
}

/// The same, of any target in version 2 of the payload.
async fn write_target(client: &mut Client, target: &str) {
    let payload = format!(r#"{{"v":2,"purge":[{target}]}}"#);
    let sql = format!("INSERT INTO {{}}outbox (payload) VALUES ('{payload}')");
    client.run(&sql).await;
}

/// An app behind nginx that can be replaced.
struct Front {
    nginx: Nginx,
    app: Arc<Mutex<Router>>,
    _server: Background,
}

impl Front {
    fn start() -> Self {
        let app = Arc::new(Mutex::new(Router::new()));
        let current = Arc::clone(&app);
        let (server, addr) = Background::serve("app", |listener| async move {
            let proxy = Router::new().fallback(move |request: Request| {
                let app = lock(&current).clone();
                async move {
                    let answer: Response = app.oneshot(request).await.unwrap();
                    answer
                }
            });
            axum::serve(listener, proxy).await.expect("the app serves");
        });
        Self {
            nginx: Nginx::start_before(addr, &Options::default()),
            app,
            _server: server,
        }
    }

    /// Starts an instance, without sending requests to it.
    async fn instance(&self, database: &Database) -> (Roan, Router) {
        let cache = roan::Nginx::at(&self.nginx.purge_url()).unwrap();
        let builder = Roan::builder().outbox(database.outbox().await).cache(cache);
        let roan = build(builder.web(until_purged())).await;
        let app = app(&Held::default()).layer(roan.web().unwrap());
        (roan, app)
    }

    fn serve(&self, app: Router) {
        *self.app.lock().unwrap() = app;
    }
}

async fn nginx_is_purged_of_what_another_instance_has_rendered(database: Database) {
    let mut client = database.client().await;
    let front = Front::start();
    let browser = front.nginx.browser();
    let (first, first_app) = front.instance(&database).await;
    let (second, _) = front.instance(&database).await;
    front.serve(first_app);
    let urls = ["/page/x", "/page//x", "/page/x?y=1", "/page/y"];
    for url in urls {
        browser.warm(url);
    }
    // The first has no part in it.
    let _ = first.shutdown(LONG).await;
    write(&mut client, "x").await;
    second.outbox().committed();
    flush(&second).await;
    let (third, third_app) = front.instance(&database).await;
    front.serve(third_app);
    browser.assert_hit("/page/y");
    for url in &urls[..3] {
        browser.assert_miss(url);
        browser.assert_hit(url);
    }
    // After a restart of all.
    let _ = second.shutdown(LONG).await;
    let _ = third.shutdown(LONG).await;
    let (fourth, fourth_app) = front.instance(&database).await;
    front.serve(fourth_app);
    write(&mut client, "all").await;
    fourth.outbox().committed();
    flush(&fourth).await;
    for url in urls {
        browser.assert_miss(url);
    }
}

async fn a_page_is_fenced_from_a_purge_by_another_instance(database: Database) {
    let mut client = database.client().await;
    let app = Arc::new(Instance::that_does_not_look(&database).await);
    let other = Instance::start(&database, until_purged()).await;
    let targets = [
        (r#"{"tag":"held"}"#, false),
        (r#"{"tag":"other"}"#, true),
        (r#"{"prefix":"/folder/"}"#, false),
        (r#"{"prefix":"/folder/held/"}"#, true),
        (r#"{"host":true}"#, false),
        (r#"{"host":true,"site":"shop"}"#, true),
        (r#"{"everything":true}"#, false),
    ];
    for (purged, is_shared) in targets {
        let render = tokio::spawn({
            let app = Arc::clone(&app);
            async move { app.renders("/folder/held").await }
        });
        app.held.began.notified().await;
        write_target(&mut client, purged).await;
        other.roan.outbox().committed();
        flush(&other.roan).await;
        app.held.goes_on.notify_one();
        assert_eq!(render.await.unwrap(), is_shared, "{purged}");
    }
    // Whose render begins after the purge has what it was for.
    app.held.goes_on.notify_one();
    assert!(app.renders("/folder/held").await);
}

async fn an_area_reaches_the_pages_of_other_instances(database: Database) {
    let app = Instance::that_does_not_look(&database).await;
    let other = Instance::start(&database, until_purged()).await;
    let mut client = database.client().await;
    let urls = ["/docs/v1/a", "/docs/v1/?x=1", "/docs/v10/a", "/docs/v1"];
    for (target, purged) in [
        (r#"{"prefix":"/docs/v1/"}"#, &urls[..2]),
        (r#"{"host":true,"site":"shop"}"#, &[]),
        (r#"{"host":true}"#, &urls),
        (r#"{"everything":true}"#, &urls),
    ] {
        for url in urls {
            until_async(LONG, "the page is shared", async || app.renders(url).await).await;
        }
        other.cache.clear();
        write_target(&mut client, target).await;
        other.roan.outbox().committed();
        flush(&other.roan).await;
        let wanted: HashSet<_> = purged.iter().map(|url| (*url).to_owned()).collect();
        assert_eq!(other.purged(), wanted, "{target}");
        let target = match target {
            r#"{"prefix":"/docs/v1/"}"# => Target::prefix("/docs/v1/").unwrap(),
            r#"{"host":true,"site":"shop"}"# => Target::host().at_site("shop"),
            r#"{"host":true}"# => Target::host(),
            _ => Target::everything(),
        };
        let known = app.layer.pages_of(&target).await.unwrap();
        let known: HashSet<_> = known.iter().map(ToString::to_string).collect();
        assert_eq!(known, wanted, "{target}");
    }
}

async fn what_another_instance_forgets_is_recorded_again(database: Database) {
    let app = Instance::start(&database, until_purged()).await;
    assert!(app.renders("/page/x").await);
    assert_eq!(app.pages_of("x").await, ["/page/x"]);
    let other = Instance::start(&database, until_purged().max_pages(1)).await;
    let mut client = database.client().await;
    client.run("UPDATE {}page SET seen_ms = seen_ms - 10").await;
    assert!(other.renders("/page/y").await);
    until_async(LONG, "the page is forgotten", async || {
        app.pages_of("x").await.is_empty()
    })
    .await;
    until_async(LONG, "the page is purged", async || {
        app.purged()
            .union(&other.purged())
            .any(|url| url == "/page/x")
    })
    .await;
    let _ = other.roan.shutdown(LONG).await;
    // The first one has perhaps not seen yet that it was purged before this render.
    until_async(LONG, "the page is shared again", async || {
        app.renders("/page/x").await
    })
    .await;
    assert_eq!(app.pages_of("x").await, ["/page/x"]);
}

async fn a_page_that_was_forgotten_while_it_was_rendered_is_recorded_again(database: Database) {
    let app = Instance::that_does_not_look(&database).await;
    assert!(app.renders("/page/x").await);
    let mut store = open_store(&database.outbox().await).await.unwrap();
    // No relay has taken its purge yet, so the fence lets it pass.
    assert_eq!(store.forget(0, 100).await.unwrap(), 1);
    assert!(app.renders("/page/x").await);
    assert_eq!(app.pages_of("x").await, ["/page/x"]);
}

async fn a_crawl_leaves_as_many_pages_as_are_allowed(database: Database) {
    let mut client = database.client().await;
    let app = Instance::start(&database, until_purged().max_pages(100)).await;
    let mut shared = HashSet::new();
    for number in 0..1000 {
        let url = format!("/page/{number}");
        if app.renders(&url).await {
            shared.insert(url);
        }
    }
    assert!(shared.len() > 990);
    client
        .wait_for_count("SELECT count(*) FROM {}page", 100)
        .await;
    flush(&app.roan).await;
    let known: HashSet<_> = app.pages_of("all").await.into_iter().collect();
    assert_eq!(known.len(), 100);
    let purged = app.purged();
    for url in shared {
        assert!(known.contains(&url) || purged.contains(&url), "{url}");
    }
}

async fn a_worker_without_the_layer_purges_tags_and_fences(database: Database) {
    let mut client = database.client().await;
    let cache = Recorder::new();
    let worker = Roan::builder()
        .outbox(database.outbox().await)
        .cache(without_tags(&cache));
    // It starts before anybody uses the layer.
    let worker = build(worker).await;
    let app = Arc::new(Instance::that_does_not_look(&database).await);
    assert!(app.renders("/page/x").await);
    let render = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.renders("/held").await }
    });
    app.held.began.notified().await;
    write(&mut client, "x").await;
    write(&mut client, "held").await;
    worker.outbox().committed();
    flush(&worker).await;
    let purges = cache.purges();
    let purged: Vec<_> = purges.targets().iter().map(ToString::to_string).collect();
    assert_eq!(purged, ["/page/x"]);
    app.held.goes_on.notify_one();
    assert!(!render.await.unwrap());
}

async fn a_purge_past_the_outbox_reaches_other_instances(database: Database) {
    let app = Arc::new(Instance::that_does_not_look(&database).await);
    let other = Instance::that_does_not_look(&database).await;
    assert!(app.renders("/page/x").await);
    assert!(app.renders("/page/x?y=1").await);
    for held in [Target::tag("held").unwrap(), Target::url("/held").unwrap()] {
        let render = tokio::spawn({
            let app = Arc::clone(&app);
            async move { app.renders("/held").await }
        });
        app.held.began.notified().await;
        other.roan.purge(held).unwrap();
        other.roan.purge("/page/x").unwrap();
        flush(&other.roan).await;
        app.held.goes_on.notify_one();
        assert!(!render.await.unwrap());
    }
    let wanted = ["/held", "/page/x", "/page/x?y=1"];
    assert_eq!(other.purged(), wanted.map(str::to_owned).into());
}

async fn a_row_that_waited_for_a_start_finds_its_pages(database: Database) {
    let mut client = database.client().await;
    let app = Instance::start(&database, until_purged()).await;
    assert!(app.renders("/page/x").await);
    let _ = app.roan.shutdown(LONG).await;
    assert!(!app.renders("/page/y").await, "nobody would purge it");
    write(&mut client, "x").await;
    // As a relay leaves it that is killed.
    let taken = "UPDATE {}outbox SET state = 1, relay = 7";
    client.run(taken).await;
    let app = Instance::start(&database, until_purged()).await;
    client
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state < 2", 0)
        .await;
    flush(&app.roan).await;
    assert_eq!(app.purged(), ["/page/x".to_owned()].into());
    assert_eq!(app.layer.known_urls(), 0);
}

async fn while_the_database_is_down_pages_are_served_and_not_shared(database: Database) {
    let Some(mut server) = database.own_server() else {
        return;
    };
    let app = Instance::start(&server.database, until_purged()).await;
    assert!(app.renders("/page/x").await);
    server.kill();
    assert!(!app.renders("/page/x").await, "known");
    assert!(!app.renders("/page/y").await, "unknown");
    assert!(
        app.layer
            .pages_of(&Target::tag("x").unwrap())
            .await
            .is_err()
    );
    // It leaves at once, and once more when the database is back.
    app.roan.purge(Target::tag("x").unwrap()).unwrap();
    until_async(LONG, "the purge leaves", async || {
        app.purged().contains("/page/x")
    })
    .await;
    server.restart();
    until_async(LONG, "pages are shared again", async || {
        app.renders("/page/x").await && app.renders("/page/y").await
    })
    .await;
    flush(&app.roan).await;
}

async fn more_pages_than_may_wait_are_purged_one_after_the_other(database: Database) {
    let mut client = database.client().await;
    let outbox = database.outbox().await.poll(Duration::from_secs(3600));
    let builder = Roan::builder().outbox(outbox).max_waiting(4);
    let app = Instance::with(builder, until_purged()).await;
    let mut urls = HashSet::new();
    for number in 0..40 {
        let url = format!("/page/{number}");
        assert!(app.renders(&url).await);
        urls.insert(url);
    }
    for _ in 0..6 {
        write(&mut client, "all").await;
    }
    app.roan.outbox().committed();
    flush(&app.roan).await;
    assert_eq!(app.purged(), urls);
}
