//! What the tests share: a program with a dashboard, and a cache that answers as the test says.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use roan::dashboard::{Dashboard, DashboardService};
use roan::web::Web;
use roan::{Nginx, Roan, RoanBuilder, purge_on};
use roan_tests::{Background, Behaviour, Faulty};

/// The model of the tests, whose rules the page lists.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}", when = self.published)]
#[purge_on(update(slug), tag = "post-{slug}")]
pub(crate) struct Post {
    slug: String,
    published: bool,
}

impl Post {
    pub(crate) fn new(slug: &str) -> Self {
        Self {
            slug: slug.to_owned(),
            published: true,
        }
    }
}

pub(crate) struct Program {
    pub(crate) roan: Roan,
    pub(crate) node: Faulty,
    pub(crate) dashboard: DashboardService,
    address: SocketAddr,
    _server: Background,
}

/// A dispatcher with one node, which refuses targets with `refused` in them.
pub(crate) fn builder(node: &Faulty) -> RoanBuilder {
    Roan::builder()
        .cache(Nginx::at(&node.purge_url()).unwrap())
        .site("https://example.org")
        .named_site("shop", "https://shop.example.org")
        .rebound(None)
        .backoff(Duration::from_millis(5), Duration::from_millis(20))
        .web(Web::new())
}

pub(crate) fn node() -> Faulty {
    Faulty::start(Behaviour::AnswerSome("refused".to_owned(), 403))
}

impl Program {
    pub(crate) fn start() -> Self {
        Self::with(Dashboard::without_auth, |builder| builder)
    }

    pub(crate) fn with(
        mount: impl FnOnce(Dashboard) -> DashboardService,
        change: impl FnOnce(RoanBuilder) -> RoanBuilder,
    ) -> Self {
        let node = node();
        let roan = change(builder(&node)).build().unwrap();
        let dashboard = mount(Dashboard::new(&roan));
        let app = Router::new().nest_service("/roan", dashboard.clone());
        let app = Router::new()
            .nest_service("/admin/caches/roan", dashboard.clone())
            .merge(app);
        let (server, address) = Background::serve("program", |listener| async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self {
            roan,
            node,
            dashboard,
            address,
            _server: server,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn page(&self) -> String {
        self.url("/roan")
    }
}
