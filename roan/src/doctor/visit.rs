//! Requests to one node: for pages as visitors send them, and to its purge location.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use reqwest::{Client, Request, Response, Url};

use super::status::{Shown, State, shown};
use crate::base::feature;
use crate::base::outcome::Failure;
use crate::base::site::Site;
use crate::base::target::Target;
use crate::purger::access::Access;
use crate::purger::http::{self as purger_http, Connecting, failure};

const CONNECTING: Connecting = Connecting {
    connect_timeout: Duration::from_secs(2),
    timeout: Duration::from_secs(20),
    concurrency: 1,
};

/// A page that is not read to its end is not stored by nginx, so the limit is far above that of any page.
const LONGEST_PAGE: usize = 256 * 1024 * 1024;

/// The header in which a purge location names its key.
const KEY: &str = "x-roan-purge";

/// One response.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) shown: Option<Shown>,
}

impl Seen {
    pub(super) fn state(&self) -> Option<State> {
        self.shown.as_ref().map(|shown| shown.state)
    }

    pub(super) fn is_cached(&self) -> bool {
        self.state() == Some(State::Cached)
    }

    /// All lines of a header, as one list (RFC 9110, section 5.3).
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all(name).into_iter();
        let lines: Vec<_> = lines
            .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
            .collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// The key that a purge location named.
    pub(super) fn key(&self) -> Option<String> {
        self.header(KEY)
    }

    /// Status and cache status, for messages.
    pub(super) fn told(&self) -> String {
        match &self.shown {
            Some(shown) => format!("status {}, {shown}", self.status),
            None => format!("status {}", self.status),
        }
    }
}

/// Sends requests to one node.
pub(super) struct Visitor {
    http: Client,
    /// Scheme, host and port that URLs of pages are appended to.
    origin: String,
    site: Site,
    /// Whether the connection has another scheme than visitors have.
    is_forwarded: bool,
    pub(super) access: Option<Access>,
    /// Why visits are not by TLS, though visitors come so.
    pub(super) without_tls: Option<String>,
}

impl Visitor {
    /// Finds out where the node serves the pages of the site.
    pub(super) async fn new(access: Option<Access>, site: &Site) -> Result<Self, Failure> {
        let described = |error: crate::ConfigError| Failure::Connect(error.to_string());
        let site_scheme = site.scheme();
        let Some(access) = access else {
            let scheme = site_scheme.unwrap_or("https");
            return Ok(Self {
                http: purger_http::client(&CONNECTING, true).map_err(described)?,
                origin: format!("{scheme}://{}", site.authority()),
                site: site.clone(),
                is_forwarded: false,
                access: None,
                without_tls: None,
            });
        };
        let is_other =
            site_scheme.is_some_and(|scheme| !access.origin.starts_with(&format!("{scheme}://")));
        let mut visitor = Self {
            http: access.http.clone(),
            origin: access.origin.clone(),
            site: site.clone(),
            is_forwarded: is_other,
            access: Some(access),
            without_tls: None,
        };
        // Visitors come by TLS, the purges do not: the same server most often has both.
        if is_other && site_scheme == Some("https") {
            match visitor.by_tls().await {
                Ok(direct) => visitor = direct,
                Err(why) => visitor.without_tls = Some(why),
            }
        }
        Ok(visitor)
    }

