//! Answers of the web layer and of the embedded cache, for a linter.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{ETAG, LOCATION};
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::{get, post};
use roan::purger::{LifetimeHeader, TagHeader};
use roan::testing::Recorder;
use roan::web::{self, CachePolicy, Web};
use roan::{Cache, Embedded, Roan, RoanBuilder, Target, purge_on};

/// With characters that a header cannot carry as they are.
#[purge_on(save, delete, url = "/notes/{0}", tag = "notes", tag = "note-{0}")]
struct Note(&'static str);

const NOTES: [&str; 3] = [
    "plain",
    "\"quoted\", \\ and\r\nset-cookie: x=1",
    "übergroß ☃",
];

/// Prints each answer as it comes over the wire, after a line with its name and its length.
pub(crate) async fn print() {
    let hour = Duration::from_secs(3600);
    let policies = [
        ("until_purged", Some(CachePolicy::until_purged())),
        ("shared", Some(CachePolicy::shared(hour))),
        ("private", Some(CachePolicy::private())),
        ("no_store", Some(CachePolicy::no_store())),
        ("none", None),
    ];
    for (name, policy) in policies {
        let web = policy.map_or_else(Web::new, |policy| Web::new().policy(policy));
        let pages = Embedded::new();
        for (kind, caches) in [
            ("caches", caches()),
            ("embedded", vec![Cache::from(pages.clone())]),
        ] {
            let builder = caches.into_iter().fold(Roan::builder(), RoanBuilder::cache);
            let roan = builder
                .site("http://localhost")
                .web(web.clone())
                .build()
                .unwrap();
            let app = app(&roan).layer(roan.web().unwrap());
            let app = if kind == "embedded" {
                app.layer(pages.layer())
            } else {
                app
            };
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
            let of = format!("{kind}, {name}");
            tokio::task::spawn_blocking(move || ask(&of, addr))
                .await
                .unwrap();
        }
    }
}

/// One of each header.
fn caches() -> Vec<Cache> {
    let cache = |name, lifetime, tags| {
        let cache = Cache::new(name).node(name, Recorder::new());
        cache.lifetime_header(lifetime).tag_header(tags)
    };
    vec![
        cache("a", LifetimeHeader::CacheControl, TagHeader::cache_groups()),
        cache("b", LifetimeHeader::CdnCacheControl, TagHeader::cache_tag()),
        cache(
            "c",
            LifetimeHeader::SurrogateControl,
            TagHeader::surrogate_key(),
        ),
        cache("d", LifetimeHeader::XAccelExpires, TagHeader::xkey()),
    ]
}

fn app(roan: &Roan) -> Router {
    let (first, second) = (roan.clone(), roan.clone());
    Router::new()
        .route(
            "/list",
            get(|| async {
                NOTES.iter().for_each(|note| web::show(&Note(note)));
                web::show_all::<Note>();
                ([(ETAG, "\"1\"")], Html("<!DOCTYPE html><p>notes"))
            }),
        )
        .route("/moved", get(|| async { Redirect::permanent("/list") }))
        .route(
            "/cookie",
            get(|| async { ([("set-cookie", "a=b; Secure; HttpOnly; SameSite=Lax")], "x") }),
        )
        .route(
            "/notes",
            post(move || async move {
                NOTES.iter().for_each(|note| first.saved(&Note(note)));
                (StatusCode::CREATED, [(LOCATION, "/notes/plain")], "made").into_response()
            }),
        )
        .route(
            "/notes/plain",
            post(move || async move {
                second.purge(Target::tag("menu").unwrap()).unwrap();
                web::content_location("/notes/plain").unwrap();
                "changed"
            }),
        )
}

fn ask(of: &str, addr: SocketAddr) {
    for (name, line, more) in [
        ("list", "GET /list", ""),
        ("list again", "GET /list", ""),
        ("list, known", "GET /list", "if-none-match: \"1\"\r\n"),
        ("list, HEAD", "HEAD /list", ""),
        (
            "list, signed in",
            "GET /list",
            "authorization: Basic eA==\r\n",
        ),
        ("moved", "GET /moved", ""),
        ("cookie", "GET /cookie", ""),
        ("missing", "GET /missing", ""),
        ("created", "POST /notes", "content-length: 0\r\n"),
        ("changed", "POST /notes/plain", "content-length: 0\r\n"),
        ("not allowed", "POST /list", "content-length: 0\r\n"),
    ] {
        let mut stream = TcpStream::connect(addr).unwrap();
        let head = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        println!("{of}: {name}\t{line}\t{}", answer.len());
        std::io::stdout().write_all(&answer).unwrap();
    }
}
