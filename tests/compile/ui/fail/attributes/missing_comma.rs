use roan::purge_on;

#[purge_on(save delete, url = "/a")]
#[purge_on(save, url = "/b" tag = "c")]
struct Post;

fn main() {}
