//! A site behind a cache under test: its app, a dispatcher, and visitors of each node.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use roan::purger::{Capabilities, Mode};
use roan::web::{CachePolicy, Web};
use roan::{Roan, RoanBuilder, Spellings};
use roan_tests::{Answer, Background, Browser, HOST, Origin, wait};
use tower::ServiceExt;

use crate::stand::{Setup, Stand, Start};

/// The other site, and its name.
pub(crate) const OTHER_HOST: &str = "shop.test";
pub(crate) const OTHER: &str = "shop";

pub(crate) const NODES: usize = 2;

pub(crate) struct Site {
    pub(crate) stand: Box<dyn Stand>,
    pub(crate) origin: Origin,
    pub(crate) roan: Roan,
    pub(crate) can: Capabilities,
    _apps: Vec<Background>,
}

/// An app that listens before it is made: its layers need the dispatcher, which needs the cache, which needs the address.
pub(crate) struct Apps {
    pub(crate) addresses: Vec<SocketAddr>,
    slots: Vec<Arc<OnceLock<Router>>>,
    servers: Vec<Background>,
}

impl Apps {
    pub(crate) fn listen(count: usize) -> Self {
        let mut apps = Self {
            addresses: Vec::new(),
            slots: Vec::new(),
            servers: Vec::new(),
        };
        for _ in 0..count {
            let slot = Arc::<OnceLock<Router>>::default();
            let app = Router::new().fallback({
                let slot = Arc::clone(&slot);
                move |request| answer(Arc::clone(&slot), request)
            });
            let (server, address) = Background::serve("app", |listener| async move {
                let served = axum::serve(listener, app).await;
                served.expect("the app keeps serving");
            });
            apps.addresses.push(address);
            apps.slots.push(slot);
            apps.servers.push(server);
        }
        apps
    }

    /// Serves the app at each address, in the cache of this program if there is one.
    pub(crate) fn serve(self, app: &Router, stand: &dyn Stand) -> Vec<Background> {
        for (node, slot) in self.slots.iter().enumerate() {
            let set = slot.set(stand.wrap(node, app.clone()));
            set.expect("the app is made once");
        }
        self.servers
    }
}

async fn answer(slot: Arc<OnceLock<Router>>, request: Request<Body>) -> Response {
    match slot.get() {
        Some(app) => app.clone().oneshot(request).await.into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "not yet").into_response(),
    }
}

impl Site {
    /// With the headers of the app and without the web layer.
    pub(crate) fn start(start: &Start) -> Self {
        let usual = Self::with(start, Setup::Right, |builder| builder);
        usual.expect("each cache can be set up right")
    }

    /// In the web layer.
    pub(crate) fn start_tagged(start: &Start) -> Self {
        let web = Web::new().policy(CachePolicy::until_purged());
        let tagged = Self::with(start, Setup::Right, |builder| builder.web(web));
        tagged.expect("each cache can be set up right")
    }

    /// `None` if the cache cannot be set up so.
    pub(crate) fn with(
        start: &Start,
        setup: Setup,
        set: impl FnOnce(RoanBuilder) -> RoanBuilder,
    ) -> Option<Self> {
        let apps = Apps::listen(NODES);
        let stand = start(&apps.addresses, setup)?;
        assert_eq!(stand.nodes().len(), NODES);
        let caches = stand.caches();
        let can = caches[0].capabilities().clone();
        let builder = Roan::builder()
            .site(format!("http://{HOST}"))
            .named_site(OTHER, format!("http://{OTHER_HOST}"))
            .rebound(None)
            .spellings(Spellings::Exact)
            .backoff(Duration::from_millis(20), Duration::from_millis(200));
        let builder = caches.into_iter().fold(builder, RoanBuilder::cache);
        let roan = set(builder).build().expect("a configuration");
        let origin = Origin::start();
        origin.headers_of_all(&[("cache-control", "s-maxage=31536000, max-age=0")]);
        let app = match roan.web() {
            Ok(layer) => origin.app().layer(layer),
            Err(_) => origin.app(),
        };
        let servers = apps.serve(&app, &*stand);
        Some(Self {
            stand,
            origin,
            roan,
            can,
            _apps: servers,
        })
    }

    pub(crate) fn browsers(&self, host: &str) -> Vec<Browser> {
        let nodes = self.stand.nodes().into_iter();
        nodes.map(|node| Browser::new(node).at_host(host)).collect()
    }

    /// Whether a purge of a URL is a request to the node.
    pub(crate) fn speaks_to_nodes(&self) -> bool {
        self.roan.stats().nodes[1]
            .node
            .parse::<SocketAddr>()
            .is_ok()
    }

    /// Stores the page of a row at each node, where it is not stored yet.
    #[track_caller]
    pub(crate) fn store(&self, host: &str, url: &str, text: &str) {
        self.origin.at_host(host).set(url, text);
        for browser in self.browsers(host) {
            assert_eq!(self.warm(&browser, url).text(), text, "{host}{url}");
        }
    }

    /// Stores the page of an old row at each node, and writes a new row.
    #[track_caller]
    pub(crate) fn old_and_new(&self, host: &str, url: &str) {
        self.store(host, url, "old");
        self.origin.at_host(host).set(url, "new");
    }

    /// Asks until the page comes from the cache.
    #[track_caller]
    pub(crate) fn warm(&self, browser: &Browser, url: &str) -> Answer {
        wait::until_some(wait::LONG, &format!("a HIT of {url}"), || {
            let answer = browser.get(url);
            self.stand.is_hit(&answer).then_some(answer)
        })
    }

    #[track_caller]
    pub(crate) fn assert_hit(&self, host: &str, url: &str, text: &str) {
        for (node, browser) in self.browsers(host).iter().enumerate() {
            let answer = browser.get(url);
            let is_hit = self.stand.is_hit(&answer);
            let seen = (is_hit, answer.text());
            assert_eq!(seen, (true, text.to_owned()), "{host}{url} at node {node}");
        }
    }

    /// The first look at the page after its purge, at each node.
    #[track_caller]
    pub(crate) fn assert_fresh(&self, host: &str, url: &str, text: &str) {
        for node in 0..NODES {
            self.assert_fresh_at(node, host, url, text);
        }
    }

    #[track_caller]
    pub(crate) fn assert_fresh_at(&self, node: usize, host: &str, url: &str, text: &str) {
        let browser = &self.browsers(host)[node];
        let place = format!("{host}{url} at node {node}");
        let answer = browser.get(url);
        match self.can.mode() {
            // It is fetched by this very request, or in the background.
            Mode::Soft => wait::until(wait::LONG, &format!("{place} to be fresh"), || {
                browser.get(url).text() == text
            }),
            // Nobody waits for it.
            Mode::Refresh => assert_eq!(answer.text(), text, "{place}"),
            _ => {
                let seen = (self.stand.is_hit(&answer), answer.text());
                assert_eq!(seen, (false, text.to_owned()), "{place}");
            }
        }
        assert_eq!(self.warm(browser, url).text(), text, "{place}");
    }

    /// Waits until no page is purged a second time any more: a CDN may ask for that although the rebound is off, and the cache
    /// after it is purged then, too. A flush does not wait for it.
    #[track_caller]
    pub(crate) fn settle(&self) {
        wait::until_settled(&self.roan);
    }

    /// Waits until every purge has been answered.
    #[track_caller]
    pub(crate) fn flush(&self) {
        let left = self.roan.flush_blocking(Duration::from_secs(30));
        assert_eq!(left.pending(), 0, "{left}");
    }
}
