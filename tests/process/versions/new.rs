//! The app after a deploy: with another rule, another site and another table.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod app;

use roan::purge_on;

#[purge_on(save, delete, url = "/posts/{slug}", table = "posts")]
#[purge_on(save, delete, url = "/feeds/{slug}")]
#[purge_on(save, delete, url = "/{slug}", site = "shop")]
struct Post {
    slug: String,
}

#[purge_on(save, delete, url = "/notes/{slug}", table = "notes")]
struct Note {
    slug: String,
}

fn main() {
    app::run(Some("http://shop.test"), |slug| {
        let slug = slug.to_owned();
        roan::saved(&Post { slug });
    });
}
