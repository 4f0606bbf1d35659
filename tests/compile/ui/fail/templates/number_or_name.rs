use roan::purge_on;

#[purge_on(save, url = "/{0}")]
#[purge_on(update(0), url = "/x")]
struct Post {
    id: u64,
    slug: String,
}

#[purge_on(save, url = "/{slug}")]
#[purge_on(save, url = "/{2}")]
struct Pair(u64, String);

fn main() {}
