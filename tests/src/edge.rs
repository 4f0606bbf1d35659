//! A caching proxy for stand-ins of caches that cannot be had here: the API of such a cache is its stand-in's part.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::background::Background;
use crate::browser::{Answer, Browser};
use crate::gate::{self, Gate, Passage};
use crate::lock;

/// Stores pages under host and URL, byte for byte, and their variants. Like real ones, it stores a page whose fetch began
/// before a purge. Clones are handles of the same proxy.
#[derive(Debug, Clone)]
pub struct Edge {
    addr: SocketAddr,
    state: Arc<EdgeState>,
    _server: Arc<Background>,
}

/// Which pages a purge is for.
#[derive(Debug, Clone, Copy)]
pub enum Select<'a> {
    /// The page of a host at a URL, under all variants.
    Url(&'a str, &'a str),
    /// The pages with a tag.
    Tag(&'a str),
    /// The pages of a host whose URL begins so.
    Prefix(&'a str, &'a str),
    /// The pages of a host.
    Host(&'a str),
    /// All pages.
    Everything,
}

#[derive(Debug)]
struct EdgeState {
    app: SocketAddr,
    tag_header: &'static str,
    pages: Mutex<HashMap<(String, String), Vec<Variant>>>,
    held: Mutex<Option<Passage>>,
}

#[derive(Debug, Clone)]
struct Variant {
    /// The headers of the request that the page varies by.
    asked_with: Vec<(String, String)>,
    answer: Answer,
    is_stale: bool,
}

impl Edge {
    /// Starts one before an app, which names the tags of a page in this header, separated by commas or spaces.
    #[must_use]
    pub fn start_before(app: SocketAddr, tag_header: &'static str) -> Self {
        let state = Arc::new(EdgeState {
            app,
            tag_header,
            pages: Mutex::default(),
            held: Mutex::default(),
        });
        let proxy = Router::new().fallback(serve).with_state(Arc::clone(&state));
        let (server, addr) = Background::serve("edge", |listener| async move {
            let served = axum::serve(listener, proxy).await;
            served.expect("the edge keeps serving");
        });
        Self {
            addr,
            state,
            _server: Arc::new(server),
        }
    }

    /// Where visitors ask for pages.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Holds back all answers of the app that come from now on: they are on their way, and not stored yet. They arrive when
    /// the gate is opened or dropped.
    #[must_use = "a dropped gate is open"]
    pub fn hold(&self) -> Gate {
        let (gate, passage) = gate::gate();
        *lock(&self.state.held) = Some(passage);
        gate
    }

    /// Drops these pages, and returns how many.
    pub fn purge(&self, select: Select<'_>) -> usize {
        let mut pages = self.state.pages();
        let before = pages.len();
        pages.retain(|(host, url), variants| !self.state.selects(select, host, url, variants));
        before - pages.len()
    }

    /// Marks these pages as stale, and returns how many: the next visitor gets the old one, while the new one is fetched.
    pub fn purge_softly(&self, select: Select<'_>) -> usize {
        let mut pages = self.state.pages();
        let selected = pages
            .iter_mut()
            .filter(|((host, url), variants)| self.state.selects(select, host, url, variants));
        selected
            .map(|(_, variants)| variants.iter_mut().for_each(|one| one.is_stale = true))
            .count()
    }
}

impl EdgeState {
    fn pages(&self) -> MutexGuard<'_, HashMap<(String, String), Vec<Variant>>> {
        lock(&self.pages)
    }

    fn selects(&self, select: Select<'_>, host: &str, url: &str, variants: &[Variant]) -> bool {
        match select {
            Select::Url(of, at) => host == of && url == at,
            Select::Prefix(of, start) => host == of && url.starts_with(start),
            Select::Host(of) => host == of,
            Select::Everything => true,
            Select::Tag(tag) => variants.iter().any(|variant| {
                let lines = variant.answer.headers.iter();
                lines
                    .filter(|(name, _)| name.eq_ignore_ascii_case(self.tag_header))
                    .flat_map(|(_, line)| line.split([',', ' ']))
                    .any(|found| found == tag)
            }),
        }
    }

    fn ask(&self, host: &str, url: &str, headers: &[(String, String)]) -> Option<Answer> {
        let sent: Vec<_> = headers
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let browser = Browser::new(self.app).at_host(host);
        browser.try_send("GET", url, &sent).ok()
    }

    fn store(&self, host: String, url: String, headers: &[(String, String)], answer: &Answer) {
        if answer.status != 200 || !may_be_stored(answer) {
            return;
        }
        let variant = Variant {
            asked_with: asked_with(answer, headers),
            answer: answer.clone(),
            is_stale: false,
        };
        let mut pages = self.pages();
        let variants = pages.entry((host, url)).or_default();
        variants.retain(|other| other.asked_with != variant.asked_with);
        variants.push(variant);
    }
}

