//! The layer, and the service that it wraps around an app.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::Web;
use super::body::WebBody;
use super::headers::Headers;
use super::index_error::IndexError;
use super::late::Late;
use super::page::{IN_USE, Page};
use super::reason::Told;
use super::visit::Visit;
use super::write::Write;
use crate::base::history::Trace;
use crate::base::target::Target;
use crate::dispatcher::Engine;
use crate::pages::{InWebLayer, Pages};
use crate::purger::Cache;

/// A tower layer that writes into the head of each answer what caches may do with it, and learns which pages carry which
/// tags. Get it with [`Roan::web`](crate::Roan::web). Clones share what they have learned.
///
/// Put it inside the layer of an embedded cache, which answers without it, and otherwise around the whole app: it must see the
/// URLs that the cache has. Inside of axum's `Router::nest`, or of a layer that changes the URL of a request, it sees
/// others, so that purges by tags do not reach the pages.
#[derive(Clone)]
pub struct WebLayer {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Arc<Engine>,
    pages: Arc<Pages>,
    settings: Web,
    headers: Headers,
    told: Told,
    late: Late,
    rebound: Option<Duration>,
}

impl WebLayer {
    pub(crate) fn new(
        engine: Arc<Engine>,
        pages: Arc<Pages>,
        settings: Web,
        headers: ReadHeaders,
        rebound: Option<Duration>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                engine,
                pages,
                settings,
                headers: headers.0,
                told: Told::default(),
                late: Late::default(),
                rebound,
            }),
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(super) fn pages(&self) -> &Arc<Pages> {
        &self.shared.pages
    }

    pub(super) fn settings(&self) -> &Web {
        &self.shared.settings
    }

    pub(super) fn headers(&self) -> &Headers {
        &self.shared.headers
    }

    pub(super) fn told(&self) -> &Told {
        &self.shared.told
    }

    pub(super) fn late(&self) -> &Late {
        &self.shared.late
    }

    /// The time after a purge at which it is repeated.
    pub(super) fn rebound(&self) -> Option<Duration> {
        self.shared.rebound
    }

    /// Returns the URLs that caches may have and that carry a tag, or that a prefix, a host or everything means, in no order:
    /// those that all processes have rendered if there is an outbox, else those of this one. For a URL there are none.
    ///
    /// # Errors
    ///
    /// If the database of the outbox cannot be asked.
    #[cfg_attr(
        not(feature = "_sql"),
        expect(clippy::unused_async, reason = "the database is asked here")
    )]
    pub async fn pages_of(&self, target: &Target) -> Result<Vec<Target>, IndexError> {
        #[cfg(feature = "_sql")]
        if let Some(shared) = self.pages().shared.get() {
            let found = self.pages().recorded_of(shared, target).await;
            return found.map_err(IndexError::of);
        }
        Ok(self.pages().of(target))
    }

    /// Returns the tags of a page, under whatever spelling of its URL, sorted. It asks where
    /// [`pages_of`](Self::pages_of) asks.
    ///
    /// # Errors
    ///
    /// If the database of the outbox cannot be asked.
    #[cfg_attr(
        not(feature = "_sql"),
        expect(clippy::unused_async, reason = "the database is asked here")
    )]
    pub async fn tags_of(&self, url: &Target) -> Result<Vec<Target>, IndexError> {
        #[cfg(feature = "_sql")]
        if let Some(shared) = self.pages().shared.get() {
            let found = self.pages().recorded_tags_of(shared, url).await;
            return found.map_err(IndexError::of);
        }
        Ok(self.pages().tags_of(url))
    }

    /// The number of URLs that this process remembers.
    #[must_use]
    pub fn known_urls(&self) -> usize {
        self.pages().len()
    }
}

impl fmt::Debug for WebLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebLayer")
            .field("settings", self.settings())
            .finish_non_exhaustive()
    }
}

/// What the caches of a dispatcher read, before the dispatcher takes them.
pub(crate) struct ReadHeaders(Headers);

impl ReadHeaders {
    pub(crate) fn of(caches: &[Cache]) -> Self {
        Self(Headers::of(caches))
    }
}

impl<S> Layer<S> for WebLayer {
    type Service = WebService<S>;

    fn layer(&self, app: S) -> WebService<S> {
        self.pages().attached.store(true, Ordering::Relaxed);
        IN_USE.store(true, Ordering::Relaxed);
        WebService {
            app,
            layer: self.clone(),
        }
    }
}

/// A service inside the [`WebLayer`].
#[derive(Clone)]
pub struct WebService<S> {
    app: S,
    layer: WebLayer,
}

impl<S> fmt::Debug for WebService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebService")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

impl<S, A, B> Service<Request<A>> for WebService<S>
where
    S: Service<Request<A>, Response = Response<B>> + Clone,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Body + Send + 'static,
{
    type Response = Response<WebBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.app.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        // The clone that reported readiness serves this request.
        let next = self.app.clone();
        let mut app = std::mem::replace(&mut self.app, next);
        let layer = self.layer.clone();
        let cookies = &layer.settings().session_cookies;
        let visit = Visit::of(&request, cookies, || layer.pages().begin());
        let page = Page::new(Write::of(&request), trace_of(&request));
        request.extensions_mut().insert(page.clone());
        request.extensions_mut().insert(InWebLayer);
        let work = page.enter_blocking(|| app.call(request));
        let work = page.within(work);
        Box::pin(async move {
            let mut response = work.await?;
            let mut notes = page.end();
            if let Some(write) = notes.write.take() {
                layer.finish_write(write, &mut response);
            }
            let sent = match visit {
                Some(visit) => layer.finish(visit, notes, &page, &mut response).await,
                None => None,
            };
            Ok(response.map(|body| WebBody::new(body, page, sent)))
        })
    }
}

/// The trace that the request belongs to. A header that is not one is not an error of the request: the standard says to
/// begin a new trace then.
fn trace_of<A>(request: &Request<A>) -> Option<Trace> {
    let header = request.headers().get("traceparent")?;
    header.to_str().ok()?.parse().ok()
}
