use roan::purge_on;

#[purge_on(save, url = "/posts", table = "")]
struct NoName;

#[purge_on(save, url = "/posts", table = "a.b.c")]
struct Parts;

#[purge_on(save, url = "/posts", table = "po\"sts")]
struct Quotes;

#[purge_on(save, url = "/posts", table = posts)]
struct NoText;

#[purge_on(save, url = "/posts", table = "posts")]
#[purge_on(delete, url = "/posts", table = "articles")]
struct Two;

#[purge_on(save, url = "/posts", table = "posts")]
enum Kind {}

#[purge_on(save, url = "/posts", table = "posts")]
struct Borrowed<'a> {
    slug: &'a str,
}

#[purge_on(save, url = "/posts", table = "posts")]
struct Tuple(u32);

fn main() {}
