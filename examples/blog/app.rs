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

#[cfg(feature = "diesel")]
use crate::posts::diesel::DieselPosts;
#[cfg(feature = "sea-orm")]
use crate::posts::sea_orm::SeaOrmPosts;
use crate::posts::sqlx::SqlxPosts;
use crate::posts::{Library, Outcome, Posts};

/// At the start: the pages, the caches, and the outbox in the database of the posts.
pub(crate) async fn start(
    library: Library,
    file: &str,
    nginx: Nginx,
) -> Result<(Router, Roan), Box<dyn Error>> {
    let routes = open(library, file)
        .await
        .map_err(|error| -> Box<dyn Error> { error })?;
    // What a killed program was about to do waits for the lease: here not long, for the show.
    let outbox = Outbox::at(&format!("sqlite://{file}"))?.lease(Duration::from_millis(500));
    outbox.migrate().await?;
    let roan = Roan::builder().cache(nginx).outbox(outbox).install()?;
    Ok((routes, roan))
}

async fn open(library: Library, file: &str) -> Outcome<Router> {
    Ok(match library {
        Library::Sqlx => routes(SqlxPosts::open(file).await?),
        #[cfg(feature = "sea-orm")]
        Library::SeaOrm => routes(SeaOrmPosts::open(file).await?),
        #[cfg(feature = "diesel")]
        Library::Diesel => routes(DieselPosts::open(file).await?),
    })
}

fn routes<P: Posts>(posts: P) -> Router {
    Router::new()
        .route("/posts", get(list::<P>).post(create::<P>))
        .route(
            "/posts/{slug}",
            get(page::<P>).post(change::<P>).delete(remove::<P>),
        )
        .with_state(posts)
}

type Answer<T> = Result<T, StatusCode>;

fn answered<T>(outcome: Outcome<T>) -> Answer<T> {
    outcome.map_err(|error| {
        eprintln!("blog: {error}");
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

async fn list<P: Posts>(State(posts): State<P>) -> Answer<Html<String>> {
    let line = |(slug, title): &(String, String)| {
        let title = escaped(title);
        format!("<li><a href=\"/posts/{slug}\">{title}</a>\n")
    };
    let posts = answered(posts.all().await)?;
    let lines: String = posts.iter().map(line).collect();
    Ok(Html(format!(
        "<!doctype html>\n<h1>Posts</h1>\n<ul>\n{lines}</ul>\n"
    )))
}

async fn page<P: Posts>(State(posts): State<P>, Path(slug): Path<String>) -> Answer<Html<String>> {
    let title = answered(posts.title(&slug).await)?;
    let title = escaped(&title.ok_or(StatusCode::NOT_FOUND)?);
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

async fn change<P: Posts>(
    State(posts): State<P>,
    Path(slug): Path<String>,
    Form(Change { title }): Form<Change>,
) -> Answer<Redirect> {
    let page = format!("/posts/{slug}");
    match answered(posts.rename(slug, title).await)? {
        true => Ok(Redirect::to(&page)),
        false => Err(StatusCode::NOT_FOUND),
    }
}

#[derive(Deserialize)]
struct NewPost {
    slug: String,
    title: String,
}

async fn create<P: Posts>(
    State(posts): State<P>,
    Form(NewPost { slug, title }): Form<NewPost>,
) -> Answer<StatusCode> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if slug.is_empty() || !slug.chars().all(is_plain) {
        return Err(StatusCode::UNPROCESSABLE_ENTITY);
    }
    match answered(posts.create(slug, title).await)? {
        true => Ok(StatusCode::CREATED),
        false => Err(StatusCode::CONFLICT),
    }
}

async fn remove<P: Posts>(State(posts): State<P>, Path(slug): Path<String>) -> Answer<StatusCode> {
    match answered(posts.delete(slug).await)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(StatusCode::NOT_FOUND),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
