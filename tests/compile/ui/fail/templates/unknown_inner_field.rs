use roan::purge_on;

#[purge_on(save, url = "/authors/{author.slug}")]
#[purge_on(save, url = "/authors/{author.slug()}")]
#[purge_on(save, url = "/{permalink()}")]
struct Post {
    author: Author,
}

struct Author {
    id: u32,
}

fn main() {}
