//! The service: which address answers what.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use serde_json::{Value, json};
use tower_service::Service;

use super::body::DashboardBody;
use super::figures::Figures;
#[cfg(feature = "nats")]
use super::fleet::{self, Looking};
use super::live::{Live, Pulse};
#[cfg(feature = "web")]
use super::pages;
use super::query::Query;
#[cfg(feature = "_sql")]
use super::stored;
use super::{Access, actions, asset, guard, purges, rules, state};
use crate::app::Roan;
use crate::base::lock::Mutex;
use crate::base::report::Reports;
use crate::dispatcher::Command;

/// What the clones of a service share.
pub(super) struct Shared {
    pub(super) roan: Roan,
    pub(super) read_only: bool,
    access: Access,
    pub(super) figures: Mutex<Figures>,
    pub(super) pulse: Arc<Pulse>,
    #[cfg(feature = "nats")]
    pub(super) looking: Arc<Looking>,
}

/// Takes in reports until the service or the dispatcher is gone.
async fn take_in(mut reports: Reports, shared: Weak<Shared>) {
    while let Some(report) = reports.next().await {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let mut figures = shared.figures.lock();
        figures.missed = reports.missed();
        figures.add(&report, Instant::now(), SystemTime::now());
    }
}

/// A [dashboard](super) as a tower service: mount it with `Router::nest_service`, or strip the prefix by yourself. Clones
/// share what they show.
#[derive(Clone)]
pub struct DashboardService {
    shared: Arc<Shared>,
}

impl DashboardService {
    pub(super) fn start(roan: Roan, read_only: bool, access: Access) -> Self {
        let reports = roan.subscribe();
        let shared = Arc::new(Shared {
            roan,
            read_only,
            access,
            figures: Mutex::new(Figures::new(Instant::now())),
            pulse: Arc::default(),
            #[cfg(feature = "nats")]
            looking: Arc::default(),
        });
        let work = take_in(reports, Arc::downgrade(&shared));
        let engine = shared.roan.engine();
        engine.command(Command::Run(Box::pin(work)));
        Self { shared }
    }

    /// Ends the live updates within half a second. Call it before a server waits for its connections to end; without it they
    /// end within ten seconds.
    ///
    /// ```no_run
    /// # use roan::dashboard::DashboardService;
    /// # async fn serve(listener: tokio::net::TcpListener, app: axum::Router, dashboard: DashboardService) -> std::io::Result<()> {
    /// axum::serve(listener, app)
    ///     .with_graceful_shutdown(async move {
    ///         let _ = tokio::signal::ctrl_c().await;
    ///         dashboard.close();
    ///     })
    ///     .await
    /// # }
    /// ```
    pub fn close(&self) {
        self.shared.pulse.close();
    }
}

impl fmt::Debug for DashboardService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DashboardService")
            .field("read_only", &self.shared.read_only)
            .field("access", &self.shared.access)
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for DashboardService
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<DashboardBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { Ok(answer(&shared, request).await.into_response()) })
    }
}

/// An answer without the headers that all have.
pub(super) enum Answer {
    Page,
    Json(Value),
    Live(Live),
    Problem(Problem),
}

/// Why a request was refused.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// What is wrong, and what to do.
    pub(super) text: String,
    allow: Option<&'static str>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            allow: None,
        }
    }

    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    fn not_allowed(method: &Method, allow: &'static str) -> Self {
        let text = format!("{method} is not a method of this address: it takes {allow}");
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, text)
        }
    }
}

/// The database or the servers of a fleet cannot be asked.
#[cfg(any(feature = "_sql", feature = "nats", feature = "web"))]
pub(super) fn unavailable(error: impl fmt::Display) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self::bad_request(text)
    }
}

async fn answer<B>(shared: &Arc<Shared>, request: Request<B>) -> Answer
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    match route(shared, request).await {
        Ok(answer) => answer,
        Err(problem) => Answer::Problem(problem),
    }
}

