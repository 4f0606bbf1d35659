//! Which requests are refused: those of other sites, and without authentication those of other machines.

use std::net::IpAddr;

use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Version};

use super::service::Problem;

/// The page sends it with each action. A form cannot, and a script of another site has to ask first (CORS), which is refused.
const ACTION: &str = "x-roan-dashboard";

/// <https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>: browsers send it to `https` and to `localhost`.
const FETCH_SITE: &str = "sec-fetch-site";

/// What proxies say about where a request came from.
const FORWARDED: [&str; 7] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-real-ip",
];

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or("not ASCII"))
}

fn forbidden(text: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, text)
}

/// What a browser asks for on behalf of another site is refused: live updates take places.
pub(super) fn is_same_site(head: &Parts) -> Result<(), Problem> {
    match text(&head.headers, FETCH_SITE) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(site) => Err(forbidden(format!(
            "another site asks for this (`Sec-Fetch-Site: {site}`): open the dashboard itself"
        ))),
    }
}

/// A change must come from the page itself. No other site can make a browser send such a request.
pub(super) fn is_from_the_page(head: &Parts) -> Result<(), Problem> {
    let headers = &head.headers;
    let kind = text(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let problem = "an action is JSON: send it with `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem));
    }
    if text(headers, ACTION) != Some("1") {
        return Err(forbidden(
            "an action needs the header `X-Roan-Dashboard: 1`",
        ));
    }
    match text(headers, FETCH_SITE) {
        Some("same-origin") => Ok(()),
        Some(site) => Err(forbidden(format!(
            "the action comes from another site (`Sec-Fetch-Site: {site}`): use the dashboard's own page"
        ))),
        None => is_own_origin(head),
    }
}

/// For browsers that do not send `Sec-Fetch-Site`: over plain HTTP, and old ones.
fn is_own_origin(head: &Parts) -> Result<(), Problem> {
    let Some(origin) = text(&head.headers, ORIGIN.as_str()) else {
        // Not a browser.
        return Ok(());
    };
    let host = host_of(head).unwrap_or_default();
    let of_origin = origin.split_once("://").map_or("", |(_, host)| host);
    // nginx's `$host` does not have the port.
    let is_same = of_origin.eq_ignore_ascii_case(host)
        || port_of(host).is_none() && name_of(of_origin).eq_ignore_ascii_case(host);
    if is_same && !host.is_empty() {
        return Ok(());
    }
    Err(forbidden(format!(
        "the action comes from {origin:?}, and the dashboard is at {host:?}. If these are one, the proxy between them \
         changes `Host`: let it pass on that of the browser (nginx: `proxy_set_header Host $http_host;`)"
    )))
}

fn host_of(head: &Parts) -> Option<&str> {
    let in_uri = head.uri.authority().map(|authority| authority.as_str());
    in_uri.or_else(|| text(&head.headers, HOST.as_str()))
}

/// Where the port begins, if there is one.
fn port_of(host: &str) -> Option<usize> {
    let after_address = host.rfind(']').map_or(0, |end| end + 1);
    host[after_address..].find(':').map(|at| after_address + at)
}

fn name_of(host: &str) -> &str {
    &host[..port_of(host).unwrap_or(host.len())]
}

