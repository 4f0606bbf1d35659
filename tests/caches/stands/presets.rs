//! The presets of `HttpPurger`, each before a stand-in of the cache's API that takes the documented requests only: a request
//! with another method, path, header or body is answered by 400.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use roan::Cache;
use roan::purger::HttpPurger;
use roan_tests::{Background, Edge, HOST, Select};
use serde_json::{Value, json};

use crate::stand::{Fault, Setup, Stand};

/// A request, as the stand-in got it.
struct Asked {
    method: String,
    target: String,
    host: String,
    headers: HeaderMap,
    body: String,
}

impl Asked {
    /// All headers but those of any HTTP client.
    fn other_headers(&self) -> Vec<(&str, &str)> {
        let usual = ["host", "accept", "user-agent", "content-length"];
        let headers = self.headers.iter();
        headers
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("not ASCII")))
            .filter(|(name, _)| !usual.contains(name))
            .collect()
    }

    fn is(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> bool {
        self.method == method && self.target == target && self.other_headers() == headers
    }
}

/// The status for a request. `None` if it is not one of those in the documents.
type Api = fn(&Edge, &Asked) -> Option<u16>;

/// How Roan is configured with the addresses of the APIs.
type Configured = fn(&[SocketAddr]) -> HttpPurger;

struct Preset {
    nodes: Vec<Node>,
    configured: Configured,
    leaves_out: &'static [&'static str],
}

struct Node {
    edge: Edge,
    api: SocketAddr,
    is_overloaded: Arc<AtomicBool>,
    _server: Background,
}

impl Node {
    fn start(app: SocketAddr, tag_header: &'static str, api: Api, setup: Setup) -> Self {
        let edge = Edge::start_before(app, tag_header);
        let is_overloaded = Arc::<AtomicBool>::default();
        let answer = {
            let (edge, is_overloaded) = (edge.clone(), Arc::clone(&is_overloaded));
            move |request: Request| {
                let (edge, is_overloaded) = (edge.clone(), Arc::clone(&is_overloaded));
                async move {
                    match setup {
                        Setup::Right if is_overloaded.load(Ordering::SeqCst) => {
                            (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "1")])
                                .into_response()
                        }
                        Setup::Right => answer(&edge, api, request).await,
                        Setup::UnknownMethod => StatusCode::METHOD_NOT_ALLOWED.into_response(),
                        Setup::Refusing => StatusCode::FORBIDDEN.into_response(),
                    }
                }
            }
        };
        let (server, api) = Background::serve("api", |listener| async move {
            let served = axum::serve(listener, Router::new().fallback(answer)).await;
            served.expect("the API keeps serving");
        });
        Self {
            edge,
            api,
            is_overloaded,
            _server: server,
        }
    }
}

async fn answer(edge: &Edge, api: Api, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let header = |name: &str| {
        let value = parts.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let asked = Asked {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        host: header("host"),
        body: String::from_utf8_lossy(&body).into_owned(),
        headers: parts.headers,
    };
    let status = api(edge, &asked).unwrap_or(400);
    StatusCode::from_u16(status)
        .expect("a status")
        .into_response()
}

fn start(
    apps: &[SocketAddr],
    setup: Setup,
    tag_header: &'static str,
    api: Api,
    configured: Configured,
    leaves_out: &'static [&'static str],
) -> Option<Box<dyn Stand>> {
    let nodes = apps
        .iter()
        .map(|app| Node::start(*app, tag_header, api, setup));
    Some(Box::new(Preset {
        nodes: nodes.collect(),
        configured,
        leaves_out,
    }))
}

fn with_nodes(mut http: HttpPurger, apis: &[SocketAddr], path: &str) -> HttpPurger {
    for api in &apis[1..] {
        http = http.node(&format!("http://{api}{path}")).unwrap();
    }
    http
}

