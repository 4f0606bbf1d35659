//! Whether the URLs of rules are routes of an axum `Router`.

use std::fmt::{self, Write};
use std::future::{Ready, ready};
use std::task::{Context, Poll, Waker};

use http::header::ALLOW;
use http::{HeaderMap, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::base::rule::{Rule, RuleTarget};
use crate::base::target::{Target, TargetKind};

/// Asserts that each URL of the rules is a route of an axum `Router`, so that a typo in a rule does not show only later, as
/// a page that is never purged.
///
/// It takes the router of the app. Each `{field}` of a template becomes a segment of its own, and each `{field*}` two; so it
/// needs neither a row nor a database. The answer comes before any layer or handler of the app runs. A `GET` of a URL must
/// have a route; a prefix must have one whose path begins so. Tags, `host`, `everything` and related rows do not have a URL.
/// A page that only the fallback of the router serves is not a route.
///
/// ```standalone_crate
/// use axum::{Router, routing::get};
/// use roan::purge_on;
///
/// #[purge_on(save, delete, url = "/posts", url = "/posts/{slug}")]
/// struct Post { slug: String }
///
/// fn app() -> Router {
///     Router::new()
///         .route("/posts", get(async || "all posts"))
///         .route("/posts/{slug}", get(async || "one post"))
/// }
///
/// # /*
/// #[test]
/// # */
/// fn rules_lead_to_routes() {
///     roan::assert_routes!(app());
/// }
/// # rules_lead_to_routes();
/// ```
///
/// A second argument says what to check in place of all rules: [`Rule`](crate::Rule)s, or [`Target`](crate::Target)s, such
/// as those of a row. Only a row shows what the function of a `urls = ...` rule returns.
///
/// ```standalone_crate
/// # use axum::{Router, routing::get};
/// # #[roan::purge_on(save, urls = Post::pages)]
/// # struct Post;
/// # impl Post {
/// #     fn pages(&self) -> [&'static str; 1] { ["/posts"] }
/// #     fn sample() -> Self { Self }
/// # }
/// # fn app() -> Router { Router::new().route("/posts", get(async || "all posts")) }
/// roan::assert_routes!(app(), roan::explain::saved(&Post::sample()).targets());
/// // Another program serves the pages of the site `shop`:
/// roan::assert_routes!(app(), roan::rules().into_iter().filter(|rule| rule.site() != Some("shop")));
/// ```
///
/// It works with axum 0.8, by its `Router::route_layer` and `Router::fallback`. The router must have its state
/// (`with_state`).
///
/// # Panics
///
/// If a URL does not have a route, or its route does not answer `GET`. The message names all of them, with the rule, its
/// file and line, and the nearest route.
#[macro_export]
macro_rules! assert_routes {
    ($router:expr $(,)?) => {
        $crate::assert_routes!($router, $crate::rules())
    };
    ($router:expr, $what:expr $(,)?) => {{
        let router = $router;
        let listing = ::std::format!("{router:?}");
        let router = router
            .route_layer($crate::testing::RouteProbe)
            .fallback(async || ());
        if let ::std::option::Option::Some(message) =
            $crate::testing::unrouted(router, &listing, $what)
        {
            ::std::panic!("{message}");
        }
    }};
}

/// A layer around each route, which answers in its place.
#[derive(Debug, Clone, Copy)]
pub struct RouteProbe;

/// In the answer of a route.
#[derive(Debug, Clone, Copy)]
struct Matched;

impl<S> Layer<S> for RouteProbe {
    type Service = Self;

    fn layer(&self, _route: S) -> Self {
        Self
    }
}

impl<B> Service<Request<B>> for RouteProbe {
    type Response = Response<String>;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<B>) -> Self::Future {
        let mut answer = Response::new(String::new());
        answer.extensions_mut().insert(Matched);
        ready(Ok(answer))
    }
}

