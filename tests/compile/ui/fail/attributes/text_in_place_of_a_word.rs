use roan::purge_on;

#[purge_on("save", url = "/a")]
#[purge_on("delte", url = "/b")]
#[purge_on(save, "url")]
#[purge_on(save, "/posts")]
#[purge_on(save, "front page")]
#[purge_on(save, url = "/c", when = "self.published")]
#[purge_on(save, url = "/d", when = "only if published")]
#[purge_on(save, url = "/e", when = "a" == "b")]
struct Post {
    published: bool,
}

fn main() {}
