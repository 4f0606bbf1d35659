//! A proxy in front of one node for purges only: it records each request, passes it on,
//! or answers 5xx while the node keeps its pages.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use roan_tests::lock;
use tokio::net::TcpListener;

use crate::model::UNTRUE;

/// A handle of the server, which serves until the runtime ends.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    node: SocketAddr,
    client: reqwest::Client,
    refuses: AtomicBool,
    asked: AtomicU64,
    untrue: Mutex<Vec<String>>,
}

impl Front {
    pub(crate) async fn serve(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port on 127.0.0.1");
        let addr = listener.local_addr().expect("a bound listener's address");
        let shared = Arc::new(Shared {
            node,
            client: crate::client(),
            refuses: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            untrue: Mutex::default(),
        });
        let router = Router::new()
            .fallback(purge)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { addr, shared }
    }

    pub(crate) fn purge_url(&self) -> String {
        format!("http://{}/purge", self.addr)
    }

    /// Whether to answer 503 from now on.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::Relaxed);
    }

    /// How many purges were asked for.
    pub(crate) fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// What was asked for and never committed.
    pub(crate) fn untrue(&self) -> Vec<String> {
        lock(&self.shared.untrue).clone()
    }
}

async fn purge(State(shared): State<Arc<Shared>>, request: Request) -> (StatusCode, HeaderMap) {
    let url = request.uri().path();
    shared.asked.fetch_add(1, Ordering::Relaxed);
    if url.contains(UNTRUE) {
        let mut untrue = lock(&shared.untrue);
        untrue.push(url.to_owned());
    }
    if shared.refuses.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new());
    }
    let node = format!("http://{}{url}", shared.node);
    let mut asking = shared.client.get(node);
    if let Some(host) = request.headers().get(header::HOST) {
        asking = asking.header(header::HOST, host);
    }
    match asking.send().await {
        Ok(answer) => {
            let mut headers = HeaderMap::new();
            if let Some(key) = answer.headers().get("X-Roan-Purge") {
                headers.insert("X-Roan-Purge", key.clone());
            }
            (answer.status(), headers)
        }
        Err(_) => (StatusCode::BAD_GATEWAY, HeaderMap::new()),
    }
}
