use roan::purge_on;

#[purge_on(save, update, url = "/a")]
#[purge_on(create, save, url = "/b")]
#[purge_on(save, update(title), url = "/c")]
struct Post {
    title: String,
}

fn main() {}