async fn route<B>(shared: &Arc<Shared>, request: Request<B>) -> Result<Answer, Problem>
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    let (head, body) = request.into_parts();
    if shared.access == Access::ThisMachine {
        guard::is_on_this_machine(&head)?;
    }
    // Some routers leave the slash at the front, others do not.
    let path = head.uri.path().trim_start_matches('/').to_owned();
    if let Some(action) = path.strip_prefix("api/do/") {
        if head.method != Method::POST {
            return Err(Problem::not_allowed(&head.method, "POST"));
        }
        guard::is_from_the_page(&head)?;
        if shared.read_only {
            let text = "this dashboard is read-only: it was made with `read_only()`";
            return Err(Problem::new(StatusCode::FORBIDDEN, text));
        }
        let order = actions::read(body).await?;
        return Ok(Answer::Json(actions::act(shared, action, &order).await?));
    }
    if ![Method::GET, Method::HEAD].contains(&head.method) {
        return Err(Problem::not_allowed(&head.method, "GET, HEAD"));
    }
    if path.is_empty() {
        return Ok(Answer::Page);
    }
    guard::is_same_site(&head)?;
    let query = Query::read(head.uri.query())?;
    Ok(Answer::Json(match &*path {
        "api/state" => state::of(shared),
        "api/rules" => rules::listed(),
        "api/purges" => purges::listed(shared, &query).await?,
        #[cfg(feature = "_sql")]
        "api/outbox" => stored::status(shared).await?,
        #[cfg(feature = "_sql")]
        "api/waiting" => stored::waiting(shared, &query).await?,
        #[cfg(feature = "_sql")]
        "api/dead" => stored::dead(shared, &query).await?,
        #[cfg(feature = "_sql")]
        "api/dead/count" => stored::count_dead(shared, &query).await?,
        #[cfg(feature = "web")]
        "api/pages" => pages::of(shared, &query).await?,
        #[cfg(feature = "web")]
        "api/tags" => pages::tags(shared, &query).await?,
        #[cfg(feature = "nats")]
        "api/fleet" => fleet::of(shared).await?,
        "api/live" => {
            let live = Live::start(Arc::clone(shared));
            let busy = || {
                let text = "too many pages are open: this one asks every few seconds";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, text)
            };
            return Ok(Answer::Live(live.ok_or_else(busy)?));
        }
        _ => {
            let text = "the dashboard does not have this address: its page is at the prefix itself";
            return Err(Problem::new(StatusCode::NOT_FOUND, text));
        }
    }))
}

/// What all answers have. Nothing of them may be stored, framed, or read by other sites.
const HEADERS: [(HeaderName, HeaderValue); 8] = [
    (
        http::header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    ),
    (
        http::header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(asset::POLICY),
    ),
    (
        http::header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        http::header::X_FRAME_OPTIONS,
        HeaderValue::from_static("DENY"),
    ),
    (
        http::header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("x-robots-tag"),
        HeaderValue::from_static("noindex"),
    ),
    // nginx would hold live updates back until its buffer is full.
    (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    ),
];

impl Answer {
    fn into_response(self) -> Response<DashboardBody> {
        let (kind, body) = match self {
            Self::Page => (
                "text/html; charset=utf-8",
                DashboardBody::whole(asset::PAGE),
            ),
            Self::Json(value) => (
                "application/json",
                DashboardBody::whole(value.to_string().into_bytes()),
            ),
            Self::Live(live) => ("text/event-stream", DashboardBody::live(live)),
            Self::Problem(problem) => return problem.into_response(),
        };
        response(kind, body)
    }
}

impl Problem {
    fn into_response(self) -> Response<DashboardBody> {
        let body = json!({ "error": self.text }).to_string().into_bytes();
        let mut response = response("application/json", DashboardBody::whole(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("10"));
        }
        response
    }
}

fn response(kind: &'static str, body: DashboardBody) -> Response<DashboardBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