/// What to look for.
#[derive(Debug)]
pub struct Probe {
    /// The rule or target, for the message.
    shown: String,
    /// URLs, of which one must have a route. Empty for what does not have a URL.
    urls: Vec<String>,
    /// The path with which a route must begin, if any route that does will do.
    prefix: Option<String>,
}

/// A segment that is not the name of a page.
const SEGMENT: &str = "roan-sample";

impl Probe {
    fn new(shown: String, kind: TargetKind, text: &str) -> Self {
        let (urls, prefix) = match kind {
            TargetKind::Url => (vec![text.to_owned()], None),
            TargetKind::Prefix => {
                let below = ["", SEGMENT, "roan-sample/roan-sample"];
                let urls = below.map(|below| format!("{text}{below}"));
                (urls.to_vec(), Some(text.to_owned()))
            }
            TargetKind::Tag | TargetKind::Host | TargetKind::Everything => (Vec::new(), None),
        };
        Self {
            shown,
            urls,
            prefix,
        }
    }
}

impl From<&Rule> for Probe {
    fn from(rule: &Rule) -> Self {
        let (kind, template) = match rule.target() {
            RuleTarget::Url(template) => (TargetKind::Url, template),
            RuleTarget::Prefix(template) => (TargetKind::Prefix, template),
            _ => (TargetKind::Tag, ""),
        };
        Self::new(format!("rule {rule}"), kind, &filled(template))
    }
}

impl From<&&'static Rule> for Probe {
    fn from(rule: &&'static Rule) -> Self {
        Self::from(*rule)
    }
}

impl From<&Target> for Probe {
    fn from(target: &Target) -> Self {
        Self::new(format!("target {target}"), target.kind(), target.as_str())
    }
}

impl From<Target> for Probe {
    fn from(target: Target) -> Self {
        Self::from(&target)
    }
}

/// A template with a value in each place.
fn filled(template: &str) -> String {
    let mut url = String::new();
    let mut rest = template;
    while let Some((literal, capture)) = rest.split_once('{') {
        url += literal;
        let (capture, after) = capture.split_once('}').unwrap_or((capture, ""));
        url += SEGMENT;
        if capture.contains('*') {
            url += "/";
            url += SEGMENT;
        }
        rest = after;
    }
    url + rest
}

/// How the router answers a URL.
#[derive(Debug)]
enum Found {
    Route,
    /// There is a route, for these methods only.
    OtherMethods(String),
    Nothing,
}

/// Says which of them do not have a route, if any. `listing` is the router's `Debug`, which has its paths.
pub fn unrouted<R, B>(
    mut router: R,
    listing: &str,
    what: impl IntoIterator<Item: Into<Probe>>,
) -> Option<String>
where
    R: Service<Request<String>, Response = Response<B>>,
{
    let paths = paths(listing);
    let mut missing = Vec::new();
    for probe in what {
        let probe = probe.into();
        let begins_so = probe
            .prefix
            .as_deref()
            .is_some_and(|prefix| paths.iter().any(|path| begins(path, prefix)));
        let mut methods = None;
        let is_route = begins_so
            || probe.urls.iter().any(|url| match found(&mut router, url) {
                Found::Route => true,
                // A prefix means all pages below it, whichever they are.
                Found::OtherMethods(_) if probe.prefix.is_some() => true,
                Found::OtherMethods(others) => {
                    methods = Some(others);
                    false
                }
                Found::Nothing => false,
            });
        if let (false, Some(url)) = (is_route, probe.urls.first()) {
            let problem = match (methods, &probe.prefix) {
                (Some(methods), _) => Problem::OtherMethods(methods),
                (None, Some(_)) => Problem::NoneBelow,
                (None, None) => Problem::None {
                    otherwise: other_slash(url)
                        .filter(|url| matches!(found(&mut router, url), Found::Route)),
                },
            };
            missing.push(Missing {
                nearest: nearest(url, &paths),
                url: url.clone(),
                shown: probe.shown,
                problem,
            });
        }
    }
    (!missing.is_empty()).then(|| message(&missing))
}

