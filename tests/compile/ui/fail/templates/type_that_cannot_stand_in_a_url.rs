use roan::purge_on;

#[derive(Debug)]
struct Author;

#[purge_on(save, url = "/posts/{author}")]
#[purge_on(save, url = "/tagged/{tags}")]
#[purge_on(save, url = "/by/{editors?}")]
struct Post {
    author: Author,
    tags: Vec<String>,
    editors: Option<Author>,
}

fn main() {}
