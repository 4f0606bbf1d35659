use roan::purge_on;

#[purge_on(save, url = "/posts/{slgu}")]
#[purge_on(save, url = "/authors/{autor.id?}")]
#[purge_on(save, url = "/{permalink}")]
struct Post {
    id: u32,
    slug: String,
    author: Author,
}

struct Author {
    id: u32,
}

#[purge_on(save, url = "/{id}", tag = "{2}")]
struct Pair(u32, u32);

#[purge_on(save, url = "/{id}")]
struct Unit;

#[purge_on(save, url = "/{name}")]
enum State {
    Open,
}

fn main() {}
