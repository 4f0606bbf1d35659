//! The mistake is told once; what uses the type as a model is left in peace.
use roan::purge_on;

#[purge_on(save, url = "/posts/{slgu}")]
#[derive(Debug)]
struct Post<'a> {
    slug: &'a str,
}

fn saved(_row: &impl roan::Model) {}

fn main() {
    let post = Post { slug: "a" };
    saved(&post);
    println!("{post:?}");
}
