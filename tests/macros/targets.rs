//! The keys `url`, `urls`, `tag`, `prefix`, `host`, `everything`, `when` and `site`.

use roan::{Target, TargetError, purge_on};

use crate::support::{all, yielded};

#[purge_on(
    save,
    delete,
    url = "/posts",
    urls = Self::archive,
    tag = "post-{id}",
    when = self.id > 1 && !self.is_draft,
    site = "www"
)]
#[purge_on(delete, urls = Post::borrowed, urls = tag_in_shop)]
struct Post {
    id: u32,
    is_draft: bool,
    names: Vec<String>,
}

impl Post {
    fn archive(&self) -> impl IntoIterator<Item = String> + use<> {
        let id = self.id;
        (0..2).map(move |page| format!("/archive/{id}/{page}"))
    }

    fn borrowed(&self) -> impl Iterator<Item = &String> {
        self.names.iter()
    }
}

fn tag_in_shop(post: &Post) -> Option<Target> {
    let id = post.id;
    Target::tag(format!("t{id}"))
        .ok()
        .map(|tag| tag.at_site("shop"))
}

fn post() -> Post {
    Post {
        id: 2,
        is_draft: false,
        names: vec!["/a".to_owned(), "b".to_owned()],
    }
}

#[test]
fn the_keys_of_an_attribute_hold_for_all_its_targets() {
    assert_eq!(
        all(&post())[..4],
        [
            "/posts at site www",
            "/archive/2/0 at site www",
            "/archive/2/1 at site www",
            "tag post-2 at site www",
        ]
    );
}

#[test]
fn a_false_condition_yields_nothing() {
    let mut post = post();
    post.is_draft = true;
    for rule in 0..3 {
        assert_eq!(yielded(&post, rule), [""; 0]);
    }
}

#[test]
fn a_function_may_borrow_from_the_row_and_name_its_own_site() {
    let post = post();
    let borrowed = yielded(&post, 3);
    assert_eq!(borrowed[0], "/a");
    assert!(borrowed[1].contains("must begin with `/`"), "{borrowed:?}");
    assert_eq!(yielded(&post, 4), ["tag t2 at site shop"]);
}

#[purge_on(save, prefix = "/docs/{version}/", host, site = "shop")]
#[purge_on(update(version), everything, when = self.is_last)]
#[purge_on(save, prefix = "/{version}/v{note?}/", host)]
#[purge_on(delete, urls = Self::chosen)]
struct Docs {
    version: String,
    note: Option<String>,
    is_last: bool,
}

impl Docs {
    fn chosen(&self) -> Vec<Result<Target, TargetError>> {
        vec![
            Ok(Target::host()),
            Ok(Target::everything()),
            Target::prefix("/a/"),
        ]
    }
}

fn docs(version: &str) -> Docs {
    Docs {
        version: version.to_owned(),
        note: None,
        is_last: true,
    }
}

#[test]
fn many_pages_are_one_target() {
    let targets = all(&docs("1.0"));
    assert_eq!(
        targets[..4],
        [
            "prefix /docs/1.0/ at site shop",
            "host at site shop",
            "everything",
            "host"
        ]
    );
    let mut other = docs("é/1?");
    other.is_last = false;
    other.note = Some("*".to_owned());
    let targets = all(&other);
    assert_eq!(
        targets[..4],
        [
            "prefix /docs/%C3%A9%2F1%3F/ at site shop",
            "host at site shop",
            "prefix /%C3%A9%2F1%3F/v%2A/",
            "host"
        ]
    );
}

/// The caches would be emptied as far as a value says.
#[test]
fn no_value_makes_another_prefix_of_it() {
    for value in [
        "", ".", "..", "/", "//", "../..", "..\\x", "a/..", "%2e%2e", "%2F", "%252e", "x/../..",
        ";x", ".;x",
    ] {
        let mut docs = docs(value);
        docs.note = Some("x".to_owned());
        for rule in [0, 3] {
            let [yielded] = &*yielded(&docs, rule) else {
                panic!("{value:?}");
            };
            assert!(yielded.starts_with("prefix \"/"), "{value:?}: {yielded}");
            assert!(yielded.contains("another prefix"), "{value:?}: {yielded}");
        }
    }
    // An empty part of a segment, too.
    let mut docs = docs("1");
    docs.note = Some(String::new());
    assert!(yielded(&docs, 3)[0].contains("has an empty value"));
}

