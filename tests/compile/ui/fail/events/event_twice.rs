use roan::purge_on;

#[purge_on(delete, delete, url = "/a")]
#[purge_on(update(title), update(slug), url = "/b")]
struct Post {
    title: String,
    slug: String,
}

fn main() {}
