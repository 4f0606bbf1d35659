//! The template language.

use std::borrow::Cow;

use roan::purge_on;

use crate::support::{all, yielded};

struct Author {
    id: u32,
    name: &'static str,
    r#type: char,
}

impl Author {
    fn initial(&self) -> char {
        self.name.chars().next().unwrap_or('?')
    }
}

#[purge_on(
    save,
    url = "/posts",
    url = "/posts/{slug}",
    url = "/authors/{author.id}/{author.name}",
    url = "/authors/{author.initial()}",
    url = "/kinds/{type}/{author.type}",
    url = "/{year()}-{slug}.html",
    url = "/files/{path*}",
    url = "/subtitles/{subtitle?}",
    url = "/deep/{folder*?}",
    url = "/search?q={title}&in={{{slug}}}"
)]
struct Post {
    slug: &'static str,
    title: String,
    author: Author,
    r#type: u8,
    path: Cow<'static, str>,
    subtitle: Option<String>,
    folder: Option<&'static str>,
}

impl Post {
    fn year(&self) -> u16 {
        2026
    }
}

fn post() -> Post {
    Post {
        slug: "a-b",
        title: "Is 1/2 > 0?".to_owned(),
        author: Author {
            id: 7,
            name: "Åsa",
            r#type: 'x',
        },
        r#type: 3,
        path: "docs/a b/x.pdf".into(),
        subtitle: Some("so".to_owned()),
        folder: None,
    }
}

#[test]
fn each_form_of_capture_is_filled() {
    assert_eq!(
        all(&post()),
        [
            "/posts",
            "/posts/a-b",
            "/authors/7/%C3%85sa",
            "/authors/%C3%85",
            "/kinds/3/x",
            "/2026-a-b.html",
            "/files/docs/a%20b/x.pdf",
            "/subtitles/so",
            "/search?q=Is%201%2F2%20%3E%200%3F&in={a-b}",
        ]
    );
}

#[test]
fn an_absent_option_yields_nothing() {
    let mut post = post();
    post.subtitle = None;
    post.folder = Some("a/b");
    assert_eq!(yielded(&post, 7), [""; 0]);
    assert_eq!(yielded(&post, 8), ["/deep/a/b"]);
}

#[test]
fn a_value_that_would_climb_is_refused_for_its_row() {
    let mut post = post();
    post.slug = "..";
    assert!(yielded(&post, 1)[0].contains("`..` segment"));
}

#[purge_on(delete, url = "/pairs/{0}/{1.name}", tag = "pair-{0}")]
struct Pair(u64, Author);

#[test]
fn tuple_structs_are_named_by_number() {
    let author = Author {
        id: 1,
        name: "b",
        r#type: 'y',
    };
    let pair = Pair(5, author);
    assert_eq!(all(&pair), ["/pairs/5/b", "tag pair-5"]);
    assert_eq!(pair.1.id, 1);
}

#[purge_on(save, url = "/states/{name()}")]
enum State {
    Open,
    Closed { since: u32 },
}

impl State {
    fn name(&self) -> String {
        match self {
            Self::Open => "open".to_owned(),
            Self::Closed { since } => format!("closed {since}"),
        }
    }
}

#[test]
fn enums_are_named_by_method() {
    assert_eq!(all(&State::Open), ["/states/open"]);
    assert_eq!(all(&State::Closed { since: 9 }), ["/states/closed%209"]);
}

struct Year {
    r#gen: u8,
}

#[purge_on(save, url = "/{gen}/{r#gen}/{year.gen}/{match()}")]
#[purge_on(update(r#gen), url = "/gen")]
struct Keywords {
    r#gen: u8,
    year: Year,
}

impl Keywords {
    fn r#match(&self) -> u8 {
        3
    }
}

#[test]
fn names_that_are_keywords_need_no_mark() {
    let row = Keywords {
        r#gen: 1,
        year: Year { r#gen: 2 },
    };
    assert_eq!(all(&row), ["/1/1/2/3", "/gen"]);
}
