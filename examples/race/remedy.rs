//! What may be done against stale pages.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use roan::{Roan, purge_on};
use roan_examples::episodes::Site;
use roan_examples::nginx::{Nginx, Program};
use tokio::net::TcpListener;

use crate::app::{Rows, app};

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// One purge.
    Nothing,
    /// A second purge, so long after the first.
    Rebound(Duration),
}

const LONG: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_millis(50);

#[purge_on(save, url = "/race/{0}")]
struct Page(u64);

/// A site with one of them.
pub(crate) struct Raced {
    nginx: Nginx,
    roan: Roan,
    rows: Rows,
}

impl Remedy {
    pub(crate) const ALL: [Self; 3] = [Self::Nothing, Self::Rebound(LONG), Self::Rebound(SHORT)];

    pub(crate) fn name(self) -> String {
        match self {
            Self::Nothing => "one purge".to_owned(),
            Self::Rebound(delay) => format!("and {} ms later", delay.as_millis()),
        }
    }

    pub(crate) async fn start(
        self,
        program: &Program,
        slow: bool,
    ) -> Result<Raced, Box<dyn Error>> {
        let rows = Rows::new(slow);
        let rebound = match self {
            Self::Nothing => None,
            Self::Rebound(delay) => Some(delay),
        };
        let nginx = Nginx::start(program, listen(app(rows.clone())).await?).await?;
        let address = nginx.address();
        let roan = Roan::builder()
            .cache(roan::Nginx::at(&format!("http://{address}/purge"))?)
            .site(format!("http://{address}"))
            .rebound(rebound)
            .build()?;
        Ok(Raced { nginx, roan, rows })
    }
}

impl Raced {
    pub(crate) fn renders(&self) -> u64 {
        self.rows.renders()
    }
}

impl Site for Raced {
    fn url(&self, page: u64) -> String {
        format!("http://{}/race/{page}", self.nginx.address())
    }

    async fn write(&self, page: u64) -> Result<u64, String> {
        let number = self.rows.write(page);
        self.roan.saved(&Page(page));
        Ok(number)
    }

    async fn settle(&self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let stats = self.roan.stats();
            let mut nodes = stats.nodes.iter();
            if stats.waiting == 0 && nodes.all(|node| node.pending + node.rebounds == 0) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("purges have waited for 30 s".to_owned())
    }
}

/// Serves the app on a free port that only this machine reaches.
async fn listen(app: axum::Router) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}
