//! Readers: they ask for pages all the while, so that fills race with purges.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::http::header;
use fastrand::Rng;
use roan_tests::{HOST, lock};
use tokio::sync::{RwLock, RwLockWriteGuard};

use crate::model::{GROUPS, POSTS, Page};
use crate::writer::REBOUND;

/// At each node.
const READERS: u64 = 2;

/// What a browser got.
pub(crate) struct Answer {
    pub(crate) is_hit: bool,
    pub(crate) text: String,
}

/// A handle of the readers, which read until the runtime ends.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: reqwest::Client,
    /// Each request holds it for reading.
    turn: RwLock<()>,
    fills: AtomicU64,
    slow: Mutex<HashSet<(SocketAddr, Page)>>,
}

impl Readers {
    pub(crate) fn start(nodes: &[SocketAddr], rng: &mut Rng) -> Self {
        let readers = Self {
            shared: Arc::new(Shared {
                client: crate::client(),
                turn: RwLock::default(),
                fills: AtomicU64::new(0),
                slow: Mutex::default(),
            }),
        };
        for node in nodes {
            for _ in 0..READERS {
                tokio::spawn(readers.clone().read(*node, rng.fork()));
            }
        }
        readers
    }

    async fn read(self, node: SocketAddr, mut rng: Rng) {
        loop {
            let page = match rng.u8(0..6) {
                0 => Page::Group(rng.i64(0..GROUPS)),
                _ => Page::Post(rng.i64(0..POSTS)),
            };
            let answer = {
                let _turn = self.shared.turn.read().await;
                let start = Instant::now();
                let answer = self.get(node, page).await;
                let is_fill = !answer.as_ref().is_ok_and(|answer| answer.is_hit);
                if is_fill && start.elapsed() >= REBOUND {
                    self.slow().insert((node, page));
                }
                self.shared
                    .fills
                    .fetch_add(is_fill.into(), Ordering::Relaxed);
                answer
            };
            let pause = if answer.is_ok() { 1_500 } else { 20_000 };
            tokio::time::sleep(Duration::from_micros(rng.u64(0..pause))).await;
        }
    }

    /// Asks a node for a page.
    pub(crate) async fn get(&self, node: SocketAddr, page: Page) -> Result<Answer, reqwest::Error> {
        let url = format!("http://{node}{}", page.url());
        let asking = self.shared.client.get(url).header(header::HOST, HOST);
        let answer = asking.send().await?.error_for_status()?;
        let status = answer.headers().get("X-Cache-Status");
        Ok(Answer {
            is_hit: status.is_some_and(|status| status == "HIT"),
            text: answer.text().await?,
        })
    }

    /// Waits until nobody reads, and keeps it so.
    pub(crate) async fn quiet(&self) -> RwLockWriteGuard<'_, ()> {
        self.shared.turn.write().await
    }

    pub(crate) fn fills(&self) -> u64 {
        self.shared.fills.load(Ordering::Relaxed)
    }

    /// Whether a fill of the page has taken longer than the rebound since [`forget`](Self::forget):
    /// such a page may be stale, as the docs of `RoanBuilder::rebound` say.
    pub(crate) fn was_slow(&self, node: SocketAddr, page: Page) -> bool {
        self.slow().contains(&(node, page))
    }

    pub(crate) fn forget(&self) {
        self.slow().clear();
    }

    fn slow(&self) -> MutexGuard<'_, HashSet<(SocketAddr, Page)>> {
        lock(&self.shared.slow)
    }
}
