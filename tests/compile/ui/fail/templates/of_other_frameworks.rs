use roan::purge_on;

#[purge_on(save, url = "/posts/:slug")]
#[purge_on(save, url = "/posts/:slgu.html")]
#[purge_on(save, url = "/posts/${slug}")]
#[purge_on(save, url = "/posts/<slug>")]
#[purge_on(save, url = "/posts/<int:id>")]
#[purge_on(save, url = "/posts/{{ slug }}")]
#[purge_on(save, url = "/posts/{{slug}}")]
#[purge_on(save, url = "/posts/[slug]")]
#[purge_on(save, url = "/posts/*")]
#[purge_on(save, url = "/posts/*slug")]
#[purge_on(save, url = "/posts?page=*")]
#[purge_on(save, url = "//www.example.org/posts")]
#[purge_on(save, url = "https://www.example.org/posts/{slug}")]
struct Post {
    id: u64,
    slug: String,
}

// No field is meant, and each is a legal URL.
#[purge_on(save, url = "/wiki/Talk:Main")]
#[purge_on(save, url = "/:memory")]
#[purge_on(save, url = "/price/$5")]
#[purge_on(save, url = "/a*b")]
#[purge_on(save, url = "/posts?filter[slug]={{x}}")]
struct Page {
    slug: String,
}

fn main() {}
