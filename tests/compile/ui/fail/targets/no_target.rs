use roan::purge_on;

#[purge_on(save, delete)]
struct Post;

fn main() {}
