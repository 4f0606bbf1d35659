//! Where an attribute can be: renamed crates, modules without a prelude, strict lints, generic
//! types, other attributes.

use std::fmt::Display;

use roan::purge_on;

use crate::support::all;

// A package may not depend on a crate under two names, so that nothing else names `roan` is shown by
// the snapshots of `roan-macros`.
extern crate roan as renamed;

/// The crate under another name.
#[renamed::purge_on(save, url = "/renamed", crate = renamed)]
#[renamed::purge_on(delete, url = "/renamed/gone")]
struct Renamed;

#[test]
fn the_crate_may_have_another_name() {
    assert_eq!(all(&Renamed), ["/renamed", "/renamed/gone"]);
}

mod without_prelude {
    #![no_implicit_prelude]

    #[::roan::purge_on(create, update(1), delete, url = "/a/{0}", when = self.1, site = "x")]
    #[::roan::purge_on(delete, urls = Self::pages, tag = "x")]
    pub(super) struct Bare(pub(super) u8, pub(super) bool);

    impl Bare {
        fn pages(&self) -> [&'static str; 1] {
            ["/pages"]
        }
    }
}

#[test]
fn no_prelude_is_needed() {
    let bare = without_prelude::Bare(1, true);
    assert_eq!(all(&bare), ["/a/1 at site x", "/pages", "tag x"]);
}

#[purge_on(save, delete, url = "/{name}/{value}/{maybe?}/{fixed.0}")]
#[purge_on(update(value), url = "/{key()}", when = N > 1)]
struct Generic<'a, T, U: Clone, const N: usize>
where
    U: Display,
{
    name: &'a str,
    value: T,
    maybe: Option<U>,
    fixed: (u8, [u8; N]),
}

impl<T, U: Clone + Display, const N: usize> Generic<'_, T, U, N> {
    fn key(&self) -> usize {
        self.fixed.1.len()
    }
}

#[test]
fn generic_types_are_bounded_by_what_is_named() {
    let row = Generic {
        name: "n",
        value: 1,
        maybe: Some('m'),
        fixed: (0, [0; 2]),
    };
    assert_eq!(all(&row), ["/n/1/m/0", "/2"]);
}

/// Below, above and between other attributes.
#[purge_on(save, url = "/1")]
#[derive(serde::Serialize, serde::Deserialize, Debug, Clone, PartialEq)]
#[purge_on(save, url = "/2")]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, purge_on(save, url = "/3"), roan::purge_on(save, url = "/4"))]
#[cfg_attr(not(test), purge_on(save, url = "/never"))]
#[roan::purge_on(save, url = "/5/{first_name}")]
struct Beside {
    #[serde(default)]
    first_name: String,
}

#[cfg_attr(not(test), purge_on(save, url = "/never"))]
#[cfg_attr(test, purge_on(save, url = "/1"))]
#[derive(Debug)]
#[purge_on(save, url = "/2")]
struct Conditional;

#[test]
fn other_attributes_do_not_mind() {
    let beside = Beside {
        first_name: "x".to_owned(),
    };
    assert_eq!(all(&beside), ["/1", "/2", "/3", "/4", "/5/x"]);
    assert_eq!(all(&Conditional), ["/1", "/2"]);
    assert_eq!(format!("{Conditional:?}"), "Conditional");
    assert_eq!(beside.clone(), beside);
}

#[test]
fn a_type_may_be_declared_in_a_function() {
    #[purge_on(save, url = "/local/{0}")]
    struct Local(char);

    assert_eq!(all(&Local('x')), ["/local/x"]);
    assert_eq!(<Local as roan::Model>::rules()[0].module(), module_path!());
}

#[test]
fn a_type_may_be_deprecated() {
    #[deprecated]
    #[purge_on(save, url = "/old/{id}")]
    struct Old {
        id: u8,
    }

    #[expect(deprecated, reason = "the attribute must not warn, its user may")]
    let old = Old { id: 1 };
    assert_eq!(all(&old), ["/old/1"]);
}
