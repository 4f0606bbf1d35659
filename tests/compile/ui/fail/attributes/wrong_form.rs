use roan::purge_on;

#[purge_on(save, url = slug)]
#[purge_on(save, url("/posts"))]
#[purge_on(save, url)]
#[purge_on(save, url =)]
#[purge_on(save, "/posts")]
#[purge_on(save, url = "/a", when)]
#[purge_on(save, url = "/a", when = )]
#[purge_on(save, url = "/a", site = www)]
#[purge_on(save, url = "/a", site = "")]
#[purge_on(save, tag = 7)]
#[purge_on(save, url = format!("/posts"))]
#[purge_on = "save"]
struct Post {
    slug: String,
}

fn main() {}
