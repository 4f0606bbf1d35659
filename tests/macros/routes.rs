//! `roan::assert_routes!`: rules whose URLs are not routes of the app are found.

use std::panic::catch_unwind;

use axum::Router;
use axum::extract::State;
use axum::routing::{any, get, post};
use roan::{Rule, purge_on};

/// A handler that no test may call.
async fn handler() -> &'static str {
    panic!("a handler was called");
}

/// A layer that no test may call.
async fn layer(_: axum::extract::Request) -> axum::extract::Request {
    panic!("a layer was called");
}

async fn with_state(State(()): State<()>) -> &'static str {
    panic!("a handler was called");
}

/// Routes of all kinds, with layers, a fallback and a state.
fn app() -> Router {
    let nested = Router::new()
        .route("/", get(handler))
        .route("/{year}/{slug}", get(handler).put(handler))
        .layer(axum::middleware::map_request(layer));
    Router::new()
        .route("/posts", get(handler).post(handler))
        .route("/posts/{slug}", get(with_state))
        .route("/write/{slug}", post(handler).delete(handler))
        .route("/all", any(handler))
        .route("/docs/{version}/intro/first/page", get(handler))
        .route("/pages/{*path}", get(handler))
        .nest("/archive", nested)
        .nest_service("/files", Router::new().route("/{name}", get(handler)))
        .fallback(handler)
        .with_state(())
}

/// Each of its rules leads to a route.
#[purge_on(
    save,
    url = "/posts",
    url = "/posts?page={page}",
    url = "/posts/{slug}"
)]
#[purge_on(
    save,
    url = "/posts/{part?}",
    url = "/all",
    url = "/archive/{page}/{slug}"
)]
#[purge_on(save, url = "/pages/{slug*}", url = "/files/{slug}", url = "/archive")]
#[purge_on(
    save,
    prefix = "/docs/{page}/",
    prefix = "/archive/{page}/",
    prefix = "/pages/"
)]
#[purge_on(save, tag = "post-{slug}", host, everything)]
struct Routed {
    slug: &'static str,
    page: u8,
    part: Option<u8>,
}

#[purge_on(save, url = "/post/{slug}")]
#[purge_on(save, url = "/posts/{slug}/")]
#[purge_on(save, url = "/write/{slug}")]
#[purge_on(save, url = "/posts/{slug}/comments", site = "shop")]
#[purge_on(save, prefix = "/posts/{slug}/")]
#[purge_on(save, prefix = "/doc/{slug}/")]
#[purge_on(save, urls = Self::pages)]
struct Astray {
    slug: &'static str,
}

const LINE: u32 = line!() - 11;

impl Astray {
    fn pages(&self) -> Vec<String> {
        vec![
            format!("/posts/{}", self.slug),
            format!("/feed/{}", self.slug),
        ]
    }
}

fn of(model: &str) -> impl Iterator<Item = &'static Rule> {
    let rules = roan::rules().into_iter();
    rules.filter(move |rule| rule.model() == model && rule.module() == module_path!())
}

/// The message of a check that fails.
fn message(check: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(check).expect_err("it fails");
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn rules_with_routes_pass_without_a_handler_or_a_layer() {
    assert_eq!(of("Routed").count(), 15);
    roan::assert_routes!(app(), of("Routed"));
    let row = Routed {
        slug: "a b/c",
        page: 3,
        part: Some(1),
    };
    roan::assert_routes!(app(), roan::explain::saved(&row).targets());
}

#[test]
fn each_rule_without_a_route_is_named_with_its_place() {
    let message = message(|| roan::assert_routes!(app(), of("Astray")));
    let place = |line: u32| format!("{}:{}", file!(), LINE + line);
    for (rule, problem) in [
        (
            0,
            "no route for GET /post/roan-sample; the nearest route is /posts/{slug}",
        ),
        (
            1,
            "no route for GET /posts/roan-sample/; there is one for /posts/roan-sample",
        ),
        (
            2,
            "its route answers POST, DELETE, and not GET /write/roan-sample",
        ),
        (
            3,
            "no route for GET /posts/roan-sample/comments; the nearest route is ",
        ),
        (4, "no route begins with /posts/roan-sample/"),
        (5, "no route begins with /doc/roan-sample/"),
    ] {
        let line = message.lines().position(|line| line.contains(&place(rule)));
        let line = line.unwrap_or_else(|| panic!("{} is missing in\n{message}", place(rule)));
        let next = message.lines().nth(line + 1).unwrap_or_default();
        assert!(
            next.trim_start().starts_with(problem),
            "{problem}\n{message}"
        );
    }
    assert!(
        message.starts_with("6 of the URLs do not lead to a route"),
        "{message}"
    );
    assert!(message.contains(", site = \"shop\" at "), "{message}");
}

#[test]
fn the_targets_of_a_row_are_checked_too() {
    let row = Astray { slug: "a" };
    let targets = roan::explain::saved(&row).targets();
    let message = message(move || roan::assert_routes!(app(), targets));
    assert!(message.contains("no route for GET /feed/a;"), "{message}");
    assert!(!message.contains("GET /posts/a;"), "{message}");
    // All rules of this program are more than the app has.
    let all = self::message(|| roan::assert_routes!(app()));
    assert!(all.contains("/registry/roan-sample"), "{all}");
}
