use roan::purge_on;

#[purge_on(save, url = "/{ slug }")]
#[purge_on(save, url = "/{*slug}")]
#[purge_on(save, url = "/{slug?*}")]
#[purge_on(save, url = "/{slug:?}")]
#[purge_on(save, url = "/{self.slug}")]
#[purge_on(save, url = "/{slug(1)}")]
#[purge_on(save, url = "/{slug-id}")]
#[purge_on(save, url = "/{slug.}")]
#[purge_on(save, url = "/{Self::BASE}/x")]
#[purge_on(save, url = "/{author::slug}")]
struct Post {
    slug: String,
}

fn main() {}
