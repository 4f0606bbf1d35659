//! The URL that a server returns as purged.

use http::HeaderName;

use super::Server;
use crate::base::site::Site;

/// The header in which the configurations of the guide return the URL.
pub(super) const ECHO: HeaderName = HeaderName::from_static("x-roan-purge");

/// Whether the server has purged that page. The scheme is that of the server's port, which nobody else knows.
pub(super) fn is_right(echo: &[u8], server: &Server, site: &Site, url: &str) -> bool {
    let Ok(echo) = std::str::from_utf8(echo) else {
        return false;
    };
    let Some((_, rest)) = echo.split_once("://") else {
        return false;
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // Of most URLs there is one spelling.
    let is_path = || path == url || (server.plain)(path) == (server.plain)(url);
    is_host(authority, site) && is_path()
}

/// Servers leave out a port that is the default of the scheme.
fn is_host(authority: &str, site: &Site) -> bool {
    let own = site.authority();
    let is_default = |port: &str| matches!(port, ":80" | ":443");
    authority.eq_ignore_ascii_case(own)
        || [(authority, own), (own, authority)]
            .iter()
            .any(|(long, short)| {
                let Some((start, port)) = long.split_at_checked(short.len()) else {
                    return false;
                };
                start.eq_ignore_ascii_case(short) && is_default(port)
            })
}

#[cfg(test)]
mod tests {
    use super::super::squid::SQUID;
    use super::super::traffic_server::TRAFFIC_SERVER;
    use super::*;

    #[test]
    fn the_page_of_another_host_or_url_is_not_the_right_one() {
        let site: Site = "www.example.org".parse().unwrap();
        for server in [&SQUID, &TRAFFIC_SERVER] {
            let right = |echo: &str, url: &str| is_right(echo.as_bytes(), server, &site, url);
            assert!(right("http://www.example.org/a%2Fb?x=%20", "/a%2Fb?x=%20"));
            assert!(right("https://WWW.example.org:443/a", "/a"));
            for echo in [
                "http://www.example.org/b",
                "http://www.example.org/a?",
                "http://www.example.org:8080/b?c",
                "http://example.org/b?c",
                "http://www.example.orgg/b?c",
                "http://www.example.org/B?c",
                "/b?c",
                "passed to the app",
                "",
            ] {
                assert!(!right(echo, "/b?c"), "{echo}");
            }
        }
    }

    #[test]
    fn each_server_has_its_own_spelling() {
        let site: Site = "a.test:8080".parse().unwrap();
        let squid = |path: &str, url: &str| {
            is_right(
                format!("http://a.test:8080{path}").as_bytes(),
                &SQUID,
                &site,
                url,
            )
        };
        assert!(squid("/it%27s", "/it's"));
        assert!(squid("/~user", "/~user"));
        assert!(!squid("/x", "//x"));
        assert!(!squid("/x", "/x?"));
        let traffic_server = |path: &str, url: &str| {
            let echo = format!("http://a.test:8080{path}");
            is_right(echo.as_bytes(), &TRAFFIC_SERVER, &site, url)
        };
        assert!(traffic_server("/x", "//x"));
        assert!(traffic_server("/x", "/x?"));
        assert!(traffic_server("/x", "/x;"));
        assert!(traffic_server("/x/", "/x/"));
        assert!(!traffic_server("/x", "/x/"));
        assert!(!traffic_server("/x", "/x??"));
    }
}
