//! The caches of this machine, each started before the blog with the very configuration that the guide shows, and the
//! lines of the environment by which the blog knows which one it is.

use std::error::Error;
use std::net::SocketAddr;

use roan_examples::nginx::{Nginx, Program};
use roan_examples::server::Server;
use roan_examples::{squid, traffic_server, varnish};

/// The secret of the nginx that refreshes pages: nobody but this program reaches it.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The names of `--cache`.
pub(crate) const NAMES: [&str; 7] = [
    "nginx",
    "nginx-refresh",
    "nginx-files",
    "varnish",
    "squid",
    "traffic-server",
    "embedded",
];

/// A cache before the blog. It ends when this is dropped.
pub(crate) struct Front {
    /// Where visitors go.
    pub(crate) address: SocketAddr,
    /// What the environment of the blog says of its cache.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// Kept for its end.
    _server: Box<dyn Send>,
}

impl Front {
    fn new(
        address: SocketAddr,
        variables: impl Into<Vec<(&'static str, String)>>,
        server: impl Send + 'static,
    ) -> Self {
        Self {
            address,
            variables: variables.into(),
            _server: Box::new(server),
        }
    }

    /// A server whose pages are purged at its own address.
    fn of(name: &str, server: Server) -> Self {
        let url = format!("http://{}", server.address());
        let variables = [cache(name), ("ROAN_PURGE_URL", url)];
        Self::new(server.address(), variables, server)
    }

    /// Starts the cache of that name before the blog at `app`.
    pub(crate) async fn start(name: &str, app: SocketAddr) -> Result<Self, Box<dyn Error>> {
        match name {
            "nginx" => {
                let nginx = Nginx::start(&Program::find()?, app).await?;
                let url = format!("http://{}/purge", nginx.address());
                let variables = [("ROAN_PURGE_URL", url)];
                Ok(Self::new(nginx.address(), variables, nginx))
            }
            "nginx-refresh" => {
                let program = Program::find_stock()?;
                let nginx = Nginx::start_refreshing(&program, app, SECRET).await?;
                let url = format!("http://{}", nginx.address());
                let secret = ("ROAN_REFRESH_SECRET", SECRET.to_owned());
                let variables = [("ROAN_PURGE_URL", url), secret];
                Ok(Self::new(nginx.address(), variables, nginx))
            }
            "nginx-files" => {
                let nginx = Nginx::start_stock(&Program::find_stock()?, app).await?;
                let variables = [("ROAN_PURGE_FOLDER", nginx.pages())];
                Ok(Self::new(nginx.address(), variables, nginx))
            }
            "varnish" => Ok(Self::of(name, varnish::start(app).await?)),
            "squid" => Ok(Self::of(name, squid::start(app).await?)),
            "traffic-server" => Ok(Self::of(name, traffic_server::start(app).await?)),
            // It is in the blog.
            "embedded" => Ok(Self::new(app, [cache(name)], ())),
            _ => {
                let names = NAMES.join(", ");
                Err(format!("unknown cache `{name}`; there are {names}").into())
            }
        }
    }
}

fn cache(name: &str) -> (&'static str, String) {
    ("ROAN_CACHE", name.to_owned())
}
