//! The app behind the caches: renders each page from the rows as they are committed at that moment.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use fastrand::Rng;
use tokio::net::TcpListener;

use crate::model::{Page, posts};
use roan_tests::Connection;

/// Milliseconds that a render takes at most; well below the rebound.
const SLOWEST: u64 = 80;

/// Connections that are not in use. One that has failed does not come back.
#[derive(Debug, Clone)]
struct App {
    url: Arc<str>,
    rng: Arc<Mutex<Rng>>,
    spare: Arc<Mutex<Vec<Connection>>>,
}

/// Serves until the runtime ends, on a free port of 127.0.0.1.
pub(crate) async fn serve(url: &str, rng: Rng) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port on 127.0.0.1");
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
    let Some(page) = Page::of_url(request.uri().path()) else {
        return (StatusCode::NOT_FOUND, "no such page".to_owned());
    };
    match app.text(page).await {
        Ok(text) => (StatusCode::OK, text),
        // nginx keeps no such answer.
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

impl App {
    async fn text(&self, page: Page) -> Result<String, sqlx::Error> {
        let spare = self.spare().pop();
        let mut connection = match spare {
            Some(connection) => connection,
            None => Connection::open(&self.url).await?,
        };
        // The page is complete before the answer begins, and each row is read once: by one
        // statement, which sees what is committed as it begins.
        let rows = connection.numbers(&page.rows()).await?;
        self.spare().push(connection);
        let slowness = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            rng.u64(0..4).saturating_sub(2) * rng.u64(0..SLOWEST)
        };
        // Its row may be written now, and a purge come before the page is in the cache.
        tokio::time::sleep(Duration::from_millis(slowness)).await;
        Ok(page.text(&posts(&rows)))
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
