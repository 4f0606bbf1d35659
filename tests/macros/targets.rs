//! The keys `url`, `urls`, `tag`, `when` and `site`.

use roan::{Target, purge_on};

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
