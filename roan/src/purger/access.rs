//! How to reach one server of a cache, for what a purge does not show.

use http::{HeaderMap, Method};
use reqwest::Client;

/// The servers whose configuration the doctor can mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Software {
    Nginx,
    Varnish,
    Squid,
    TrafficServer,
    Other,
}

/// One server as an HTTP client reaches it.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) http: Client,
    /// Scheme, host and port of the server, as `http://10.0.0.11:8080`.
    pub(crate) origin: String,
    /// The path that the URL of a page is appended to in a purge: `/purge`, or empty.
    pub(crate) path: String,
    /// The method of a purge. `None` if the pages are not purged by requests to `path`.
    pub(crate) purge: Option<Method>,
    /// What the server is.
    pub(crate) software: Software,
    /// What is sent with a purge, secrets included.
    pub(crate) headers: HeaderMap,
}
