use roan::purge_on;

#[purge_on(sve, delete, url = "/posts")]
#[purge_on(insert, url = "/new")]
#[purge_on(whenever, url = "/x")]
#[purge_on(save, relted(author_id -> Author))]
#[purge_on(save, relation(author_id -> Author))]
struct Post;

fn main() {}
