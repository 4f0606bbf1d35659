use roan::purge_on;

#[purge_on(save, url = "/posts/..%2F..%2Finternal")]
#[purge_on(save, url = "/{slug}%5C..%252F..")]
#[purge_on(save, url = "/..;/{slug}")]
struct Post {
    slug: String,
}

fn main() {}
