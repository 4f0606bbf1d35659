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
use super::collapse::{Ended, Waiting};
use super::filling::Filling;
use super::freshness::Lifetime;
use super::label::Label;
use super::lookup::Asked;
use super::status::Status;
use super::store::{Begun, Collapse, Fill};
use super::variant::{Selection, Variant};
use super::write::Write;
use crate::base::log::loudly;
use crate::pages::{InWebLayer, Raced, Sharing};

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
    /// From the cache when another request has put it there.
    Wait(Status, Waiting),
    /// From the app, and also into the cache if there is a fill.
    App(Status, Option<(Fill, HeaderMap)>),
    /// From the app; the answer may purge pages.
    Write(Option<Write>),
}

impl Embedded {
    fn plan<B: Body>(&self, request: &Request<B>, may_wait: bool) -> Plan {
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
        if *request.method() != Method::GET {
            return Plan::App(status, None);
        }
        let varying = stored.map(|page| page.varying(headers));
        let collapse = match headers.contains_key(AUTHORIZATION) {
            // Its answer is seldom for others.
            true => Collapse::Never,
            false if may_wait => Collapse::Wait,
            false => Collapse::NoMore,
        };
        let longest = self.settings.lock_timeout;
        let varying = varying.unwrap_or_default();
        match self.store.begin(page, varying, longest, collapse) {
            Begun::Fill(fill) => Plan::App(status, Some((fill, headers.clone()))),
            Begun::Wait(waiting) => Plan::Wait(status, waiting),
        }
    }

    /// Before the answer leaves, so that its visitor sees what has changed.
    fn purge_all(&self, labels: Vec<Label>) {
        for label in labels {
            self.store.purge(&label);
        }
    }

    fn may_be_stored(
        &self,
        fill: &mut Fill,
        head: &Response<()>,
        request: &HeaderMap,
        sharing: Option<&Sharing>,
    ) -> Option<(Selection, Lifetime)> {
        let lifetime = Lifetime::of(head, request, self.settings.default_ttl, sharing)?;
        fill.carries(head.headers(), sharing)?;
        let selection = Selection::new(head.headers(), request)?;
        Some((selection, lifetime))
    }

    /// The response for the visitor. It is also copied into the cache if it may be stored.
    fn pass<B: Body<Data = Bytes>>(
        &self,
        response: Response<B>,
        status: Status,
        has_waited: bool,
        fill: Option<(Fill, HeaderMap)>,
    ) -> Response<CacheBody<B>> {
        let (mut parts, body) = response.into_parts();
        let sharing = parts.extensions.remove();
        let was_purged = parts.extensions.remove::<Raced>().is_some();
        let filling = fill.and_then(|(mut fill, request)| {
            let mut head = Response::new(());
            *head.status_mut() = parts.status;
            *head.headers_mut() = parts.headers.clone();
            match self.may_be_stored(&mut fill, &head, &request, sharing.as_ref()) {
                Some((selection, lifetime)) => {
                    let longest = self.settings.max_body_size;
                    Some(Filling::new(
                        fill, request, head, selection, lifetime, longest,
                    ))
                }
                // The next answer may be stored, so those who wait try again.
                None if was_purged => None,
                None => {
                    fill.refuse();
                    None
                }
            }
        });
        status.write(filling.is_some(), has_waited, &mut parts.headers);
        let body = match filling {
            Some(filling) => CacheBody::filling(body, filling),
            None => CacheBody::passed(body),
        };
        Response::from_parts(parts, body)
    }
}

impl<S, A, B> Service<Request<A>> for CacheService<S>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    A: Body + Send + 'static,
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
        match self.cache.plan(&request, true) {
            Plan::Stored(variant) => {
                let response = hit(&variant, &request, Status::hit(&variant));
                Box::pin(async move { Ok(response) })
            }
            Plan::Wait(status, waiting) => {
                let cache = self.cache.clone();
                let deadline = tokio::time::Instant::now() + cache.settings.lock_timeout;
                Box::pin(async move {
                    let mut waiting = waiting;
                    let fill = loop {
                        let ended = tokio::time::timeout_at(deadline, waiting.ended()).await;
                        // If each waited for the next one, the last would wait for all.
                        let may_wait = ended.is_ok_and(|ended| ended != Some(Ended::NotForOthers));
                        match cache.plan(&request, may_wait) {
                            Plan::Stored(variant) => {
                                let status = status.collapsed();
                                return Ok(hit(&variant, &request, status));
                            }
                            Plan::Wait(_, next) => waiting = next,
                            Plan::App(_, fill) => break fill,
                            // It is a GET.
                            Plan::Write(_) => break None,
                        }
                    };
                    let response = app.call(request).await?;
                    Ok(cache.pass(response, status, true, fill))
                })
            }
            Plan::App(status, fill) => {
                let cache = self.cache.clone();
                let answer = app.call(request);
                Box::pin(async move {
                    let response = answer.await?;
                    Ok(cache.pass(response, status, false, fill))
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
                    Ok(cache.pass(response, Status::Method, false, None))
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
    status: Status,
) -> Response<CacheBody<B>> {
    let mut response = variant.answer(request.method(), request.headers());
    status.write(false, false, response.headers_mut());
    response.map(CacheBody::stored)
}
