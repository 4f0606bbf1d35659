use roan::purge_on;

#[purge_on(sve, delete, url = "/posts")]
#[purge_on(insert, url = "/new")]
#[purge_on(whenever, url = "/x")]
struct Post;

fn main() {}
