//! Promise 10: input cannot escape its place.

use proptest::prelude::*;
use roan::testing::record_blocking;
use roan::{Target, TargetError, purge_on};
use roan_tests::{Nginx, Options, Origin};

use crate::support::{flush, roan};

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

/// Whether a server that decodes `url`, so often, and then resolves it, as nginx does, leaves its root.
fn climbs(url: &str) -> bool {
    let mut path = url.split('?').next().unwrap_or_default().to_owned();
    for _ in 0..8 {
        for separators in [&['/'][..], &['/', '\\']] {
            let mut depth = 0;
            for segment in path.split(separators) {
                depth += match segment {
                    "" | "." => 0,
                    ".." => -1,
                    _ => 1,
                };
                if depth < 0 {
                    return true;
                }
            }
        }
        path = percent_encoding::percent_decode_str(&path)
            .decode_utf8_lossy()
            .into_owned();
    }
    false
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
        for target in purges.targets() {
            prop_assert!(!climbs(target.as_str()), "{}", target);
        }
        if row.slug.is_empty() || row.author.is_empty() {
            prop_assert!(matches!(purges.refused(), [TargetError::EmptySegment(_)]));
        } else if is_dots(&row.slug) || is_dots(&row.author) {
            prop_assert!(matches!(purges.refused(), [TargetError::DotSegment(_)]));
        } else if let [TargetError::Climbs(url)] = purges.refused() {
            prop_assert!(url.contains("..") || url.contains("%252e"), "{}", url);
            prop_assert!(row.slug.contains(['/', '\\', ';', '%']) || row.author.contains(['/', '\\', ';', '%']));
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
        let row = Row { slug: "a".to_owned(), author: "b".to_owned(), path };
        let purges = record_blocking(|| roan::saved(&row));
        let file = purges.targets().iter().find(|target| target.as_str().starts_with("/files"));
        if row.path.split('/').any(|segment| segment == "." || segment == "..") {
            prop_assert!(file.is_none());
            prop_assert!(matches!(purges.refused(), [TargetError::DotSegment(_)]));
        } else if let [TargetError::Climbs(url)] = purges.refused() {
            prop_assert!(file.is_none());
            prop_assert!(url.contains("..") || url.contains("%252e"), "{}", url);
        } else {
            let file = file.unwrap().as_str();
            let rest = file.strip_prefix("/files/").unwrap();
            let segments: Vec<_> = rest.split('/').map(decoded).collect();
            prop_assert_eq!(segments, row.path.split('/').collect::<Vec<_>>());
        }
    }
}

#[purge_on(save, url = "/posts/{0}", crate = roan)]
struct Post(&'static str);

/// nginx decodes a path and resolves its `..` before it picks a location, so such a purge would be a request to
/// another one, from an address that is trusted.
#[test]
fn no_value_reaches_another_location_of_nginx() {
    let origin = Origin::start();
    let addr = origin.addr();
    let internal =
        format!("location /internal/ {{ proxy_pass http://{addr}; proxy_set_header Host $host; }}");
    let nginx = Nginx::start(&origin, &Options::default().server_text(&internal));
    let (roan, browser) = (roan(&nginx), nginx.browser());

    // The configuration that the docs quote lets no such request out; one that came there would be seen.
    let stray = browser.purge("/posts/..%2F..%2Finternal%2Fdelete-all");
    assert_eq!((stray.status, origin.all_renders()), (400, 0));
    browser.get("/internal/delete-all");
    assert_eq!(origin.all_renders(), 1);

    let hostile = [
        "../../internal/delete-all",
        "..\\..\\internal\\delete-all",
        "../..\\internal/delete-all",
        "x/../../../internal/delete-all",
        "x\\y/../../../internal/delete-all",
        "./.././../internal/delete-all",
        "//../..//internal/delete-all",
        "%2e%2e/%2e%2e/internal/delete-all",
        "%2e%2e%2f%2e%2e%2finternal%2fdelete-all",
        "%252e%252e%252f..%252f..%252finternal",
        "../../internal/delete-all?x=1",
        "..;/..;/internal/delete-all",
    ];
    for value in hostile {
        roan.saved(&Post(value));
    }
    flush(&roan);
    assert_eq!(roan.stats().invalid, hostile.len() as u64);
    assert_eq!(origin.all_renders(), 1);

    // And what only looks like it: `/purge/posts/a/../b` is still below `/purge/`.
    for (value, page) in [
        ("a/../b", "/posts/a%2F..%2Fb"),
        ("...", "/posts/..."),
        ("v1..v2/x", "/posts/v1..v2%2Fx"),
        ("100%", "/posts/100%25"),
    ] {
        browser.warm(page);
        roan.saved(&Post(value));
        flush(&roan);
        browser.assert_miss(page);
    }
    for url in ["/..%2Finternal%2Fx", "/a%5Cb%2F..%2F..%2Finternal%2Fx"] {
        assert_eq!(Target::url(url), Err(TargetError::Climbs(url.to_owned())));
    }
}
