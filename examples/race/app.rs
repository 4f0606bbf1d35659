//! The app: a page for each row, whose render takes its time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use tokio::time::sleep;

/// The rows, each with the number of its last write.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    rows: Mutex<HashMap<u64, u64>>,
    renders: AtomicU64,
    /// Whether 1 % of the renders take 500 ms.
    has_slow: bool,
}

impl Rows {
    pub(crate) fn new(has_slow: bool) -> Self {
        let shared = Arc::new(Shared {
            has_slow,
            ..Shared::default()
        });
        Self { shared }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, u64>> {
        self.shared
            .rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a row, and returns the number of the write.
    pub(crate) fn write(&self, id: u64) -> u64 {
        let mut rows = self.lock();
        let number = rows.entry(id).or_default();
        *number += 1;
        *number
    }

    pub(crate) fn renders(&self) -> u64 {
        self.shared.renders.load(Ordering::Relaxed)
    }
}

pub(crate) fn app(rows: Rows) -> Router {
    Router::new()
        .route("/race/{id}", get(page))
        .with_state(rows)
}

/// Reads the row at once, and then takes its time: the worst order.
async fn page(State(rows): State<Rows>, Path(id): Path<u64>) -> String {
    let number = rows.lock().get(&id).copied().unwrap_or_default();
    rows.shared.renders.fetch_add(1, Ordering::Relaxed);
    let is_slow = rows.shared.has_slow && fastrand::u8(0..100) == 0;
    let time = if is_slow { 500 } else { fastrand::u64(5..50) };
    sleep(Duration::from_millis(time)).await;
    format!("race-{number}")
}
