//! A cache that Roan does not know, in about 40 lines: `cargo run --example custom_cache`.
//!
//! (For requests as simple as these, `roan::purger::HttpPurger` needs no code; this is about the trait.)
//!
//! The cache is one that drops a page when it gets `PURGE /page`, as Varnish and Squid are often set up to. The
//! example brings such a server of its own, fills it, writes a row, and sees the page gone.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use roan::purger::{Answer, Cache, PurgeRequest, Purger};
use roan::{Failure, Roan, purge_on};

// --- the custom cache -----------------------------------------------------------------------

/// One server that drops a page when it gets `PURGE /page`.
struct PurgeMethod {
    http: reqwest::Client,
    server: String,
}

impl Purger for PurgeMethod {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        let method = reqwest::Method::from_bytes(b"PURGE").unwrap_or_default();
        let url = format!("{}{}", self.server, request.target().as_str());
        let mut purge = self.http.request(method, url);
        if let Some(site) = request.site() {
            purge = purge.header("Host", site.authority());
        }
        let status = match purge.send().await {
            Ok(response) => response.status().as_u16(),
            Err(error) => return Answer::failed(Failure::Connect(error.to_string())),
        };
        let answer = match status {
            200 => Answer::purged(),
            404 => Answer::not_cached(),
            429 | 500..=599 => Answer::failed(Failure::Status(status)),
            _ => Answer::refused(format!("status {status}: does the server allow PURGE?")),
        };
        answer.status(status)
    }
}

fn cache_of(servers: &[String]) -> Cache {
    let http = reqwest::Client::new();
    let nodes = servers.iter().map(|server| PurgeMethod {
        http: http.clone(),
        server: server.clone(),
    });
    nodes.fold(Cache::new("purge-method"), |cache, node| {
        cache.node(&node.server.clone(), node)
    })
}

// --- the rest is any program that uses Roan ---------------------------------------------------

#[purge_on(save, delete, url = "/posts/{slug}")]
struct Post {
    slug: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pages = Pages::default();
    let server = serve(pages.clone()).await?;
    let roan = Roan::builder().cache(cache_of(&[server])).install()?;

    pages.fill("/posts/hello");
    println!("cached:  {:?}", pages.list());
    let post = Post {
        slug: "hello".to_owned(),
    };
    // ... write the row to the database; after the commit:
    roan::saved(&post);
    let remaining = roan.flush(Duration::from_secs(10)).await;
    println!("saved a post; {remaining}");
    println!("cached:  {:?}", pages.list());
    assert!(pages.list().is_empty(), "the page is still cached");
    Ok(())
}

/// The pages of a server that is a cache in nothing but its answer to `PURGE`.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<HashMap<String, String>>>);

impl Pages {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, String>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fill(&self, url: &str) {
        self.with(|pages| pages.insert(url.to_owned(), "a page".to_owned()));
    }

    fn list(&self) -> Vec<String> {
        self.with(|pages| pages.keys().cloned().collect())
    }
}

async fn serve(pages: Pages) -> Result<String, Box<dyn Error>> {
    async fn answer(State(pages): State<Pages>, request: Request) -> impl IntoResponse {
        let url = request.uri().path();
        match request.method().as_str() {
            "PURGE" if pages.with(|pages| pages.remove(url)).is_some() => StatusCode::OK,
            "PURGE" => StatusCode::NOT_FOUND,
            _ => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let server = format!("http://{}", listener.local_addr()?);
    let app = Router::new().fallback(answer).with_state(pages);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(server)
}