#[test]
fn a_function_of_a_row_does_not_empty_all_caches() {
    let chosen = yielded(&docs("1"), 5);
    assert_eq!((&*chosen[0], &*chosen[2]), ("host", "prefix /a/"));
    assert!(
        chosen[1].contains("write the flag `everything`"),
        "{chosen:?}"
    );
}

#[test]
fn a_rule_at_run_time_may_be_any_target() {
    let _rules = roan::purge(Target::host())
        .and(Target::everything())
        .and(Target::prefix("/docs/"))
        .on_save::<u64>();
    let purges = roan::testing::record_blocking(|| roan::saved(&roan::External(&7_u64)));
    let shown: Vec<_> = purges.targets().iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["host", "everything", "prefix /docs/"]);
}

struct Flags(bool);

macro_rules! model_with_condition {
    ($name:ident, $condition:expr, $url:literal) => {
        #[purge_on(save, url = $url, when = $condition)]
        struct $name {
            flags: Flags,
        }
    };
}

model_with_condition!(Flagged, self.flags.0, "/flagged");

#[test]
fn a_condition_may_come_through_a_macro() {
    assert_eq!(all(&Flagged { flags: Flags(true) }), ["/flagged"]);
    assert_eq!(
        all(&Flagged {
            flags: Flags(false)
        }),
        [""; 0]
    );
    let condition = <Flagged as roan::Model>::rules()[0].condition();
    assert_eq!(condition, Some("self.flags.0"));
}

#[purge_on(save, url = "/x", when = { let out = 1; let rule = out; self.0 > rule })]
struct Shadowing(u8);

#[test]
fn a_condition_has_its_own_locals() {
    assert_eq!(all(&Shadowing(2)), ["/x"]);
    assert_eq!(all(&Shadowing(1)), [""; 0]);
}

/// The last is an `Option`.
#[purge_on(save, url = "/posts/{0}")]
#[purge_on(save, url = "/{0}/edit")]
#[purge_on(save, url = "/{0}{0}/{0}?page=1", site = "shop")]
#[purge_on(save, url = "/{0*}/edit")]
#[purge_on(save, url = "/{0}{1}/{0}")]
#[purge_on(save, url = "/{1}/{0}/{1}")]
// An empty text is absent there.
#[purge_on(save, url = "/posts/{2?}")]
#[purge_on(save, url = "/{2*?}/edit")]
// It may be empty there.
#[purge_on(save, url = "/{0*}")]
#[purge_on(save, url = "/docs/{0*}?q={0}&p={2?}", site = "shop")]
#[purge_on(save, url = "/{1}{0}/{0}.html/x-{0}")]
#[purge_on(save, url = "/{0}{1}?a=/{0}")]
#[purge_on(save, tag = "post-{0}/{0}")]
struct Nameless(&'static str, &'static str, Option<&'static str>);

#[test]
fn an_empty_value_does_not_make_a_url_of_a_neighbour() {
    let row = Nameless("", "t", Some(""));
    for (rule, url) in ["/posts/", "//edit", "//?page=1", "//edit", "/t/", "/t//t"]
        .into_iter()
        .enumerate()
    {
        let [error] = &*yielded(&row, rule) else {
            panic!("{url}");
        };
        let words = format!("URL {url:?} is another page than the one that is meant");
        assert!(error.starts_with(&words), "{error}");
    }
    for rule in 6..8 {
        assert_eq!(yielded(&row, rule), [""; 0]);
    }
    let legitimate = [
        "/",
        "/docs/?q=&p= at site shop",
        "/t/.html/x-",
        "/t?a=/",
        "tag post-/",
    ];
    for (rule, target) in (8..).zip(legitimate) {
        assert_eq!(yielded(&row, rule), [target]);
    }
}

/// As `an_empty_value_does_not_make_a_url_of_a_neighbour`.
#[test]
fn an_empty_value_does_not_make_a_link_to_a_neighbour() {
    let slug = "";
    for link in [roan::url!("/posts/{slug}"), roan::url!("/{slug*}/edit")] {
        assert!(
            matches!(link, Err(TargetError::EmptySegment(_))),
            "{link:?}"
        );
    }
    let legitimate = [roan::url!("/{slug*}"), roan::url!("/search?q={slug}")];
    let shown = legitimate.map(|link| link.unwrap().to_string());
    assert_eq!(shown, ["/", "/search?q="]);
}
