//! The generated code is silent in a crate that denies what can be denied.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    let_underscore_drop,
    missing_debug_implementations,
    missing_docs,
    non_snake_case,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]

use roan::purge_on;

/// A row.
#[purge_on(create, update(title, price), delete, url = "/posts/{title}", when = self.published)]
#[purge_on(delete, urls = Self::pages, tag = "{author.0}", site = "www")]
#[derive(Debug)]
pub struct Post<'a> {
    title: &'a str,
    published: bool,
    price: f64,
    author: (u8, u8),
}

impl Post<'_> {
    fn pages(&self) -> Option<String> {
        self.published
            .then(|| format!("/{}/{}", self.author.0, self.author.1))
    }
}

/// A row.
#[purge_on(save, url = "/{0}/{1?}")]
#[derive(Debug)]
pub struct Pair<T, U: Clone>(pub T, pub Option<U>);

fn main() {
    let post = Post {
        title: "a",
        published: true,
        price: 1.0,
        author: (1, 2),
    };
    println!("{post:?} {:?}", Pair(1, Some(2)));
}
