//! Links that are made by `roan::url!` and by the encoders.

use proptest::prelude::*;
use roan::{Target, TargetError, encode, purge_on, url};

use crate::support::{all, yielded};

#[purge_on(save, url = "/posts/{slug}")]
#[purge_on(save, url = "/posts/{slug}/by/{author.name}?q={slug}&n=1")]
#[purge_on(save, url = "/files/{slug*}")]
#[purge_on(save, url = "/{slug}/x")]
struct Post {
    slug: String,
    author: Author,
}

struct Author {
    name: String,
}

impl Author {
    fn initial(&self) -> char {
        self.name.chars().next().unwrap_or('?')
    }
}

fn text() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(vec![
        "/", "..", ".", "%2e", "%2F", "%", "?", "&", "#", "\n", " ", "*", "+", ";", "\\", "'", "é",
        "a", "C++",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(hostile, 0..6).prop_map(|parts| parts.concat())
    ]
}

fn shown(link: &Result<Target, TargetError>) -> String {
    link.as_ref()
        .map_or_else(ToString::to_string, Target::to_string)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_link_is_what_the_rule_purges(slug in text(), name in text()) {
        let post = Post { slug, author: Author { name } };
        let (slug, author) = (&post.slug, &post.author);
        let links = [
            url!("/posts/{post.slug}"),
            url!("/posts/{slug}/by/{by.name}?q={slug}&n=1", by = author),
            url!("/files/{slug*}"),
        ];
        for (rule, link) in links.iter().enumerate() {
            prop_assert_eq!(&yielded(&post, rule)[0], &shown(link));
        }
        // With functions, where a value can be linked to at all.
        if let [Ok(one), Ok(two), Ok(path)] = &links {
            let (slug, name) = (encode::path_segment(slug), encode::path_segment(&author.name));
            let query = encode::query_value(&post.slug);
            prop_assert_eq!(one.as_str(), format!("/posts/{slug}"));
            prop_assert_eq!(two.as_str(), format!("/posts/{slug}/by/{name}?q={query}&n=1"));
            prop_assert_eq!(path.as_str(), format!("/files/{}", encode::path(&post.slug)));
        }
        let link = url!("/{slug}/x");
        prop_assert_eq!(matches!(link, Err(TargetError::EmptySegment(_))), slug.is_empty());
        prop_assert_eq!(&yielded(&post, 3)[0], &shown(&link));
    }
}

#[test]
fn captures_begin_with_variables_and_given_names() {
    let pair = (
        "a b",
        Author {
            name: "Åsa".to_owned(),
        },
    );
    let r#type = 7;
    let links = [
        url!("/posts"),
        url!("/{pair.0}/{pair.1.name}/{pair.1.initial()}"),
        url!("/{type}/{r#type}?in={{{type}}}"),
        url!("/{a}/{b.name}", a = 1 + 1, b = &pair.1,),
        url!(
            "/{who.initial()}",
            who = Author {
                name: "Z".to_owned()
            }
        ),
    ];
    assert_eq!(
        links.map(|link| shown(&link)),
        [
            "/posts",
            "/a%20b/%C3%85sa/%C3%85",
            "/7/7?in={7}",
            "/2/%C3%85sa",
            "/Z"
        ]
    );
}

#[test]
fn no_link_leaves_its_host_or_its_place() {
    for path in ["/evil.example/x", "//evil.example"] {
        assert!(
            matches!(url!("/{path*}"), Err(TargetError::Host(_))),
            "{path}"
        );
    }
    let path = "..";
    assert!(matches!(url!("/{path}"), Err(TargetError::DotSegment(_))));
    let path = "../x";
    assert!(matches!(url!("/{path}"), Err(TargetError::Climbs(_))));
}

macro_rules! link_to {
    ($post:ident) => {
        url!("/{slug}", slug = $post.slug)
    };
}

#[test]
fn a_link_may_be_made_in_a_macro() {
    let post = Post {
        slug: "x".to_owned(),
        author: Author {
            name: String::new(),
        },
    };
    assert_eq!(shown(&link_to!(post)), "/x");
}

#[purge_on(save, urls = Self::pages)]
struct Page(&'static str);

impl Page {
    fn pages(&self) -> [Result<Target, TargetError>; 2] {
        [url!("/pages/{self.0}"), url!("/pages/{self.0}/feed")]
    }
}

#[test]
fn rules_and_purges_take_them_as_they_are() {
    assert_eq!(all(&Page("a b")), ["/pages/a%20b", "/pages/a%20b/feed"]);
    assert!(all(&Page(".."))[0].contains("`..` segment"));
    let purges = roan::testing::record_blocking(|| {
        roan::purge(url!("/at/{n}", n = 1)).on_save::<Page>();
        roan::saved(&Page("x"));
    });
    roan::assert_purged!(purges, "/at/1");
}
