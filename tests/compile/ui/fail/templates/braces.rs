use roan::purge_on;

#[purge_on(save, url = "/{slug")]
#[purge_on(save, url = "/slug}")]
#[purge_on(save, url = "/{}")]
#[purge_on(save, url = "/{{slug}")]
#[purge_on(save, url = "/{}/{slug/}/")]
struct Post {
    slug: String,
}

fn main() {}
