//! Promise 10: input cannot escape its place.

use proptest::prelude::*;
use roan::testing::record_blocking;
use roan::{TargetError, purge_on};

#[purge_on(save, url = "/posts/{slug}/comments/{author}")]
#[purge_on(save, url = "/search?q={slug}&by={author}&page=1")]
#[purge_on(save, url = "/files/{path*}", crate = roan)]
struct Row {
    slug: String,
    author: String,
    path: String,
}

fn decoded(text: &str) -> String {
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
    String::from_utf8(bytes).expect("a value is UTF-8")
}

/// Any text, and texts made of what has a meaning somewhere on the way to a cache.
fn value() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(vec![
        "/",
        "..",
        ".",
        "%2e",
        "%2F",
        "%",
        "?",
        "&",
        "=",
        "#",
        "\r\n",
        "\n",
        "\0",
        " ",
        "*",
        "+",
        ";",
        "\\",
        "'",
        "\"",
        "é",
        "\u{202e}",
        "http://evil/",
        "Host: evil",
        "{",
        "}",
        "a",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(hostile, 0..6).prop_map(|parts| parts.concat())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_value_is_one_segment_or_one_query_value(slug in value(), author in value()) {
        let row = Row { slug, author, path: String::new() };
        let purges = record_blocking(|| roan::saved(&row));
        let find = |start: &str| {
            purges.targets().iter().map(|target| target.as_str()).find(|url| url.starts_with(start))
        };
        for target in purges.targets() {
            prop_assert!(target.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            let sent = reqwest::Url::parse(&format!("http://cache/purge{}", target.as_str())).unwrap();
            prop_assert_eq!(sent.as_str(), format!("http://cache/purge{}", target.as_str()));
        }
        let is_dots = |value: &str| value == "." || value == "..";
        if is_dots(&row.slug) || is_dots(&row.author) {
            prop_assert!(matches!(purges.refused(), [TargetError::DotSegment(_)]));
        } else {
            prop_assert_eq!(purges.refused(), &[]);
            let page = find("/posts").unwrap();
            let segments: Vec<_> = page.split('/').collect();
            prop_assert_eq!(segments.len(), 5, "{}", page);
            prop_assert_eq!((segments[1], segments[3]), ("posts", "comments"));
            prop_assert_eq!(decoded(segments[2]), &*row.slug);
            prop_assert_eq!(decoded(segments[4]), &*row.author);
            prop_assert!(!page.contains('?'));
        }
        let search = find("/search").unwrap();
        let query = search.strip_prefix("/search?").unwrap();
        let pairs: Vec<_> = query.split('&').map(|pair| pair.split('=').collect::<Vec<_>>()).collect();
        prop_assert_eq!(pairs.len(), 3, "{}", search);
        prop_assert!(pairs.iter().all(|pair| pair.len() == 2));
        prop_assert_eq!(decoded(pairs[0][1]), row.slug);
        prop_assert_eq!(decoded(pairs[1][1]), row.author);
        prop_assert_eq!(&pairs[2], &["page", "1"]);
    }

    #[test]
    fn a_path_keeps_its_segments_and_stays_below(path in value()) {
        let row = Row { slug: String::new(), author: String::new(), path };
        let purges = record_blocking(|| roan::saved(&row));
        let file = purges.targets().iter().find(|target| target.as_str().starts_with("/files"));
        if row.path.split('/').any(|segment| segment == "." || segment == "..") {
            prop_assert!(file.is_none());
            prop_assert!(matches!(purges.refused(), [TargetError::DotSegment(_)]));
        } else {
            let file = file.unwrap().as_str();
            let rest = file.strip_prefix("/files/").unwrap();
            let segments: Vec<_> = rest.split('/').map(decoded).collect();
            prop_assert_eq!(segments, row.path.split('/').collect::<Vec<_>>());
        }
    }
}
