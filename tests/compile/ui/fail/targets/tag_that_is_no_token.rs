use roan::purge_on;

#[purge_on(save, tag = "")]
#[purge_on(save, tag = "a b")]
#[purge_on(save, tag = "a,{slug}")]
#[purge_on(save, tag = "a#{slug}")]
#[purge_on(save, tag = "{slug}&{slug}")]
#[purge_on(save, tag = "100%-{slug}")]
#[purge_on(save, tag = "a:b/c=%2A-{slug}")]
struct Post {
    slug: String,
}

fn main() {}
