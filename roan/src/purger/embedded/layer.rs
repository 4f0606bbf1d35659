//! The layer, and the service that it wraps around an app.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::Embedded;
use super::body::CacheBody;
use super::filling::Filling;
use super::freshness::Lifetime;
use super::label::Label;
use super::lookup::{Asked, Lookup};
use super::status::Status;
use super::store::Fill;
use super::variant::{Selection, Variant};
use super::write::Write;
use crate::base::log::loudly;
use crate::pages::InWebLayer;

/// A tower layer that puts an [`Embedded`] cache in front of a service. Create it with [`Embedded::layer`].
#[derive(Debug, Clone)]
pub struct CacheLayer {
    cache: Embedded,
}

impl CacheLayer {
    pub(super) fn new(cache: Embedded) -> Self {
        Self { cache }
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, app: S) -> CacheService<S> {
        CacheService {
            app,
            cache: self.cache.clone(),
        }
    }
}

/// A service behind an [`Embedded`] cache.
#[derive(Clone)]
pub struct CacheService<S> {
    app: S,
    cache: Embedded,
}

impl<S> fmt::Debug for CacheService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// Where the answer to a request comes from.
enum Plan {
    Stored(Arc<Variant>),
    /// From the app, and also into the cache if there is a fill.
    App(Status, Option<(Fill, HeaderMap)>),
    /// From the app; the answer may purge pages.
    Write(Option<Write>),
}

impl Embedded {
    fn plan<B: Body>(&self, request: &Request<B>) -> Plan {
        let page = match Asked::by(request) {
            Asked::Page(page) => page,
            Asked::Unclear => return Plan::App(Status::Unclear, None),
            Asked::Other => return Plan::Write(Write::of(request)),
        };
        let headers = request.headers();
        let stored = self.store.get(&page.key);
        let status = match stored.as_ref().and_then(|page| page.variant(headers)) {
            Some(variant) if variant.fresh_until <= Instant::now() => Status::Expired,
            Some(variant) if headers.contains_key(AUTHORIZATION) && !variant.authorized => {
                return Plan::App(Status::Authorization, None);
            }
            Some(variant) => return Plan::Stored(Arc::clone(variant)),
            None if stored.is_some() => Status::OtherVariants,
            None => Status::Miss,
        };
        // The answer to a HEAD is not a page.
        let fills = *request.method() == Method::GET;
        let Lookup { host, url, key } = page;
        let fill = fills.then(|| (self.store.begin_fill(&host, url, key), headers.clone()));
        Plan::App(status, fill)
    }

    /// Before the answer leaves, so that its visitor sees what has changed.
    fn purge_all(&self, labels: Vec<Label>) {
        for label in labels {
            self.store.purge(&label);
        }
    }

    /// The response for the visitor. It is also copied into the cache if it may be stored.
    fn pass<B: Body<Data = Bytes>>(
        &self,
        response: Response<B>,
        status: Status,
        fill: Option<(Fill, HeaderMap)>,
    ) -> Response<CacheBody<B>> {
        let (mut parts, body) = response.into_parts();
        let sharing = parts.extensions.remove();
        let mut head = Response::new(());
        *head.status_mut() = parts.status;
        let filling = fill.and_then(|(mut fill, request)| {
            *head.headers_mut() = parts.headers.clone();
            let by_default = self.settings.default_ttl;
            let lifetime = Lifetime::of(&head, &request, by_default, sharing.as_ref())?;
            fill.carries(head.headers(), sharing.as_ref())?;
            let selection = Selection::new(head.headers(), &request)?;
            let longest = self.settings.max_body_size;
            Some(Filling::new(
                fill, request, head, selection, lifetime, longest,
            ))
        });
        status.write(filling.is_some(), &mut parts.headers);
        let body = match filling {
            Some(filling) => CacheBody::filling(body, filling),
            None => CacheBody::passed(body),
        };
        Response::from_parts(parts, body)
    }
}

impl<S, A, B> Service<Request<A>> for CacheService<S>
where
    S: Service<Request<A>, Response = Response<B>> + Clone,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    A: Body,
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<CacheBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.app.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        // The clone that reported readiness serves this request.
        let next = self.app.clone();
        let mut app = std::mem::replace(&mut self.app, next);
        warn_if_inside(&request);
        match self.cache.plan(&request) {
            Plan::Stored(variant) => {
                let response = hit(&variant, &request);
                Box::pin(async move { Ok(response) })
            }
            Plan::App(status, fill) => {
                let cache = self.cache.clone();
                let answer = app.call(request);
                Box::pin(async move {
                    let response = answer.await?;
                    Ok(cache.pass(response, status, fill))
                })
            }
            Plan::Write(write) => {
                let cache = self.cache.clone();
                let answer = app.call(request);
                Box::pin(async move {
                    let response = answer.await?;
                    if let Some(write) = write {
                        cache.purge_all(write.changes(&response));
                    }
                    Ok(cache.pass(response, Status::Method, None))
                })
            }
        }
    }
}

/// Tags of the web layer come too late for a cache that is inside of it.
fn warn_if_inside<B>(request: &Request<B>) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let is_inside = request.extensions().get::<InWebLayer>().is_some();
    if is_inside && !TOLD.swap(true, Ordering::Relaxed) {
        loudly(format_args!(
            "the embedded cache is inside the layer of `Roan::web`, so it does not see the tags of pages: write \
             `.layer(roan.web()?).layer(pages.layer())`"
        ));
    }
}

fn hit<A, B: Body<Data = Bytes>>(
    variant: &Variant,
    request: &Request<A>,
) -> Response<CacheBody<B>> {
    let mut response = variant.answer(request.method(), request.headers());
    let fresh_until = variant.fresh_until;
    Status::Hit { fresh_until }.write(false, response.headers_mut());
    response.map(CacheBody::stored)
}
