#![deny(unused_must_use)]

struct Post;

fn main() {
    roan::purge("/posts");
    roan::purge("/posts").and("/feed.xml");
    roan::purge("/posts").on_save::<Post>().and("/feed.xml");
    roan::purge("/posts").on_save::<Post>().on_delete::<Post>();
}
