use roan::purge_on;

#[purge_on(save, url = "/posts/{published}/{rating}", table = "posts")]
#[purge_on(save, url = "/posts/{id}/{slug}/{subtitle?}")]
#[purge_on(update(published, rating), url = "/posts")]
#[purge_on(save, url = "/posts/{rating.floor()}")]
struct Post {
    id: u64,
    slug: String,
    subtitle: Option<String>,
    published: bool,
    rating: f64,
}

// Triggers are not asked for.
#[purge_on(save, url = "/pages/{published}")]
struct Page {
    published: bool,
}

fn main() {}
