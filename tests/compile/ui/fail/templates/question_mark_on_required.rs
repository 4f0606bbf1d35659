use roan::purge_on;

struct Slug(String);

#[purge_on(save, url = "/{id?}")]
#[purge_on(save, url = "/{path*?}")]
#[purge_on(save, url = "/{name?}")]
struct Post {
    id: u32,
    path: String,
    name: &'static str,
}

#[purge_on(save, url = "/{slug?}")]
struct Author {
    slug: Slug,
}

fn main() {}