struct Missing {
    shown: String,
    url: String,
    problem: Problem,
    nearest: Option<String>,
}

enum Problem {
    None {
        /// The same URL with or without a slash at the end, if that has a route.
        otherwise: Option<String>,
    },
    NoneBelow,
    OtherMethods(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}\n    ", self.shown)?;
        match &self.problem {
            Problem::OtherMethods(methods) => {
                return write!(f, "its route answers {methods}, and not GET {}", self.url);
            }
            Problem::NoneBelow => write!(f, "no route begins with {}", self.url)?,
            Problem::None { otherwise } => {
                write!(f, "no route for GET {}", self.url)?;
                if let Some(otherwise) = otherwise {
                    return write!(f, "; there is one for {otherwise}");
                }
            }
        }
        match &self.nearest {
            Some(nearest) => write!(f, "; the nearest route is {nearest}"),
            None => Ok(()),
        }
    }
}

fn message(missing: &[Missing]) -> String {
    let count = missing.len();
    let verb = if count == 1 { "does" } else { "do" };
    let mut text = format!("{count} of the URLs {verb} not lead to a route of the router:\n");
    for missing in missing {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{missing}");
    }
    text + "If another program serves such a page, leave its rule out: \
            `roan::assert_routes!(app(), roan::rules().into_iter().filter(|rule| ...))`."
}

fn found<R, B>(router: &mut R, url: &str) -> Found
where
    R: Service<Request<String>, Response = Response<B>>,
{
    let Ok(request) = Request::get(url).body(String::new()) else {
        return Found::Nothing;
    };
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(())) = router.poll_ready(&mut context) else {
        return Found::Nothing;
    };
    // The answer of a route is there at once.
    let answer = Box::pin(router.call(request)).as_mut().poll(&mut context);
    match answer {
        Poll::Ready(Ok(answer)) if answer.extensions().get::<Matched>().is_some() => {
            match methods(answer.headers()) {
                Some(methods) => Found::OtherMethods(methods),
                None => Found::Route,
            }
        }
        _ => Found::Nothing,
    }
}

/// The router writes `Allow` for a method that a route does not have (RFC 9110, section 15.5.6).
fn methods(headers: &HeaderMap) -> Option<String> {
    let allow = headers.get(ALLOW)?.to_str().ok()?;
    Some(match allow {
        "" => "no method".to_owned(),
        allow => allow.replace(',', ", "),
    })
}

fn other_slash(url: &str) -> Option<String> {
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (url, String::new()),
    };
    Some(match path.strip_suffix('/') {
        Some("") => return None,
        Some(path) => format!("{path}{query}"),
        None => format!("{path}/{query}"),
    })
}

/// The paths of the routes, from the router's `Debug`. Another version of axum may write it otherwise, so they are only a help.
fn paths(listing: &str) -> Vec<String> {
    let routes = listing.split("fallback_router").next().unwrap_or_default();
    let quoted = routes.split('"').skip(1).step_by(2);
    let paths = quoted.filter(|path| path.starts_with('/'));
    let paths = paths.map(|path| path.replace("__private__axum_nest_tail_param", "path"));
    let mut paths: Vec<_> = paths.collect();
    paths.sort();
    paths
}

/// Whether the path of a route begins with the filled template of a prefix, and goes on.
fn begins(path: &str, prefix: &str) -> bool {
    let mut segments = path.split('/');
    for wanted in prefix.trim_end_matches('/').split('/') {
        match segments.next() {
            Some(rest) if rest.starts_with("{*") => return true,
            Some(segment) if segment == wanted || segment.starts_with('{') => {}
            _ => return false,
        }
    }
    segments.next().is_some()
}

fn nearest(url: &str, paths: &[String]) -> Option<String> {
    let near = paths.iter().map(|path| {
        let shaped = filled(path);
        (strsim::normalized_damerau_levenshtein(url, &shaped), path)
    });
    let (_, path) = near.max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(path.clone())
}
