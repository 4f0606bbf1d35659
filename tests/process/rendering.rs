//! An app in the web layer, which `process` kills. It gets its listener as its standard input.

#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::os::fd::AsFd;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use roan::outbox::Outbox;
use roan::web::{self, CachePolicy, Web};
use roan::{Nginx, Roan};
use roan_tests::HOST;

fn main() {
    roan_tests::wait::or_abort();
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().expect("an argument");
    let (database, purge_url) = (next(), next());
    let start = || {
        let outbox = Outbox::at(&database).expect("a URL");
        Roan::builder()
            .cache(Nginx::at(&purge_url).expect("a URL"))
            .site(HOST)
            .outbox(
                outbox
                    .lease(Duration::from_secs(1))
                    .poll(Duration::from_millis(20)),
            )
            .web(Web::new().policy(CachePolicy::until_purged()))
            .build()
            .ok()
    };
    // A database that was just killed may not be ready.
    let roan = roan_tests::wait::until_some(roan_tests::wait::LONG, "a start", start);
    let app = Router::new()
        .fallback(page)
        .layer(roan.web().expect("the layer"));
    let stdin = std::io::stdin();
    let listener = stdin.as_fd().try_clone_to_owned().expect("a listener");
    let listener = std::net::TcpListener::from(listener);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let serving = async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        axum::serve(listener, app).await
    };
    runtime.block_on(serving).expect("it serves");
}

async fn page(request: Request) -> String {
    web::tag("all").expect("a tag");
    request.uri().to_string()
}