    /// The same node at the port of https, if it serves the site there.
    async fn by_tls(&self) -> Result<Self, String> {
        if cfg!(not(feature = "rustls")) {
            return Err(format!("Roan {}", feature::needs("rustls")));
        }
        let origin = format!("https://{}", self.site.authority());
        let (Some(node), Some(port)) = (self.host(), default_port(&origin)) else {
            return Err(format!("{origin} is not a URL"));
        };
        let addr = tokio::net::lookup_host((&*node, port)).await;
        let addr = addr.map_err(|error| error.to_string())?.next();
        let addr = addr.ok_or_else(|| format!("{node} has no address"))?;
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECTING.connect_timeout)
            .timeout(CONNECTING.timeout)
            .no_proxy()
            .http1_only()
            .resolve(self.site.host(), addr)
            .build()
            .map_err(|error| error.to_string())?;
        let visitor = Self {
            http,
            origin,
            site: self.site.clone(),
            is_forwarded: false,
            access: self.access.clone(),
            without_tls: None,
        };
        let root = Target::url("/").map_err(|error| error.to_string())?;
        match visitor.get(&root, &[]).await {
            Ok(_) => Ok(visitor),
            Err(failure) => Err(format!("{addr}: {failure}")),
        }
    }

    /// The host of the node, without a port.
    fn host(&self) -> Option<String> {
        let access = self.access.as_ref()?;
        let url = Url::parse(&access.origin).ok()?;
        Some(url.host_str()?.trim_matches(['[', ']']).to_owned())
    }

    /// Where pages are asked for.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Asks for a page as a visitor.
    pub(super) async fn get(
        &self,
        page: &Target,
        headers: &[(&str, &str)],
    ) -> Result<Seen, Failure> {
        self.get_at(page, self.site.authority(), headers).await
    }

    /// The same with another `Host`.
    pub(super) async fn get_at(
        &self,
        page: &Target,
        host: &str,
        headers: &[(&str, &str)],
    ) -> Result<Seen, Failure> {
        let mut request = self.request(Method::GET, &self.origin, page.as_str(), host)?;
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                request.headers_mut().append(name, value);
            }
        }
        let again = request.try_clone();
        match (send(&self.http, request).await, again) {
            // A GET may be sent again (RFC 9110, section 9.2.2): a process of the server may have ended.
            (Err(Failure::Connection(_)), Some(again)) => send(&self.http, again).await,
            (seen, _) => seen,
        }
    }

    /// Asks the purge location, as a purge does, and shows its whole answer. `None` if there is no purge location.
    pub(super) async fn ask_to_purge(
        &self,
        page: &str,
        host: &str,
        from: Option<IpAddr>,
    ) -> Option<Result<Seen, Failure>> {
        let access = self.access.as_ref()?;
        let method = access.purge.clone()?;
        let url = format!("{}{page}", access.path);
        let mut request = match self.request(method, &access.origin, &url, host) {
            Ok(request) => request,
            Err(failure) => return Some(Err(failure)),
        };
        let http = match from {
            None => access.http.clone(),
            Some(from) => {
                let builder = Client::builder()
                    .redirect(reqwest::redirect::Policy::none())
                    .connect_timeout(CONNECTING.connect_timeout)
                    .timeout(CONNECTING.timeout)
                    .no_proxy()
                    .local_address(from);
                builder.build().ok()?
            }
        };
        // A stranger has neither token nor password.
        if from.is_none() {
            for (name, value) in &access.headers {
                request.headers_mut().insert(name, value.clone());
            }
        }
        Some(send(&http, request).await)
    }

    /// An address of the purge location's server, if it is this machine.
    pub(super) fn is_on_loopback(&self) -> bool {
        self.host().is_some_and(|host| {
            host == "localhost" || host.parse().is_ok_and(|addr: IpAddr| addr.is_loopback())
        })
    }

    fn request(
        &self,
        method: Method,
        origin: &str,
        page: &str,
        host: &str,
    ) -> Result<Request, Failure> {
        let text = format!("{origin}{page}");
        let url = Url::parse(&text).ok().filter(|url| url.as_str() == text);
        let changed = || Failure::Connection(format!("the HTTP client would change {text}"));
        let mut request = Request::new(method, url.ok_or_else(changed)?);
        let value = HeaderValue::from_str(host)
            .map_err(|_| Failure::Connection(format!("{host:?} cannot be sent as `Host`")))?;
        request.headers_mut().insert(HOST, value);
        if self.is_forwarded
            && let Some(scheme) = self.site.scheme()
        {
            // As the server that terminates TLS in front of the node does.
            let scheme = if scheme == "https" { "https" } else { "http" };
            request
                .headers_mut()
                .insert("x-forwarded-proto", HeaderValue::from_static(scheme));
        }
        Ok(request)
    }
}

async fn send(http: &Client, request: Request) -> Result<Seen, Failure> {
    let mut response = http.execute(request).await.map_err(failure)?;
    read_to_end(&mut response).await?;
    Ok(Seen {
        status: response.status().as_u16(),
        shown: shown(response.headers()),
        headers: response.headers().clone(),
    })
}

async fn read_to_end(response: &mut Response) -> Result<(), Failure> {
    let mut read = 0;
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        read += chunk.len();
        if read > LONGEST_PAGE {
            return Err(Failure::Connection(
                "the page is longer than 256 MiB".to_owned(),
            ));
        }
    }
    Ok(())
}

fn default_port(origin: &str) -> Option<u16> {
    Url::parse(origin).ok()?.port_or_known_default()
}

/// Asks the app itself for a page.
pub(super) async fn ask_app(app: &str, page: &Target, site: &Site) -> Result<Seen, Failure> {
    let described = |error: crate::ConfigError| Failure::Connect(error.to_string());
    let visitor = Visitor {
        http: purger_http::client(&CONNECTING, false).map_err(described)?,
        origin: app.trim_end_matches('/').to_owned(),
        site: site.clone(),
        is_forwarded: site.scheme() == Some("https"),
        access: None,
        without_tls: None,
    };
    visitor.get(page, &[]).await
}

/// An address of this machine that other machines see. Nothing is sent to find it.
pub(super) fn own_address() -> Option<IpAddr> {
    // TEST-NET-1 of RFC 5737: nobody has it.
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 9));
    let socket = std::net::UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(elsewhere).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}