/// Asks the app, and stores what may be stored.
async fn fetch(
    state: Arc<EdgeState>,
    host: String,
    url: String,
    headers: Vec<(String, String)>,
) -> Option<Answer> {
    let asked = tokio::task::spawn_blocking({
        let (state, host, url, headers) = (
            Arc::clone(&state),
            host.clone(),
            url.clone(),
            headers.clone(),
        );
        move || state.ask(&host, &url, &headers)
    });
    let answer = asked.await.ok()??;
    let held = lock(&state.held).clone();
    if let Some(passage) = held {
        passage.pass().await;
    }
    state.store(host, url, &headers, &answer);
    Some(answer)
}

fn may_be_stored(answer: &Answer) -> bool {
    let names = ["CDN-Cache-Control", "Surrogate-Control", "Cache-Control"];
    let control = names.iter().find_map(|name| answer.header(name));
    let control = control.unwrap_or_default();
    let forbids = ["private", "no-store", "no-cache"];
    let varies_by_all = answer.header("Vary").is_some_and(|vary| vary.contains('*'));
    control.contains("max") && !forbids.iter().any(|word| control.contains(word)) && !varies_by_all
}

/// The headers of the request that the answer varies by, in lower case.
fn asked_with(answer: &Answer, headers: &[(String, String)]) -> Vec<(String, String)> {
    let lines = answer.headers.iter();
    let vary = lines.filter(|(name, _)| name.eq_ignore_ascii_case("vary"));
    vary.flat_map(|(_, line)| line.split(','))
        .map(|name| {
            let name = name.trim().to_ascii_lowercase();
            let sent = headers.iter().find(|(other, _)| *other == name);
            (name, sent.map_or_else(String::new, |(_, v)| v.clone()))
        })
        .collect()
}

async fn serve(State(state): State<Arc<EdgeState>>, request: Request) -> Response {
    let mut host = String::new();
    let mut headers = Vec::new();
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match *name {
            header::HOST => host = value,
            header::CONNECTION => {}
            _ => headers.push((name.as_str().to_owned(), value)),
        }
    }
    let url = request.uri().to_string();
    if request.method() != "GET" {
        return (StatusCode::METHOD_NOT_ALLOWED, "the edge knows GET only").into_response();
    }
    let stored = {
        let pages = state.pages();
        let variants = pages.get(&(host.clone(), url.clone()));
        let mut variants = variants.into_iter().flatten();
        variants
            .find(|one| asked_with(&one.answer, &headers) == one.asked_with)
            .cloned()
    };
    let fetched = {
        let is_stale = stored.as_ref().is_none_or(|variant| variant.is_stale);
        let state = Arc::clone(&state);
        // It goes on without this visitor.
        is_stale.then(|| tokio::spawn(fetch(state, host, url, headers)))
    };
    match (stored, fetched) {
        (Some(variant), fetched) => {
            let status = if fetched.is_some() { "STALE" } else { "HIT" };
            respond(&variant.answer, status)
        }
        (None, Some(fetched)) => match fetched.await {
            Ok(Some(answer)) => respond(&answer, "MISS"),
            _ => StatusCode::BAD_GATEWAY.into_response(),
        },
        (None, None) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn respond(answer: &Answer, cache_status: &'static str) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = (status, answer.body.clone()).into_response();
    for (name, value) in &answer.headers {
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value))
        else {
            continue;
        };
        if ![
            header::CONNECTION,
            header::TRANSFER_ENCODING,
            header::CONTENT_LENGTH,
        ]
        .contains(&name)
        {
            response.headers_mut().append(name, value);
        }
    }
    let status = HeaderValue::from_static(cache_status);
    response.headers_mut().insert("x-cache-status", status);
    response
}
