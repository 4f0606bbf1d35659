//! An axum app with the lines that `roan init` prints for one, at the address of its argument.

use std::error::Error;
use std::sync::Mutex;

use axum::extract::Path;
use axum::response::Html;
use axum::routing::get;

#[roan::purge_on(save, delete, url = "/posts/{slug}")]
struct Post {
    id: i32,
    slug: String,
    title: String,
}

/// The database.
static TITLE: Mutex<String> = Mutex::new(String::new());

fn post(slug: String, title: String) -> Post {
    Post { id: 1, slug, title }
}

async fn read(Path(slug): Path<String>) -> Html<String> {
    let title = TITLE.lock().map(|title| title.clone());
    let post = post(slug, title.unwrap_or_default());
    Html(format!("<h1>{}: {}</h1>", post.id, post.title))
}

async fn write(Path(slug): Path<String>, title: String) {
    let old = post(slug.clone(), String::new());
    let new = post(slug, title);
    if let Ok(mut title) = TITLE.lock() {
        title.clone_from(&new.title);
    }
    roan::updated(&old, &new);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("an address is missing")?;
    let app = axum::Router::new()
        .route("/", get(async || Html("<h1>Blog</h1>")))
        .route("/posts/{slug}", get(read).put(write));
    let roan = roan::RoanBuilder::from_env()?
        .web(roan::web::Web::new())
        .install()?;
    let _guard = roan.guard(std::time::Duration::from_secs(10));
    let app = app.layer(roan.web()?);
    axum::serve(tokio::net::TcpListener::bind(address).await?, app).await?;
    Ok(())
}
