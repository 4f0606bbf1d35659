use roan::purge_on;

#[purge_on(save, tag = "")]
#[purge_on(save, tag = "a b")]
#[purge_on(save, tag = "a,{slug}")]
struct Post {
    slug: String,
}

fn main() {}
