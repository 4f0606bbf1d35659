//! A site of your own on axum behind nginx, step by step, on Debian or Ubuntu. The default site of nginx stays on.
//! (`cargo run -p roan-axum` runs the result. The tests walk the steps.)
//!
//! # 1. nginx
//!
//! In a folder that holds a clone of this repository, named `roan`:
//!
//! ```sh
//! sudo apt install nginx libnginx-mod-http-cache-purge
//! sed 's/www.example.org/localhost/' roan/tests/conf/site.conf | sudo tee /etc/nginx/sites-enabled/roan
//! sudo nginx -t && sudo systemctl restart nginx
//! ```
//!
//! The host of the site is `localhost` for now. It needs a `server_name` of its own, since Debian's default site
//! takes every host that no other server names.
//!
//! # 2. The program
//!
//! ```sh
//! cargo new site
//! cd site
//! ```
//!
//! Roan is not on crates.io yet, so `Cargo.toml` names the clone:
//!
//! ```toml
//! [dependencies]
//! axum = "0.8"
//! roan = { path = "../roan/roan" }
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread", "signal"] }
//! ```
//!
//! Copy this file to `src/main.rs`. Roan needs three things in it: the rules on the model, the hook after the
//! write, and the first and the last line of `main`. Then:
//!
//! ```sh
//! ROAN_SITE=http://localhost cargo run
//! ```
//!
//! `ROAN_SITE` is the address that visitors see. Everything else has its default: Roan purges one nginx, at
//! `http://localhost/purge`.
//!
//! # 3. A look
//!
//! In another terminal:
//!
//! | you type | `X-Cache-Status` | text |
//! |---|---|---|
//! | `curl -i http://localhost/posts/hello` | `MISS` | `Hello, cache` |
//! | the same again | `HIT` | `Hello, cache` |
//! | `curl -X PUT -d 'Fresh' http://localhost/posts/hello` | | |
//! | `curl -i http://localhost/posts/hello` | `MISS` | `Fresh` |
//! | the same again, at least two seconds after the write | `MISS` | `Fresh` |
//! | the same again, from now on | `HIT` | `Fresh` |
//!
//! There are two `MISS` because Roan purges the page twice: at once, and two seconds later. The second purge, the
//! *rebound*, removes a page that was being rendered from the old row at the time of the first. Between the two,
//! the page is a `HIT` with the new text.
//!
//! Ctrl-C ends the program, and so does SIGTERM. It waits for the purges that are left, up to ten seconds, and says `nothing is left`.
//!
//! Does a page stay a `HIT` with its old text? The program says why on standard error.
//!
//! # 4. The real host
//!
//! Replace `localhost` with the host in `/etc/nginx/sites-enabled/roan`, restart nginx, and give the program the same
//! host. With another one, the purges go to pages that nobody visits, and the visitors' pages stay old:
//!
//! ```sh
//! ROAN_SITE=https://www.example.org cargo run --release
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use roan::purge_on;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// On the model: the pages that show it.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
struct Post {
    slug: String,
    title: String,
}

/// In place of a database: titles by their slugs.
type Database = Arc<Mutex<BTreeMap<String, String>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Reads the environment, and fails if something in it is wrong.
    let roan = roan::global()?;

    let titles = BTreeMap::from([("hello".to_owned(), "Hello, cache".to_owned())]);
    let app = Router::new()
        .route("/posts", get(list))
        .route("/posts/{slug}", get(show).put(write))
        .with_state(Database::new(Mutex::new(titles)));
    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    axum::serve(listener, app)
        .with_graceful_shutdown(end())
        .await?;

    // Sends what is left, the second purges included.
    println!("{}", roan.shutdown(Duration::from_secs(10)).await);
    Ok(())
}

/// Returns when somebody presses Ctrl-C, or the system ends the program: systemd, Docker and Kubernetes send SIGTERM.
async fn end() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(error) => eprintln!("cannot wait for SIGTERM: {error}"),
    }
}

async fn list(State(database): State<Database>) -> String {
    let titles = database.lock().unwrap_or_else(PoisonError::into_inner);
    titles.values().map(|title| format!("{title}\n")).collect()
}

async fn show(
    State(database): State<Database>,
    Path(slug): Path<String>,
) -> Result<String, StatusCode> {
    let titles = database.lock().unwrap_or_else(PoisonError::into_inner);
    let title = titles.get(&slug).ok_or(StatusCode::NOT_FOUND)?;
    Ok(format!("{title}\n"))
}

async fn write(State(database): State<Database>, Path(slug): Path<String>, title: String) {
    let post = Post { slug, title };
    let (key, title) = (post.slug.clone(), post.title.clone());
    let mut titles = database.lock().unwrap_or_else(PoisonError::into_inner);
    titles.insert(key, title);
    drop(titles);
    // After the write, or after the commit of its transaction:
    roan::saved(&post);
}
