//! A real nginx, which does not know tags, before an app in the layer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use roan::web::{self, CachePolicy, Web};
use roan::{Roan, purge_on};
use roan_tests::{Background, Browser, HOST, Nginx, Options, Passage, gate, lock};

const LONG: Duration = Duration::from_secs(30);

#[purge_on(save, delete, tag = "posts", tag = "post-{id}")]
#[purge_on(save, delete, url = "/feeds/{id}")]
#[derive(Clone)]
struct Post {
    id: u32,
    title: String,
}

/// The table of the app, and a way to hold its renders after they have read it.
#[derive(Clone, Default)]
struct Database {
    posts: Arc<Mutex<Vec<Post>>>,
    held: Arc<Mutex<Option<Passage>>>,
}

impl Database {
    fn all(&self) -> Vec<Post> {
        let posts = lock(&self.posts);
        posts.clone()
    }

    fn save(&self, roan: &Roan, id: u32, title: &str) {
        let new = Post {
            id,
            title: title.to_owned(),
        };
        let old = {
            let mut posts = lock(&self.posts);
            let old = posts.iter().position(|post| post.id == id);
            let old = old.map(|place| posts.remove(place));
            posts.push(new.clone());
            old
        };
        match old {
            Some(old) => roan.updated(&old, &new),
            None => roan.created(&new),
        }
        assert_eq!(roan.flush_blocking(LONG).pending(), 0);
    }

    async fn wait(&self) {
        let held = {
            let held = lock(&self.held);
            held.clone()
        };
        if let Some(passage) = held {
            passage.pass().await;
        }
    }
}

fn app(database: &Database) -> Router {
    let list = database.clone();
    let one = database.clone();
    let feed = database.clone();
    Router::new()
        .route(
            "/posts",
            get(move || async move {
                let posts = list.all();
                web::show_all::<Post>();
                list.wait().await;
                let titles: Vec<_> = posts.into_iter().map(|post| post.title).collect();
                titles.join(" ")
            }),
        )
        .route(
            "/posts/{id}",
            get(move |Path(id): Path<u32>| async move {
                let post = one.all().into_iter().find(|post| post.id == id);
                web::cache(CachePolicy::until_purged());
                match &post {
                    Some(post) => web::show(post),
                    // The page of a row that is not there changes when any is created.
                    None => web::show_all::<Post>(),
                }
                post.map_or_else(|| "missing".to_owned(), |post| post.title)
            }),
        )
        .route(
            "/feeds/{id}",
            get(move |Path(id): Path<u32>| async move {
                let post = feed.all().into_iter().find(|post| post.id == id);
                post.map_or_else(String::new, |post| post.title)
            }),
        )
}

struct Site {
    database: Database,
    roan: Roan,
    browser: Browser,
    _nodes: Vec<Nginx>,
    _app: Background,
}

impl Site {
    fn start(nodes: usize, web: Web) -> Self {
        let database = Database::default();
        let (wrap, wrapped) = tokio::sync::oneshot::channel::<Router>();
        let (app_server, addr): (_, SocketAddr) = Background::serve("app", |listener| async move {
            let app = wrapped.await.expect("the layer is made");
            axum::serve(listener, app).await.expect("the app serves");
        });
        let nodes: Vec<_> = (0..nodes)
            .map(|_| Nginx::start_before(addr, &Options::default()))
            .collect();
        let mut nginx = roan::Nginx::new();
        for node in &nodes {
            nginx = nginx.node(&node.purge_url()).unwrap();
        }
        let roan = Roan::builder()
            .cache(nginx)
            .site(HOST)
            .rebound(None)
            .web(web.policy(CachePolicy::until_purged()))
            .build()
            .unwrap();
        wrap.send(app(&database).layer(roan.web().unwrap()))
            .unwrap_or_else(|_| panic!("the app waits for its layer"));
        Self {
            database,
            browser: nodes[0].browser(),
            roan,
            _nodes: nodes,
            _app: app_server,
        }
    }
}

#[test]
fn a_list_is_purged_by_its_tag() {
    let site = Site::start(1, Web::new());
    let browser = &site.browser;
    assert_eq!(browser.warm("/posts").text(), "");
    site.database.save(&site.roan, 1, "first");
    assert_eq!(browser.assert_miss("/posts").text(), "first");
    assert_eq!(browser.warm("/posts?page=2").text(), "first");
    assert_eq!(browser.warm("/posts/1").text(), "first");
    assert_eq!(browser.warm("/posts/2").text(), "missing");
    site.database.save(&site.roan, 2, "second");
    for url in ["/posts", "/posts?page=2"] {
        assert_eq!(browser.assert_miss(url).text(), "first second");
    }
    assert_eq!(browser.assert_miss("/posts/2").text(), "second");
    browser.assert_hit("/posts/1");
}

#[test]
fn visitors_see_no_tags_and_browsers_ask_each_time() {
    let site = Site::start(1, Web::new());
    let answer = site.browser.warm("/posts");
    assert_eq!(
        answer.header("Cache-Control"),
        Some("max-age=0, must-revalidate")
    );
    for name in [
        "X-Accel-Expires",
        "Surrogate-Key",
        "Cache-Tag",
        "Cache-Groups",
    ] {
        assert_eq!(answer.header(name), None, "{name}");
    }
}

#[test]
fn a_url_is_purged_under_each_spelling_that_nginx_keeps() {
    let site = Site::start(1, Web::new());
    site.database.save(&site.roan, 1, "old");
    let spellings = ["/feeds/1", "/feeds/1?x=1", "/feeds/1?b=1&a=2", "/feeds/%31"];
    for url in spellings {
        assert_eq!(site.browser.warm(url).text(), "old", "{url}");
    }
    site.database.save(&site.roan, 1, "new");
    for url in spellings {
        assert_eq!(site.browser.assert_miss(url).text(), "new", "{url}");
    }
}

#[test]
fn a_flood_of_queries_fills_no_cache() {
    let site = Site::start(1, Web::new().max_spellings(2));
    for number in 0..2 {
        site.browser.warm(&format!("/posts?x={number}"));
    }
    for number in 2..10 {
        let url = format!("/posts?x={number}");
        site.browser.assert_miss(&url);
        site.browser.assert_miss(&url);
    }
    site.browser.assert_hit("/posts?x=0");
}

/// The page is stored after its purge if nothing keeps it out: `tests/e2e/races.rs` shows that.
#[test]
fn a_page_of_the_old_row_does_not_enter_the_cache_after_its_purge() {
    let site = Site::start(1, Web::new());
    site.database.save(&site.roan, 1, "old");
    let (gate, passage) = gate();
    *site.database.held.lock().unwrap() = Some(passage);
    let reader = {
        let browser = site.browser.clone();
        std::thread::spawn(move || browser.get("/posts").text())
    };
    gate.wait_for(1);
    site.database.save(&site.roan, 1, "new");
    gate.open();
    assert_eq!(reader.join().unwrap(), "old");
    assert_eq!(site.browser.assert_miss("/posts").text(), "new");
    assert_eq!(site.browser.assert_hit("/posts").text(), "new");
}

#[test]
fn each_node_is_purged() {
    let site = Site::start(2, Web::new());
    let browsers: Vec<_> = site._nodes.iter().map(Nginx::browser).collect();
    for browser in &browsers {
        browser.warm("/posts");
    }
    site.database.save(&site.roan, 1, "first");
    for browser in &browsers {
        assert_eq!(browser.assert_miss("/posts").text(), "first");
    }
}
