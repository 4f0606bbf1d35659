use roan::purge_on;

#[purge_on]
struct Post;

#[purge_on(save, url = "/x")]
#[purge_on()]
struct Author;

fn main() {}
