//! The app behind the caches: renders each page from its row as it is committed at that moment.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use fastrand::Rng;
use roan_tests::{Connection, Machine};
use tokio::net::TcpListener;

use crate::model;

/// Milliseconds that a render takes at most; well below [`FILL`](crate::node::FILL).
const SLOWEST: u64 = 60;

/// Connections that are not in use. One that has failed does not come back.
#[derive(Debug, Clone)]
struct App {
    url: Arc<str>,
    rng: Arc<Mutex<Rng>>,
    spare: Arc<Mutex<Vec<Connection>>>,
}

/// Serves until the runtime ends, at a free port of the machine of the test.
pub(crate) async fn serve(machine: &Machine, url: &str, rng: Rng) -> SocketAddr {
    let listener = TcpListener::bind((machine.addr(), 0)).await;
    let listener = listener.expect("a free port");
    let addr = listener.local_addr().expect("a bound listener's address");
    let app = App {
        url: url.into(),
        rng: Arc::new(Mutex::new(rng)),
        spare: Arc::default(),
    };
    let router = Router::new().fallback(render).with_state(app);
    tokio::spawn(async move { axum::serve(listener, router).await });
    addr
}

async fn render(State(app): State<App>, request: Request) -> (StatusCode, String) {
    let Some(id) = model::id(request.uri().path()) else {
        return (StatusCode::NOT_FOUND, "no such page".to_owned());
    };
    match app.version(id).await {
        Ok(version) => (StatusCode::OK, version.to_string()),
        // nginx does not keep such an answer.
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

impl App {
    async fn version(&self, id: i64) -> Result<i64, sqlx::Error> {
        let spare = lock(&self.spare).pop();
        let mut connection = match spare {
            Some(connection) => connection,
            None => Connection::open(&self.url).await?,
        };
        let sql = format!("SELECT version FROM pages WHERE id = {id}");
        let rows = connection.numbers(&sql).await?;
        lock(&self.spare).push(connection);
        let slowness = {
            let mut rng = lock(&self.rng);
            rng.u64(0..4).saturating_sub(2) * rng.u64(0..SLOWEST)
        };
        // Its row may be written now, and a purge come before the page is in the cache.
        tokio::time::sleep(Duration::from_millis(slowness)).await;
        rows.first()
            .and_then(|row| row.first().copied())
            .ok_or(sqlx::Error::RowNotFound)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
