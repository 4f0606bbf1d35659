//! Whatever a row has in its fields: it stays inside its tag, its header line, its member of a structured field.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::routing::any;
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use roan::purger::TagHeader;
use roan::testing::Recorder;
use roan::web;
use roan::{Cache, Embedded, Roan, purge_on};
use sfv::{BareItem, List, ListEntry, Parser};
use tower::ServiceExt;

use crate::support::until_purged;

#[purge_on(save, tag = "n-{0}")]
struct Note(String);

/// Short enough for a group in its longest form.
const SHORT: &str = "\\PC{0,2}|[ -~]{0,9}|[\\x00-\\x1f\"\\\\,; ]{0,9}";

/// What an app says about these rows, in a page and in the answer to a write, in each form of header.
async fn said(values: &[String]) -> (HeaderMap, HeaderMap) {
    let headers = [
        TagHeader::cache_groups(),
        TagHeader::cache_tag(),
        TagHeader::surrogate_key(),
        TagHeader::xkey(),
    ];
    let names = ["a", "b", "c", "d"].into_iter().zip(headers);
    let roan = names
        .fold(Roan::builder(), |builder, (name, header)| {
            builder.cache(
                Cache::new(name)
                    .tag_header(header)
                    .node(name, Recorder::new()),
            )
        })
        .site("https://example.org")
        .rebound(None)
        .web(until_purged())
        .build()
        .unwrap();
    let (values, hooks) = (values.to_owned(), roan.clone());
    let app = any(async move |method: Method| {
        for value in &values {
            match method {
                Method::GET => web::show(&Note(value.clone())),
                _ => hooks.saved(&Note(value.clone())),
            }
        }
    });
    let app = Router::new().route("/", app).layer(roan.web().unwrap());
    let send = async |method: &str| {
        let request = Request::builder().method(method).uri("http://example.org/");
        let request = request.body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.headers().clone()
    };
    (send("GET").await, send("POST").await)
}

fn lines<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let lines = headers.get_all(name).into_iter();
    lines.map(|line| line.to_str().unwrap()).collect()
}

fn groups(headers: &HeaderMap, name: &str) -> BTreeSet<String> {
    let list = Parser::new(&lines(headers, name).join(", ")).parse::<List>();
    let members = list.unwrap().into_iter().map(|member| match member {
        ListEntry::Item(item) => match item.bare_item {
            BareItem::String(text) if item.params.is_empty() => text.as_str().to_owned(),
            other => panic!("{other:?}"),
        },
        ListEntry::InnerList(_) => panic!("a list"),
    });
    members.collect()
}

/// The values in these tags.
fn values<T: AsRef<str>>(tags: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    let values = tags.into_iter().map(|tag| {
        let value = tag.as_ref().strip_prefix("n-").unwrap();
        percent_decode_str(value)
            .decode_utf8()
            .unwrap()
            .into_owned()
    });
    values.collect()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_value_stays_in_its_tag(rows in prop::collection::vec(SHORT, 1..9)) {
        let (page, answer) = run(said(&rows));
        let expected: BTreeSet<String> = rows.into_iter().collect();
        let split = |name: &str, separator: char| {
            let lines = lines(&page, name);
            values(lines.into_iter().flat_map(|line| line.split(separator)))
        };
        prop_assert_eq!(&split("cache-tag", ','), &expected);
        prop_assert_eq!(&split("surrogate-key", ' '), &expected);
        prop_assert_eq!(&split("xkey", ' '), &expected);
        for (headers, name) in [(&page, "cache-groups"), (&answer, "cache-group-invalidation")] {
            let groups = groups(headers, name);
            prop_assert_eq!(&values(&groups), &expected);
        }
        let allowed = [
            "cache-control", "cache-group-invalidation", "cache-groups", "cache-tag", "content-length", "surrogate-key",
            "xkey",
        ];
        for name in page.keys().chain(answer.keys()) {
            prop_assert!(allowed.contains(&name.as_str()), "{}", name);
        }
    }

    #[test]
    fn long_values_are_purged_by_the_group_that_pages_carry(rows in prop::collection::vec("\\PC{0,30}", 1..9)) {
        let (page, answer) = run(said(&rows));
        let carried = groups(&page, "cache-groups");
        prop_assert_eq!(&carried, &groups(&answer, "cache-group-invalidation"));
        prop_assert!(carried.iter().all(|group| group.len() <= 32));
        prop_assert_eq!(carried.len(), rows.iter().collect::<BTreeSet<_>>().len());
    }

    /// `Content-Location` names the very page at the app's own origin, or is refused.
    #[test]
    fn a_location_stays_at_its_origin(url in "/[ -~]{0,12}|/\\PC{0,5}|\\PC{0,5}") {
        let wish = url.clone();
        let location = run(async move {
            let roan = Roan::builder().cache(Embedded::new()).web(until_purged()).build().unwrap();
            let write = any(async move || drop(web::content_location(&wish)));
            let app = Router::new().route("/write", write).layer(roan.web().unwrap());
            let request = Request::post("http://example.org/write").body(Body::empty()).unwrap();
            let response = app.oneshot(request).await.unwrap();
            response.headers().get("content-location").cloned()
        });
        prop_assert_eq!(location.is_some(), roan::Target::url(&url).is_ok());
        if let Some(location) = location {
            let base = reqwest::Url::parse("http://example.org/write").unwrap();
            let found = base.join(location.to_str().unwrap()).unwrap();
            prop_assert_eq!(found.host_str(), Some("example.org"));
            let found = found.as_str().strip_prefix("http://example.org").unwrap();
            prop_assert_eq!(found, url);
        }
    }
}
