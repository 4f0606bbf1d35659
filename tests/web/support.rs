//! What the tests share: an app in the layer, and a cache that notes its purges.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use roan::purger::LifetimeHeader;
use roan::testing::Recorder;
use roan::web::{CachePolicy, Web, WebLayer};
use roan::{Cache, Roan, Target};
use tower::ServiceExt;

/// An app in the layer, before a cache that knows URLs only.
pub(crate) struct Site {
    pub(crate) app: Router,
    pub(crate) roan: Roan,
    pub(crate) layer: WebLayer,
    pub(crate) cache: Recorder,
}

/// What the cache gets.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("none", |value| value.to_str().unwrap())
    }

    pub(crate) fn is_shared(&self) -> bool {
        match self.header("x-accel-expires") {
            "0" => {
                let control = self.header("cache-control");
                assert!(control.contains("private") || control.contains("no-store"));
                false
            }
            "31536000" => true,
            other => panic!("{other}"),
        }
    }
}

/// A cache as nginx is: without tags.
pub(crate) fn nginx(recorder: &Recorder) -> Cache {
    Cache::new("nginx")
        .lifetime_header(LifetimeHeader::XAccelExpires)
        .node("a", recorder.clone())
}

pub(crate) fn until_purged() -> Web {
    Web::new().policy(CachePolicy::until_purged())
}

impl Site {
    pub(crate) fn new(app: Router) -> Self {
        Self::with(app, until_purged())
    }

    pub(crate) fn with(app: Router, web: Web) -> Self {
        let cache = Recorder::new();
        let roan = Roan::builder()
            .cache(nginx(&cache))
            .site("https://example.org")
            .named_site("shop", "https://shop.example.org")
            .rebound(None)
            .web(web)
            .build()
            .unwrap();
        let layer = roan.web().unwrap();
        Self {
            app: app.layer(layer.clone()),
            roan,
            layer,
            cache,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Seen {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, _) = response.into_parts();
        Seen {
            status: parts.status,
            headers: parts.headers,
        }
    }

    pub(crate) async fn get_with(&self, url: &str, headers: &[(&str, &str)]) -> Seen {
        let url = match url.starts_with('/') {
            true => format!("http://example.org{url}"),
            false => url.to_owned(),
        };
        let mut request = Request::get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get(&self, url: &str) -> Seen {
        self.get_with(url, &[]).await
    }

    /// The purges of `work`, sorted.
    pub(crate) async fn purges(&self, work: impl FnOnce(&Roan)) -> Vec<String> {
        self.cache.clear();
        work(&self.roan);
        let left = self.roan.flush(Duration::from_secs(10)).await;
        assert_eq!(left.pending(), 0);
        let targets = self.cache.purges();
        targets.targets().iter().map(ToString::to_string).collect()
    }

    pub(crate) async fn purge_tag(&self, tag: &str) -> Vec<String> {
        let target = Target::tag(tag).unwrap();
        self.purges(|roan| roan.purge(target).unwrap()).await
    }

    pub(crate) async fn tags(&self, url: &str) -> Vec<String> {
        let tags = self
            .layer
            .tags_of(&Target::url(url).unwrap())
            .await
            .unwrap();
        tags.iter().map(|tag| tag.as_str().to_owned()).collect()
    }
}

/// An app that answers every URL with these headers.
pub(crate) fn answering(headers: &'static [(&'static str, &'static str)]) -> Router {
    Router::new().fallback(move || async move {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        (map, "page")
    })
}
