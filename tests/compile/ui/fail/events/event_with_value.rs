use roan::purge_on;

#[purge_on(save = true, url = "/a")]
struct Post;

fn main() {}
