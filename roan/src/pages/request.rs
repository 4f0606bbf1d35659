//! The page that a request asks for.

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// The host of the URL if it has one, else that of the only `Host` header (RFC 9112, section 3.2.2), as nginx's `$host`:
/// in lower case, without a port.
pub(crate) fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut lines = headers.get_all(HOST).iter();
    let host = match (uri.authority(), lines.next(), lines.next()) {
        (Some(authority), ..) => authority.host().to_ascii_lowercase(),
        (None, Some(line), None) => {
            let authority: Authority = line.to_str().ok()?.parse().ok()?;
            authority.host().to_ascii_lowercase()
        }
        _ => return None,
    };
    let host = host.strip_suffix('.').unwrap_or(&host);
    (!host.is_empty()).then(|| host.to_owned())
}
