use roan::purge_on;

#[purge_on(save, url = "posts", tag = "{nmae}", whne = true)]
#[derive(Clone)]
#[roan::purge_on(remove, url = "/{name", url = "/{name?}")]
#[purge_on(save, site = "")]
struct Post {
    name: String,
}

fn main() {}
