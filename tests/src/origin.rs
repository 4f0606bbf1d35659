//! The app behind the cache: pages of which a test sets the text, counts the renders, and holds
//! some back.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::HOST;
use crate::background::Background;
use crate::gate::{self, Gate, Passage};
use crate::lock;

/// A real HTTP server on loopback. Clones are handles of the same server, which ends with the last.
///
/// A page that was never set is there all the same, and says its own host and URL. It varies by its
/// encoding, as many frameworks say it, unless a test gives it other headers.
#[derive(Debug, Clone)]
pub struct Origin {
    addr: SocketAddr,
    host: String,
    pages: Arc<Mutex<Pages>>,
    app: Router,
    _server: Arc<Background>,
}

#[derive(Debug, Default)]
struct Pages {
    by_place: HashMap<(String, String), Page>,
    headers: Option<Vec<(&'static str, &'static str)>>,
    renders: usize,
    /// The status of pages that were never set, if it is not 200.
    unset: Option<u16>,
}

#[derive(Debug, Default)]
struct Page {
    row: Row,
    renders: usize,
    delay: Duration,
    held: Option<Passage>,
    headers: Option<Vec<(&'static str, &'static str)>>,
    tags: Vec<String>,
    varies_by: Option<&'static str>,
    status: Option<u16>,
    asked_with: Option<HeaderMap>,
}

#[derive(Debug, Default, Clone)]
enum Row {
    #[default]
    Unset,
    Text(String),
    Gone,
}

impl Origin {
    /// Starts one on a free port of 127.0.0.1; it speaks for [`HOST`].
    #[must_use]
    pub fn start() -> Self {
        let pages = Arc::default();
        let app = Router::new()
            .fallback(render)
            .with_state(Arc::clone(&pages));
        let served = app.clone();
        let (server, addr) = Background::serve("origin", |listener| async move {
            axum::serve(listener, served)
                .await
                .expect("the origin keeps serving");
        });
        Self {
            addr,
            host: HOST.to_owned(),
            pages,
            app,
            _server: Arc::new(server),
        }
    }

    /// The app itself, for layers that a test puts around it.
    pub fn app(&self) -> Router {
        self.app.clone()
    }

    /// A handle of the same server for the pages of another host.
    #[must_use]
    pub fn at_host(&self, host: &str) -> Self {
        let host = host.to_owned();
        Self {
            host,
            ..self.clone()
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Writes the row that the page at `url` is rendered from.
    pub fn set(&self, url: &str, text: impl Into<String>) {
        let text = text.into();
        self.page(url, |page| page.row = Row::Text(text));
    }

    /// Deletes the row: the page answers 404.
    pub fn remove(&self, url: &str) {
        self.page(url, |page| page.row = Row::Gone);
    }

    /// Gives the page at `url` these headers in place of its `Vary: Accept-Encoding`, each as a line
    /// of its own.
    pub fn headers(&self, url: &str, headers: &[(&'static str, &'static str)]) {
        let headers = headers.to_vec();
        self.page(url, |page| page.headers = Some(headers));
    }

    /// Gives all pages without [headers](Self::headers) of their own these, in place of `Vary: Accept-Encoding`.
    pub fn headers_of_all(&self, headers: &[(&'static str, &'static str)]) {
        lock(&self.pages).headers = Some(headers.to_vec());
    }

    /// Gives the page at `url` these tags, by [`roan::web::tag`]: so the web layer has to be around the app.
    pub fn tags(&self, url: &str, tags: &[&str]) {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self.page(url, |page| page.tags = tags);
    }

    /// Adds to the text of the page ` for ` and this header of the request, and the header to the page's `Vary`.
    pub fn varies_by(&self, url: &str, header: &'static str) {
        self.page(url, |page| page.varies_by = Some(header));
    }

    /// Gives the page at `url` this status, whatever its row is; `None` that of its row.
    pub fn status(&self, url: &str, status: Option<u16>) {
        self.page(url, |page| page.status = status);
    }

    /// Gives all pages that were never set this status.
    pub fn status_of_unset(&self, status: u16) {
        lock(&self.pages).unset = Some(status);
    }

    /// A header of the last request for the page at `url`.
    #[must_use]
    pub fn asked_with(&self, url: &str, name: &str) -> Option<String> {
        self.page(url, |page| {
            let value = page.asked_with.as_ref()?.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
    }

    /// Makes each render of the page at `url` take that long, after the row was read.
    pub fn delay(&self, url: &str, delay: Duration) {
        self.page(url, |page| page.delay = delay);
    }

    /// Holds back the answers of all renders of the page that begin from now on: each has read its
    /// row already. They go out when the gate is opened or dropped.
    #[must_use = "a dropped gate is open"]
    pub fn hold(&self, url: &str) -> Gate {
        let (gate, passage) = gate::gate();
        self.page(url, |page| page.held = Some(passage));
        gate
    }

    /// How many renders of the page at `url` have begun.
    #[must_use]
    pub fn renders(&self, url: &str) -> usize {
        self.page(url, |page| page.renders)
    }

    /// How many renders of all pages of all hosts have begun.
    #[must_use]
    pub fn all_renders(&self) -> usize {
        lock(&self.pages).renders
    }

    fn page<T>(&self, url: &str, change: impl FnOnce(&mut Page) -> T) -> T {
        let place = (self.host.clone(), without_empty_query(url).to_owned());
        change(lock(&self.pages).by_place.entry(place).or_default())
    }
}

/// `/a?` is `/a`, and some caches ask for that.
fn without_empty_query(url: &str) -> &str {
    url.strip_suffix('?').unwrap_or(url)
}

async fn render(State(pages): State<Arc<Mutex<Pages>>>, request: Request) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let url = request.uri().to_string();
    let unset = format!("{host}{url}");

    let (row, delay, held, headers, fixed, tags, varies_by) = {
        let mut pages = lock(&pages);
        pages.renders += 1;
        let status_of_unset = pages.unset;
        let of_all = pages.headers.clone();
        let place = (host, without_empty_query(&url).to_owned());
        let page = pages.by_place.entry(place).or_default();
        page.renders += 1;
        page.asked_with = Some(request.headers().clone());
        (
            page.row.clone(),
            page.delay,
            page.held.clone(),
            page.headers.clone().or(of_all),
            page.status.or(match page.row {
                Row::Unset => status_of_unset,
                _ => None,
            }),
            page.tags.clone(),
            page.varies_by,
        )
    };
    for tag in tags {
        roan::web::tag(&tag).expect("a tag");
    }
    if let Some(passage) = held {
        passage.pass().await;
    }
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }

    let (status, text) = match row {
        Row::Unset => (StatusCode::OK, unset),
        Row::Text(text) => (StatusCode::OK, text),
        Row::Gone => (StatusCode::NOT_FOUND, "gone".to_owned()),
    };
    let text = match varies_by {
        Some(name) => {
            let value = request.headers().get(name);
            let value = value.and_then(|value| value.to_str().ok());
            format!("{text} for {}", value.unwrap_or("nobody"))
        }
        None => text,
    };
    let status = fixed.map_or(status, |code| StatusCode::from_u16(code).expect("a status"));
    let mut answer = (status, text).into_response();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, html);
    let mut headers = headers.unwrap_or_else(|| vec![("vary", "Accept-Encoding")]);
    if let Some(name) = varies_by {
        headers.push(("vary", name));
    }
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        answer
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    answer
}
