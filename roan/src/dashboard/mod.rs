//! A dashboard: a page that shows what is purged, why, and what waits or has failed, as a tower service.
//!
//! It shows the rules of the program, the nodes with their health, rate and lag, recent purges with what asked for them and
//! how each node answered, what waits and what is dead, and which pages carry a tag. It pauses nodes, and sends dead purges
//! again. The guide has a [page](crate::guide::dashboard) about it.
//!
//! It is off by default, and it does not have users of its own: put your authentication in front of it.
//!
//! ```no_run
//! use axum::Router;
//! use axum::extract::Request;
//! use axum::http::StatusCode;
//! use axum::middleware::{Next, from_fn};
//! use axum::response::Response;
//! use roan::Roan;
//! use roan::dashboard::Dashboard;
//!
//! # fn is_admin(_: &Request) -> bool { true }
//! async fn admins_only(request: Request, next: Next) -> Result<Response, StatusCode> {
//!     // ... your session, your token, your roles
//!     if is_admin(&request) { Ok(next.run(request).await) } else { Err(StatusCode::FORBIDDEN) }
//! }
//!
//! # fn start(app: Router, roan: &Roan) -> Router {
//! let dashboard = Dashboard::new(roan).behind_auth();
//! let admin = Router::new()
//!     .nest_service("/roan", dashboard)
//!     .route_layer(from_fn(admins_only));
//! app.merge(admin)
//! # }
//! ```
//!
//! Any prefix will do, also behind a proxy that cuts it off: the page uses relative addresses only.
//!
//! # What it costs
//!
//! Nothing on the way of a write: it reads the reports of purges that have ended, and keeps ten minutes of figures, a few
//! kilobytes. It has no timer while nobody looks.
//!
//! # The addresses beneath
//!
//! The page asks its own addresses below `api/` for JSON. They are not a stable interface: each version of Roan may change
//! them without notice. For programs there are [`Roan::stats`](crate::Roan::stats),
//! [`Roan::subscribe`](crate::Roan::subscribe) and `Roan::outbox`.

mod actions;
mod asset;
mod body;
mod figures;
#[cfg(feature = "nats")]
mod fleet;
mod guard;
mod json;
mod live;
#[cfg(feature = "web")]
mod pages;
mod purges;
mod query;
mod rules;
mod service;
mod state;
#[cfg(feature = "_sql")]
mod stored;

use std::fmt;

use crate::app::Roan;
use crate::base::log::warn_loudly;

pub use self::body::DashboardBody;
pub use self::service::DashboardService;

/// Who may use a dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Whoever reaches it: the program asks before.
    BehindAuth,
    /// Browsers on this machine.
    ThisMachine,
}

/// The settings of a [dashboard](self). It becomes a service, to be mounted, by one of two words about who may use it:
/// [`behind_auth`](Self::behind_auth) and [`without_auth`](Self::without_auth). There is no default.
#[derive(Clone)]
#[must_use = "say who may use it: `.behind_auth()` or `.without_auth()`"]
pub struct Dashboard {
    roan: Roan,
    read_only: bool,
}

impl Dashboard {
    /// A dashboard of this dispatcher. It keeps the dispatcher alive.
    pub fn new(roan: &Roan) -> Self {
        Self {
            roan: roan.clone(),
            read_only: false,
        }
    }

    /// Shows everything, and changes nothing: it refuses to retry, drop, pause and resume.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Serves everybody whose request arrives: your own authentication, or a private network, is in front.
    ///
    /// The page shows URLs, tags, errors of nodes, and the names of source files.
    #[must_use = "mount it: `Router::nest_service(\"/roan\", dashboard)`"]
    pub fn behind_auth(self) -> DashboardService {
        DashboardService::start(self.roan, self.read_only, Access::BehindAuth)
    }

    /// Serves without authentication, for development: only requests for `localhost`, `127.0.0.1` and the like. It logs a
    /// warning.
    ///
    /// That keeps out other sites that the browser visits (DNS rebinding). It refuses what shows that a proxy has forwarded it:
    /// a header such as `X-Forwarded-For`, HTTP/1.0, the `Origin` of another machine. But a proxy may show nothing, and then its
    /// visitors can look, and with a tool of their own also act: let no proxy on this machine forward to it, and listen on a
    /// loopback address.
    #[must_use = "mount it: `Router::nest_service(\"/roan\", dashboard)`"]
    pub fn without_auth(self) -> DashboardService {
        warn_loudly(format_args!(
            "the dashboard has no authentication: whoever can connect to this program's port may use it, and so may the \
             visitors of a proxy that forwards to it. Where others can, put your authentication in front of it and write \
             `Dashboard::new(&roan).behind_auth()`"
        ));
        DashboardService::start(self.roan, self.read_only, Access::ThisMachine)
    }
}

impl fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dashboard")
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}
