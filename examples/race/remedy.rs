//! What may be done against stale pages.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use roan::web::Web;
use roan::{Cache, Embedded, Roan, purge_on};
use roan_examples::episodes::Site;
use roan_examples::nginx::{Nginx, Program};
use roan_examples::settling::settle;
use tokio::net::TcpListener;

use crate::app::{Rows, app};

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remedy {
    pub(crate) name: &'static str,
    cache: Kind,
    /// When the same page is purged once more.
    rebound: Option<Duration>,
    /// Whether the web layer keeps out what was rendered before a purge.
    fence: bool,
}

impl Remedy {
    /// Whether no page may stay stale with it, however slow a render is.
    pub(crate) fn is_sure(self) -> bool {
        self.cache == Kind::Embedded || self.fence && self.rebound.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Purge,
    Refresh,
    Embedded,
}

const LONG: Option<Duration> = Some(Duration::from_secs(2));
const SHORT: Option<Duration> = Some(Duration::from_millis(50));
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const SECRET: &str = "0123456789abcdef0123456789abcdef";

impl Remedy {
    pub(crate) const ALL: [Self; 8] = [
        Self::new("purge", Kind::Purge, None, false),
        Self::new("purge, again in 2 s", Kind::Purge, LONG, false),
        Self::new("purge, again in 50 ms", Kind::Purge, SHORT, false),
        Self::new("refresh", Kind::Refresh, None, false),
        Self::new("refresh, again in 50 ms", Kind::Refresh, SHORT, false),
        Self::new("fence, purge", Kind::Purge, None, true),
        Self::new("embedded cache", Kind::Embedded, None, false),
        Self::new("fence, purge, again in 50 ms", Kind::Purge, SHORT, true),
    ];

    const fn new(name: &'static str, cache: Kind, rebound: Option<Duration>, fence: bool) -> Self {
        Self {
            name,
            cache,
            rebound,
            fence,
        }
    }
}

#[purge_on(save, url = "/race/{0}")]
struct Page(u64);

/// A site with one of them.
pub(crate) struct Raced {
    address: SocketAddr,
    roan: Roan,
    rows: Rows,
    _nginx: Option<Nginx>,
}

impl Remedy {
    pub(crate) async fn start(
        self,
        program: &Program,
        slow: bool,
    ) -> Result<Raced, Box<dyn Error>> {
        let rows = Rows::new(slow);
        let mut app = app(rows.clone());
        // On a free port that only this machine reaches.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut address = listener.local_addr()?;
        let nginx = match self.cache {
            Kind::Purge => Some(Nginx::start(program, address).await?),
            Kind::Refresh => Some(Nginx::start_refreshing(program, address, SECRET).await?),
            Kind::Embedded => None,
        };
        if let Some(nginx) = &nginx {
            address = nginx.address();
        }
        let cache: Cache = match self.cache {
            Kind::Purge => roan::Nginx::at(&format!("http://{address}/purge"))?.into(),
            Kind::Refresh => roan::Nginx::at(&format!("http://{address}"))?
                .refresh(SECRET)?
                .into(),
            Kind::Embedded => {
                let pages = Embedded::builder().default_ttl(YEAR).build();
                app = app.layer(pages.layer());
                pages.into()
            }
        };
        let mut builder = Roan::builder()
            .cache(cache)
            .site(format!("http://{address}"))
            .rebound(self.rebound);
        if self.fence {
            builder = builder.web(Web::new());
        }
        let roan = builder.build()?;
        if self.fence {
            app = app.layer(roan.web()?);
        }
        tokio::spawn(axum::serve(listener, app).into_future());
        Ok(Raced {
            address,
            roan,
            rows,
            _nginx: nginx,
        })
    }
}

impl Raced {
    pub(crate) fn renders(&self) -> u64 {
        self.rows.renders()
    }
}

impl Site for Raced {
    fn url(&self, page: u64) -> String {
        format!("http://{}/race/{page}", self.address)
    }

    async fn write(&self, page: u64) -> Result<u64, String> {
        let number = self.rows.write(page);
        self.roan.saved(&Page(page));
        Ok(number)
    }

    async fn settle(&self) -> Result<(), String> {
        settle(&self.roan).await
    }
}
