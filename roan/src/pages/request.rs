//! The page that a request asks for.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// Host and port of the URL if it has a host, else those of the only `Host` header (RFC 9112, section 3.2.2).
pub(crate) fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut lines = headers.get_all(HOST).iter();
    match (uri.authority(), lines.next(), lines.next()) {
        (Some(authority), ..) => Some(authority.clone()),
        (None, Some(line), None) => line.to_str().ok()?.parse().ok(),
        _ => None,
    }
}

/// The host, as nginx's `$host`: in lower case, without a port.
pub(crate) fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let host = authority(uri, headers)?.host().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    (!host.is_empty()).then(|| host.to_owned())
}
