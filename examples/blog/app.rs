//! The blog: a page that lists the posts, and a page for each with a form to change it.

use std::error::Error;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use axum::routing::get;
use axum::{Form, Router};
use roan::outbox::Outbox;
use roan::{Nginx, Roan};
use serde::Deserialize;

use crate::posts::{Post, Posts};

/// At the start: the caches, and the outbox in the database of the posts.
pub(crate) async fn start(file: &str, nginx: Nginx) -> Result<(Posts, Roan), Box<dyn Error>> {
    let posts = Posts::open(file).await?;
    // What a killed program was about to do waits for the lease: here not long, for the show.
    let outbox = Outbox::at(&format!("sqlite://{file}"))?.lease(Duration::from_millis(500));
    outbox.migrate().await?;
    let roan = Roan::builder().cache(nginx).outbox(outbox).install()?;
    if posts.find("hello").await?.is_none() {
        let [slug, title] = ["hello", "Hello, cache"].map(str::to_owned);
        posts.create(&Post { slug, title }).await?;
    }
    Ok((posts, roan))
}

pub(crate) fn routes(posts: Posts) -> Router {
    Router::new()
        .route("/posts", get(list))
        .route("/posts/{slug}", get(page).post(change))
        .with_state(posts)
}

type Answer<T> = Result<T, StatusCode>;

fn failed(error: &sqlx::Error) -> StatusCode {
    eprintln!("blog: {error}");
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn list(State(posts): State<Posts>) -> Answer<Html<String>> {
    let line = |post: &Post| {
        let (slug, title) = (&post.slug, escaped(&post.title));
        format!("<li><a href=\"/posts/{slug}\">{title}</a>\n")
    };
    let posts = posts.all().await.map_err(|error| failed(&error))?;
    let lines: String = posts.iter().map(line).collect();
    Ok(Html(format!(
        "<!doctype html>\n<h1>Posts</h1>\n<ul>\n{lines}</ul>\n"
    )))
}

async fn found(posts: &Posts, slug: &str) -> Answer<Post> {
    let post = posts.find(slug).await.map_err(|error| failed(&error))?;
    post.ok_or(StatusCode::NOT_FOUND)
}

async fn page(State(posts): State<Posts>, Path(slug): Path<String>) -> Answer<Html<String>> {
    let title = escaped(&found(&posts, &slug).await?.title);
    Ok(Html(format!(
        "<!doctype html>\n<h1>{title}</h1>\n\
         <form method=\"post\"><input name=\"title\"> <button>Save</button></form>\n\
         <a href=\"/posts\">All posts</a>\n"
    )))
}

#[derive(Deserialize)]
struct Change {
    title: String,
}

async fn change(
    State(posts): State<Posts>,
    Path(slug): Path<String>,
    Form(change): Form<Change>,
) -> Answer<Redirect> {
    let old = found(&posts, &slug).await?;
    let title = change.title;
    let new = Post {
        title,
        ..old.clone()
    };
    posts
        .update(&old, &new)
        .await
        .map_err(|error| failed(&error))?;
    Ok(Redirect::to(&format!("/posts/{slug}")))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
