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
    Ok((posts, roan))
}

pub(crate) fn routes(posts: Posts) -> Router {
    Router::new()
        .route("/posts", get(list).post(create))
        .route("/posts/{slug}", get(page).post(change).delete(remove))
        .with_state(posts)
}

type Answer<T> = Result<T, StatusCode>;

fn failed(error: sqlx::Error) -> StatusCode {
    match error {
        sqlx::Error::Database(error) if error.is_unique_violation() => StatusCode::CONFLICT,
        error => {
            eprintln!("blog: {error}");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

async fn list(State(posts): State<Posts>) -> Answer<Html<String>> {
    let line = |post: &Post| {
        let (slug, title) = (&post.slug, escaped(&post.title));
        format!("<li><a href=\"/posts/{slug}\">{title}</a>\n")
    };
    let posts = posts.all().await.map_err(failed)?;
    let lines: String = posts.iter().map(line).collect();
    Ok(Html(format!(
        "<!doctype html>\n<h1>Posts</h1>\n<ul>\n{lines}</ul>\n"
    )))
}

async fn page(State(posts): State<Posts>, Path(slug): Path<String>) -> Answer<Html<String>> {
    let post = posts.find(&slug).await.map_err(failed)?;
    let title = escaped(&post.ok_or(StatusCode::NOT_FOUND)?.title);
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
    match posts.rename(&slug, &change.title).await.map_err(failed)? {
        true => Ok(Redirect::to(&format!("/posts/{slug}"))),
        false => Err(StatusCode::NOT_FOUND),
    }
}

async fn create(State(posts): State<Posts>, Form(post): Form<Post>) -> Answer<StatusCode> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if post.slug.is_empty() || !post.slug.chars().all(is_plain) {
        return Err(StatusCode::UNPROCESSABLE_ENTITY);
    }
    posts.create(&post).await.map_err(failed)?;
    Ok(StatusCode::CREATED)
}

async fn remove(State(posts): State<Posts>, Path(slug): Path<String>) -> Answer<StatusCode> {
    match posts.delete(&slug).await.map_err(failed)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(StatusCode::NOT_FOUND),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