impl Stand for Preset {
    fn nodes(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.edge.addr()).collect()
    }

    fn caches(&self) -> Vec<Cache> {
        let apis: Vec<_> = self.nodes.iter().map(|node| node.api).collect();
        vec![(self.configured)(&apis).into()]
    }

    fn leaves_out(&self) -> &'static [&'static str] {
        self.leaves_out
    }

    fn fail(&mut self, node: usize, fault: Fault) -> bool {
        let is_overload = fault == Fault::Overloaded;
        self.nodes[node]
            .is_overloaded
            .store(is_overload, Ordering::SeqCst);
        is_overload
    }

    fn mend(&mut self, node: usize, _fault: Fault) {
        self.nodes[node]
            .is_overloaded
            .store(false, Ordering::SeqCst);
    }
}

const PURGED: Option<u16> = Some(200);

/// `https://github.com/darkweak/souin#souin-api`
pub(crate) fn souin(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    fn api(edge: &Edge, asked: &Asked) -> Option<u16> {
        let path = asked.target.strip_prefix("/souin-api/souin")?;
        if asked.method != "PURGE" || !asked.body.is_empty() {
            return None;
        }
        if path.is_empty() {
            let [("surrogate-key", tags)] = asked.other_headers()[..] else {
                return None;
            };
            tags.split(", ")
                .for_each(|tag| _ = edge.purge(Select::Tag(tag)));
        } else if !asked.other_headers().is_empty() {
            return None;
        } else if path == "/flush" {
            edge.purge(Select::Everything);
        } else {
            let (host, url) = path.strip_prefix("/GET-http-")?.split_once("-/")?;
            edge.purge(Select::Url(host, &format!("/{url}")));
        }
        Some(204)
    }
    // Roan refuses URLs that Souin decodes.
    const DECODED: &[&str] = &[
        "/caf%C3%A9",
        "/caf%c3%a9",
        "/a%20b",
        "/docs/v1%2Fpage",
        "/a%2Fb",
        "/a%252Fb",
        "/100%25",
        "/line%0Abreak",
        "/bare?",
    ];
    let configured = |apis: &[SocketAddr]| {
        let path = "/souin-api/souin";
        let souin = HttpPurger::souin(&format!("http://{}{path}", apis[0]));
        with_nodes(souin.unwrap(), apis, path)
    };
    start(apps, setup, "surrogate-key", api, configured, DECODED)
}

/// `https://docs.rs/pingora-proxy/latest/pingora_proxy/trait.ProxyHttp.html#method.is_purge`
pub(crate) fn pingora(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    fn api(edge: &Edge, asked: &Asked) -> Option<u16> {
        if !asked.is("PURGE", &asked.target, &[]) || !asked.body.is_empty() {
            return None;
        }
        match edge.purge(Select::Url(&asked.host, &asked.target)) {
            0 => Some(404),
            _ => PURGED,
        }
    }
    let configured = |apis: &[SocketAddr]| {
        let pingora = HttpPurger::pingora(&format!("http://{}", apis[0]));
        with_nodes(pingora.unwrap(), apis, "")
    };
    start(apps, setup, "cache-tag", api, configured, &[])
}

