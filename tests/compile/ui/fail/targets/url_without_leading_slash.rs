use roan::purge_on;

#[purge_on(save, url = "posts/{slug}")]
#[purge_on(save, url = "{slug}")]
#[purge_on(save, url = "https://example.com/posts")]
#[purge_on(save, url = "")]
struct Post {
    slug: String,
}

fn main() {}
