//! The app before a deploy, or after it was rolled back.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod app;

use roan::purge_on;

#[purge_on(save, delete, url = "/posts/{slug}", table = "posts")]
struct Post {
    slug: String,
}

fn main() {
    app::run(None, |slug| {
        let slug = slug.to_owned();
        roan::saved(&Post { slug });
    });
}
