//! An app behind the caches of a harness: it renders each page from its rows as they are committed at that moment.

use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use fastrand::Rng;
use tokio::net::TcpListener;

use crate::Connection;
use crate::lock;

/// A page, by the rows that it shows.
pub trait Page: Copy + Send + Sync + 'static {
    /// Milliseconds that a render takes at most.
    const SLOWEST: u64;

    /// The page at this path.
    fn at(path: &str) -> Option<Self>;

    /// The query for the rows that it shows: one statement, which sees what is committed as it begins.
    fn rows(self) -> String;

    /// Its text, from these rows.
    fn text(self, rows: &[Vec<i64>]) -> Option<String>;
}

struct App<P> {
    url: Arc<str>,
    rng: Arc<Mutex<Rng>>,
    /// Connections that are not in use. One that has failed does not come back.
    spare: Arc<Mutex<Vec<Connection>>>,
    pages: PhantomData<P>,
}

impl<P> Clone for App<P> {
    fn clone(&self) -> Self {
        Self {
            url: Arc::clone(&self.url),
            rng: Arc::clone(&self.rng),
            spare: Arc::clone(&self.spare),
            pages: PhantomData,
        }
    }
}

/// Serves the pages of a database until the runtime ends, at a free port of this address.
///
/// # Panics
///
/// If no port is free.
pub async fn serve<P: Page>(addr: impl Into<IpAddr>, url: &str, rng: Rng) -> SocketAddr {
    let listener = TcpListener::bind((addr.into(), 0)).await;
    let listener = listener.expect("a free port");
    let addr = listener.local_addr().expect("a bound listener's address");
    let app = App::<P> {
        url: url.into(),
        rng: Arc::new(Mutex::new(rng)),
        spare: Arc::default(),
        pages: PhantomData,
    };
    let router = Router::new().fallback(render::<P>).with_state(app);
    tokio::spawn(async move { axum::serve(listener, router).await });
    addr
}

async fn render<P: Page>(State(app): State<App<P>>, request: Request) -> (StatusCode, String) {
    let Some(page) = P::at(request.uri().path()) else {
        return (StatusCode::NOT_FOUND, "no such page".to_owned());
    };
    match app.text(page).await {
        Ok(text) => (StatusCode::OK, text),
        // nginx does not keep such an answer.
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

impl<P: Page> App<P> {
    async fn text(&self, page: P) -> Result<String, sqlx::Error> {
        let spare = lock(&self.spare).pop();
        let mut connection = match spare {
            Some(connection) => connection,
            None => Connection::open(&self.url).await?,
        };
        // The page is complete before the answer begins, and each row is read once.
        let rows = connection.numbers(&page.rows()).await?;
        lock(&self.spare).push(connection);
        let slowness = {
            let mut rng = lock(&self.rng);
            rng.u64(0..4).saturating_sub(2) * rng.u64(0..P::SLOWEST)
        };
        // Its row may be written now, and a purge come before the page is in the cache.
        tokio::time::sleep(Duration::from_millis(slowness)).await;
        page.text(&rows).ok_or(sqlx::Error::RowNotFound)
    }
}
