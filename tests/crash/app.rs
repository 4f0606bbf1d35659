//! The app behind the caches: renders each page from the rows as they are committed at that moment.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use tokio::net::TcpListener;

use crate::connection::Connection;
use crate::model::{Page, posts};

/// Connections that are not in use. One that has failed does not come back.
#[derive(Debug, Clone)]
struct App {
    url: Arc<str>,
    spare: Arc<Mutex<Vec<Connection>>>,
}

/// Serves until the runtime ends, on a free port of 127.0.0.1.
pub(crate) async fn serve(url: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port on 127.0.0.1");
    let addr = listener.local_addr().expect("a bound listener's address");
    let app = App {
        url: url.into(),
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
        Ok(page.text(&posts(&rows)))
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