/// Whether a request is one of a browser on this machine to this machine.
pub(super) fn is_on_this_machine(head: &Parts) -> Result<(), Problem> {
    const ADVICE: &str = "put your authentication in front of the dashboard, and write \
                          `Dashboard::new(&roan).behind_auth()`";
    let host = host_of(head).unwrap_or_default();
    if !is_loopback(name_of(host)) {
        return Err(forbidden(format!(
            "this dashboard has no authentication, and is only for `localhost`; this request is for {host:?}: {ADVICE}"
        )));
    }
    // nginx may have cleared some of them.
    let is_there = |name: &&str| {
        let value = head.headers.get(*name);
        value.is_some_and(|value| !value.is_empty())
    };
    if let Some(name) = FORWARDED.iter().find(|name| is_there(name)) {
        return Err(forbidden(format!(
            "this dashboard has no authentication, and a proxy has forwarded this request (`{name}`): ask the program \
             itself, or {ADVICE}"
        )));
    }
    // Browsers and their tools have not sent it for decades; nginx before 1.29.7 does, unless it is configured otherwise.
    if head.version < Version::HTTP_11 {
        return Err(forbidden(format!(
            "this dashboard has no authentication, and a proxy has forwarded this request (HTTP/1.0): ask the program \
             itself, or {ADVICE}"
        )));
    }
    // A proxy may hide all of that, but a browser says of each action where it comes from.
    if let Some(origin) = text(&head.headers, ORIGIN.as_str()) {
        let of_origin = origin.split_once("://").map_or("", |(_, host)| host);
        if !is_loopback(name_of(of_origin)) {
            return Err(forbidden(format!(
                "this dashboard has no authentication, and is only for `localhost`; this request comes from {origin:?}: {ADVICE}"
            )));
        }
    }
    Ok(())
}

fn is_loopback(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let name = name.to_ascii_lowercase();
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        // Browsers do not ask a name server for these (RFC 6761, section 6.3).
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn acts(headers: &[(&str, &str)]) -> bool {
        let own = [("content-type", "application/json"), (ACTION, "1")];
        is_from_the_page(&head("/", &[&own, headers].concat())).is_ok()
    }

    #[test]
    fn an_action_needs_what_no_form_can_send() {
        assert!(acts(&[]));
        for headers in [
            &[][..],
            &[("content-type", "application/json")],
            &[(ACTION, "1")],
            &[(ACTION, "1"), ("content-type", "text/plain")],
            &[
                (ACTION, "1"),
                ("content-type", "application/x-www-form-urlencoded"),
            ],
            &[(ACTION, "0"), ("content-type", "application/json")],
        ] {
            assert!(
                is_from_the_page(&head("/", headers)).is_err(),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn an_action_of_another_site_is_refused() {
        assert!(acts(&[("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!acts(&[("sec-fetch-site", site)]), "{site}");
        }
        let host = ("host", "admin.example.org:8443");
        assert!(acts(&[host, ("origin", "https://admin.example.org:8443")]));
        assert!(acts(&[
            ("host", "admin.example.org"),
            ("origin", "https://admin.example.org:8443")
        ]));
        for origin in [
            "null",
            "",
            "https://admin.example.org",
            "https://example.org:8443",
            "https://evil.example",
            "https://admin.example.org:8443.evil.example",
        ] {
            assert!(!acts(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(!acts(&[("origin", "https://evil.example")]));
        assert!(!acts(&[("host", ""), ("origin", "")]));
    }

    #[test]
    fn without_authentication_only_this_machine_is_served() {
        let is_here = |host, more: &[(&str, &str)]| {
            is_on_this_machine(&head("/", &[&[("host", host)], more].concat())).is_ok()
        };
        for host in [
            "localhost",
            "LocalHost:3000",
            "blog.localhost",
            "127.0.0.1:3000",
            "127.8.8.8",
            "[::1]",
            "[::1]:3000",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(is_here(host, &[]), "{host}");
        }
        for host in [
            "",
            "www.example.org",
            "localhost.evil.example",
            "127.0.0.1.evil.example:3000",
            "192.168.1.10:3000",
            "0.0.0.0",
            "[::]",
            "notlocalhost",
        ] {
            assert!(!is_here(host, &[]), "{host}");
        }
        let mut old = head("/", &[("host", "localhost")]);
        old.version = Version::HTTP_10;
        assert!(is_on_this_machine(&old).is_err());
        for (origin, expected) in [
            ("http://localhost:3000", true),
            ("http://[::1]:3000", true),
            ("https://www.example.org", false),
            ("https://localhost.evil.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(
                is_here("localhost", &[("origin", origin)]),
                expected,
                "{origin}"
            );
        }
        for name in FORWARDED {
            assert!(!is_here("localhost", &[(name, "x")]), "{name}");
            assert!(is_here("localhost", &[(name, "")]), "{name}");
        }
    }
}
