use roan::purge_on;

#[purge_on(save, url = "/a b")]
#[purge_on(save, url = "/café")]
#[purge_on(save, url = "/search?q='{slug}'")]
#[purge_on(save, url = "/posts#{slug}")]
#[purge_on(save, url = "/100%")]
#[purge_on(save, url = "/%2{slug}")]
#[purge_on(save, url = "/a/../b")]
#[purge_on(save, url = "/a/%2e%2E/b")]
#[purge_on(save, url = "/a\n")]
#[purge_on(save, url = "/{{slug}}")]
struct Post {
    slug: String,
}

fn main() {}
