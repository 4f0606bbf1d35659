//! Five caches that have nothing: each notes when it was first asked to purge a page.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header::HOST};
use roan_tests::{Background, lock};

/// The times, by page, of each node that was asked.
type Asked = Arc<Mutex<HashMap<String, Vec<Instant>>>>;

pub(crate) struct StandIns {
    pub(crate) addrs: Vec<SocketAddr>,
    asked: Asked,
    _servers: Vec<Background>,
}

impl StandIns {
    pub(crate) fn start(nodes: usize) -> Self {
        let asked = Asked::default();
        let (servers, addrs) = (0..nodes)
            .map(|_| {
                let router = Router::new().fallback(purge).with_state(Arc::clone(&asked));
                Background::serve("stand-in", |listener| async move {
                    axum::serve(listener, router).await.expect("a server");
                })
            })
            .unzip();
        Self {
            addrs,
            asked,
            _servers: servers,
        }
    }

    /// When the last node was asked to purge the page; `None` while some have not been.
    pub(crate) fn all_asked(&self, page: &str) -> Option<Instant> {
        let asked = lock(&self.asked);
        let times = asked.get(page)?;
        let all = times.len() >= self.addrs.len();
        all.then(|| times.iter().max().copied()).flatten()
    }
}

async fn purge(
    State(asked): State<Asked>,
    request: Request,
) -> (StatusCode, [(&'static str, String); 1]) {
    let now = Instant::now();
    let page = request.uri().path().trim_start_matches("/purge").to_owned();
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    // As the configuration that the docs quote makes it.
    let key = format!("{}{page}", host.unwrap_or_default());
    lock(&asked).entry(page).or_default().push(now);
    (StatusCode::OK, [("X-Roan-Purge", key)])
}
