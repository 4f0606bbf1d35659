use roan::purge_on;

#[purge_on(save, uri = "/posts")]
#[purge_on(save, url = "/x", whn = self.published)]
#[purge_on(save, url = "/x", priority = 3)]
#[purge_on(save, url = "/x", host = "www")]
struct Post {
    published: bool,
}

fn main() {}
