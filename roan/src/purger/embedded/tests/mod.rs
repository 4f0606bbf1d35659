//! Tests of the whole: an axum app behind the layer, and a dispatcher that purges it.

mod bodies;
mod collapse;
mod fence;
mod memory;
mod pages;
mod purging;
mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::{Embedded, Outcome, Roan, Target};

/// An app behind a cache. Each answer of the app itself has another number in its body.
struct Site {
    app: Router,
    pages: Embedded,
    roan: Roan,
}

/// What a visitor gets.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn cache_status(&self) -> &str {
        self.header("x-cache-status").unwrap_or("none")
    }
}

impl Site {
    /// Every URL of the app is answered with these headers.
    fn answering(headers: &'static [(&'static str, &'static str)]) -> Self {
        let renders = Arc::new(AtomicUsize::new(0));
        let app = Router::new().fallback(move || {
            let render = renders.fetch_add(1, Ordering::Relaxed) + 1;
            let mut response = Response::new(Body::from(format!("render {render}")));
            for (name, value) in headers {
                response.headers_mut().append(*name, value.parse().unwrap());
            }
            async { response }
        });
        Self::new(app, Embedded::new(), None)
    }

    fn new(app: Router, pages: Embedded, site: Option<&str>) -> Self {
        let builder = Roan::builder().cache(pages.clone());
        let builder = match site {
            Some(site) => builder.site(site),
            None => builder,
        };
        Self {
            app: app.layer(pages.layer()),
            roan: builder.build().unwrap(),
            pages,
        }
    }

    async fn send(&self, request: Request<Body>) -> Seen {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Seen {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Asks for a page, at `example.org` unless the URL names a host.
    async fn get(&self, url: &str) -> Seen {
        self.get_with(url, &[]).await
    }

    async fn get_with(&self, url: &str, headers: &[(&str, &str)]) -> Seen {
        self.ask("GET", url, headers).await
    }

    async fn ask(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> Seen {
        let url = match url.starts_with('/') {
            true => format!("http://example.org{url}"),
            false => url.to_owned(),
        };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// The cache's word for each of several requests for one page.
    async fn statuses(&self, url: &str, headers: &[(&str, &str)]) -> [String; 2] {
        let first = self.get_with(url, headers).await;
        let second = self.get_with(url, headers).await;
        [&first, &second].map(|seen| seen.cache_status().to_owned())
    }

    async fn purge(&self, target: Target) -> Outcome {
        let mut reports = self.roan.subscribe();
        self.roan.purge(target).unwrap();
        let report = tokio::time::timeout(Duration::from_secs(10), reports.next()).await;
        let report = report.unwrap().unwrap();
        assert!(report.verified);
        assert_eq!((&*report.cache, &*report.node), ("embedded", "embedded"));
        report.outcome
    }

    async fn purge_url(&self, url: &str) -> Outcome {
        self.purge(Target::url(url).unwrap()).await
    }
}

const FOREVER: (&str, &str) = ("cache-control", "s-maxage=31536000, max-age=0");
