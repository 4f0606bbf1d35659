//! The caches of this machine, each started before the blog with the very configuration that the guide shows, and the
//! lines of the environment by which the blog knows which one it is.

use std::error::Error;
use std::net::SocketAddr;

use roan_examples::nginx::{Nginx, Program};
use roan_examples::varnish::Varnish;

/// The secret of the nginx that refreshes pages: nobody but this program reaches it.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The names of `--cache`.
pub(crate) const NAMES: [&str; 4] = ["nginx", "nginx-refresh", "nginx-files", "varnish"];

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
            "varnish" => {
                let varnish = Varnish::start(app).await?;
                let url = format!("http://{}", varnish.address());
                let variables = [
                    ("ROAN_CACHE", "varnish".to_owned()),
                    ("ROAN_PURGE_URL", url),
                ];
                Ok(Self::new(varnish.address(), variables, varnish))
            }
            _ => {
                let names = NAMES.join(", ");
                Err(format!("unknown cache `{name}`; there are {names}").into())
            }
        }
    }
}
