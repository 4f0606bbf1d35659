use roan::purge_on;

#[purge_on(url = "/posts")]
#[purge_on(tag = "posts")]
struct Post;

fn main() {}
