//! Without a library: hooks by hand.

#[roan::purge_on(save, delete, url = "/posts/{slug}")]
struct Post {
    id: i32,
    slug: String,
    title: String,
}

fn write(old: &Post, new: &Post) {
    roan::updated(&old, &new);
}
