//! The cache before the blog: nginx, or the one in the program.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use roan::{Cache, Embedded};
use roan_examples::nginx::{Nginx, Program};
use tokio::net::TcpListener;

use crate::options::Choice;

/// A blog that is up.
pub(crate) struct Site {
    /// Where visitors go.
    pub(crate) address: SocketAddr,
    /// What Roan purges.
    pub(crate) cache: Cache,
    pub(crate) name: &'static str,
    /// nginx ends with it.
    pub(crate) _nginx: Option<Nginx>,
}

pub(crate) async fn serve(app: Router, choice: Choice) -> Result<Site, Box<dyn Error>> {
    let program = match choice {
        Choice::Embedded => None,
        Choice::Nginx => Some(Program::find()?),
        Choice::Best => Program::find().ok(),
    };
    match program {
        Some(program) => behind_nginx(app, &program).await,
        None => behind_the_embedded_cache(app).await,
    }
}

async fn behind_nginx(app: Router, program: &Program) -> Result<Site, Box<dyn Error>> {
    let nginx = Nginx::start(program, listen(app).await?).await?;
    Ok(Site {
        address: nginx.address(),
        cache: roan::Nginx::at(&format!("http://{}/purge", nginx.address()))?.into(),
        name: "nginx",
        _nginx: Some(nginx),
    })
}

async fn behind_the_embedded_cache(app: Router) -> Result<Site, Box<dyn Error>> {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    // The blog does not send caching headers. nginx has the same setting: `proxy_cache_valid 200 1y`.
    let pages = Embedded::builder().default_ttl(YEAR).build();
    Ok(Site {
        address: listen(app.layer(pages.layer())).await?,
        cache: pages.into(),
        name: "the cache in the program",
        _nginx: None,
    })
}

/// Serves the app on a free port that only this machine reaches.
pub(crate) async fn listen(app: Router) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}
