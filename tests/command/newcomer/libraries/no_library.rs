//! Without a library: hooks by hand.

use std::error::Error;

#[roan::purge_on(save, delete, url = "/posts/{slug}")]
struct Post {
    id: i32,
    slug: String,
    title: String,
}

fn write(old: &Post, new: &Post) {
    roan::updated(&old, &new);
}

fn start() -> Result<(), Box<dyn Error>> {
    let roan = roan::global()?;
    let _guard = roan.guard(std::time::Duration::from_secs(10));
    Ok(())
}

fn start_with_axum(app: axum::Router) -> Result<axum::Router, Box<dyn Error>> {
    let roan = roan::RoanBuilder::from_env()?
        .web(roan::web::Web::new())
        .install()?;
    let _guard = roan.guard(std::time::Duration::from_secs(10));
    let app = app.layer(roan.web()?);
    Ok(app)
}
