use roan::purge_on;

struct Body(String);

#[purge_on(update(body), url = "/a")]
struct Post {
    body: Body,
}

fn main() {}
