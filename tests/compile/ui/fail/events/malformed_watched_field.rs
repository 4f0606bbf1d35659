use roan::purge_on;

#[purge_on(update(author.name), url = "/a")]
#[purge_on(update(), url = "/b")]
#[purge_on(save(title), url = "/c")]
#[purge_on(delete(title), url = "/d")]
#[purge_on(update("title"), url = "/e")]
struct Post {
    title: String,
    author: Author,
}

struct Author {
    name: String,
}

fn main() {}