/// `https://datatracker.ietf.org/doc/html/draft-nottingham-http-invalidation-01`
pub(crate) fn http_invalidation(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    fn api(edge: &Edge, asked: &Asked) -> Option<u16> {
        if !asked.is(
            "POST",
            "/invalidation",
            &[("content-type", "application/json")],
        ) {
            return None;
        }
        let event: Value = serde_json::from_str(&asked.body).ok()?;
        let texts = |member: &str| -> Option<Vec<&str>> {
            event[member]
                .as_array()?
                .iter()
                .map(Value::as_str)
                .collect()
        };
        let selectors = texts("selectors")?;
        let mut expected = json!({ "type": event["type"], "selectors": selectors });
        let is_group = event["type"] == "group";
        if is_group {
            expected["groups"] = json!(texts("groups")?);
        }
        if event != expected || selectors.is_empty() {
            return None;
        }
        for selector in selectors {
            let rest = selector.strip_prefix("http://")?;
            let (authority, url) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            // The port is always present in an origin, and never the default one in these URIs.
            let is_origin = is_group || event["type"] == "origin";
            if is_origin != url.is_empty() || is_origin && !authority.contains(':') {
                return None;
            }
            let host = authority.strip_suffix(":80").unwrap_or(authority);
            match event["type"].as_str()? {
                "uri" => _ = edge.purge(Select::Url(host, url)),
                "uri-prefix" => _ = edge.purge(Select::Prefix(host, url)),
                "origin" => _ = edge.purge(Select::Host(host)),
                "group" => {
                    for group in texts("groups")? {
                        edge.purge(Select::Tag(&format!("\"{group}\"")));
                    }
                }
                _ => return Some(501),
            }
        }
        PURGED
    }
    let configured = |apis: &[SocketAddr]| {
        let path = "/invalidation";
        let cache = HttpPurger::http_invalidation(&format!("http://{}{path}", apis[0]));
        with_nodes(cache.unwrap(), apis, path)
    };
    start(apps, setup, "cache-groups", api, configured, &[])
}

/// `https://docs.bunny.net/reference/purgepublic_indexpost` and `pullzonepublic_purgecachepostbytag`.
pub(crate) fn bunny(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    const KEY: (&str, &str) = ("accesskey", "the-key");
    const JSON: (&str, &str) = ("content-type", "application/json");

    fn api(edge: &Edge, asked: &Asked) -> Option<u16> {
        if asked.other_headers().iter().all(|header| *header != KEY) {
            return Some(401);
        }
        if let Some(query) = asked.target.strip_prefix("/purge?url=") {
            if !asked.is("POST", &asked.target, &[KEY]) || !asked.body.is_empty() {
                return None;
            }
            let (encoded, is_exact) = match query.strip_suffix("&exactPath=true") {
                Some(encoded) => (encoded, true),
                None => (query, false),
            };
            if encoded.contains(['&', '=', '/', '+']) {
                return None;
            }
            let url = percent_encoding::percent_decode_str(encoded)
                .decode_utf8()
                .ok()?;
            let rest = url.strip_prefix("http://")?;
            let (host, path) = rest.split_at(rest.find('/')?);
            let select = match !is_exact && path.ends_with('/') {
                true => Select::Prefix(host, path),
                false => Select::Url(host, path),
            };
            edge.purge(select);
            return PURGED;
        }
        if asked.is("POST", "/pullzone/12345/purgeCache", &[KEY]) && asked.body.is_empty() {
            edge.purge(Select::Everything);
            return PURGED;
        }
        // The order of headers does not matter.
        let mut headers = asked.other_headers();
        headers.sort_unstable();
        if (&*asked.method, &*asked.target, headers)
            != ("POST", "/pullzone/12345/purgeCache", vec![KEY, JSON])
        {
            return None;
        }
        let body: Value = serde_json::from_str(&asked.body).ok()?;
        let tag = body["CacheTag"].as_str()?;
        if body != json!({ "CacheTag": tag }) {
            return None;
        }
        edge.purge(Select::Tag(tag));
        PURGED
    }
    let configured = |apis: &[SocketAddr]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "the-key\n").unwrap();
        let bunny = HttpPurger::bunny(&format!("http://{}", apis[0]), 12345).unwrap();
        let bunny = bunny.header_from_file("AccessKey", &file).unwrap();
        assert!(!format!("{bunny:?}").contains("the-key"));
        with_nodes(bunny, apis, "")
    };
    start(apps, setup, "cdn-tag", api, configured, &["/*"])
}

#[test]
fn a_request_that_is_not_in_the_documents_is_answered_by_400() {
    let stand = Node::start(([127, 0, 0, 1], 9).into(), "x", |_, _| None, Setup::Right);
    let answer = roan_tests::Browser::new(stand.api).at_host(HOST).get("/");
    assert_eq!(answer.status, 400);
}
