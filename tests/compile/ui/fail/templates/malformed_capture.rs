use roan::purge_on;

#[purge_on(save, url = "/{ slug }")]
#[purge_on(save, url = "/{*slug}")]
#[purge_on(save, url = "/{slug?*}")]
#[purge_on(save, url = "/{slug:?}")]
#[purge_on(save, url = "/{self.slug}")]
#[purge_on(save, url = "/{slug(1)}")]
#[purge_on(save, url = "/{slug-id}")]
#[purge_on(save, url = "/{slug.}")]
struct Post {
    slug: String,
}

fn main() {}
