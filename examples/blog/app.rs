//! The blog: lists of the posts, of all, of an author and of a topic, and a page for each with a form to change it.

use std::error::Error;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use axum::routing::get;
use axum::{Form, Router};
use roan::dashboard::Dashboard;
use roan::outbox::Outbox;
use roan::web::{self, CachePolicy, Web};
use roan::{Roan, RoanBuilder};
use serde::Deserialize;

use crate::metrics;
#[cfg(feature = "diesel")]
use crate::posts::diesel::DieselPosts;
#[cfg(feature = "sea-orm")]
use crate::posts::sea_orm::SeaOrmPosts;
use crate::posts::sqlx::SqlxPosts;
use crate::posts::{Library, List, NewPost, Outcome, Posts, Row, Shown};

/// At the start: the pages, the outbox in the database of the posts, and the cache and the site that `roan` names.
pub(crate) async fn start(
    library: Library,
    file: &str,
    roan: RoanBuilder,
) -> Result<(Router, Roan), Box<dyn Error>> {
    let routes = open(library, file)
        .await
        .map_err(|error| -> Box<dyn Error> { error })?;
    // What a killed program was about to do waits for the lease: here not long, for the show.
    let outbox = Outbox::at(&format!("sqlite://{file}"))?.lease(Duration::from_millis(500));
    outbox.migrate().await?;
    let exporter = metrics::exporter()?;
    let roan = roan
        .outbox(outbox)
        // This process renders all pages, so the web layer keeps stale ones out of the cache.
        .rebound(Duration::from_millis(50))
        .web(Web::new().policy(CachePolicy::until_purged()))
        .install()?;
    // It learns which page shows what, so that a cache that does not know tags, as nginx, is purged by them.
    let pages = routes.layer(roan.web()?);
    let app = match roan.embedded() {
        Some(cache) => pages.layer(cache.layer()),
        None => pages, // the cache is before this program
    };
    // The blog listens on loopback, and the dashboard refuses what a proxy has forwarded. Yours may be behind your login.
    let dashboard = Dashboard::new(&roan).without_auth();
    let app = app
        .nest_service("/roan", dashboard)
        .merge(metrics::routes(&roan, exporter));
    Ok((app, roan))
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
        .route("/posts", get(all::<P>).post(create::<P>))
        .route("/authors/{author}", get(by::<P>))
        .route("/topics/{topic}", get(about::<P>))
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

async fn all<P: Posts>(State(posts): State<P>) -> Answer<Html<String>> {
    let posts = answered(posts.list(List::All).await)?;
    Ok(list("Posts", &posts))
}

async fn by<P: Posts>(State(posts): State<P>, Path(author): Path<String>) -> Answer<Html<String>> {
    let posts = answered(posts.list(List::By(author.clone())).await)?;
    match posts.is_empty() {
        true => Err(StatusCode::NOT_FOUND),
        false => Ok(list(&format!("Posts by {author}"), &posts)),
    }
}

async fn about<P: Posts>(
    State(posts): State<P>,
    Path(topic): Path<String>,
) -> Answer<Html<String>> {
    let posts = answered(posts.list(List::About(topic.clone())).await)?;
    match posts.is_empty() {
        true => Err(StatusCode::NOT_FOUND),
        false => Ok(list(&format!("Posts about {topic}"), &posts)),
    }
}

fn list<R: Row>(heading: &str, posts: &[R]) -> Html<String> {
    web::show_all::<R>(); // a new post may belong here: the page carries `posts`
    let line = |post: &R| {
        web::show(post); // a change of this one is seen here: it carries `post-hello`, too
        let Shown { slug, title, .. } = post.shown();
        format!("<li><a href=\"/posts/{slug}\">{}</a>\n", escaped(title))
    };
    let lines: String = posts.iter().map(line).collect();
    let heading = escaped(heading);
    Html(format!(
        "<!doctype html>\n<h1>{heading}</h1>\n<ul>\n{lines}</ul>\n"
    ))
}

/// It carries no tag: the rule by URL purges it, also if this process has never rendered it.
async fn page<P: Posts>(State(posts): State<P>, Path(slug): Path<String>) -> Answer<Html<String>> {
    let post = answered(posts.find(slug).await)?.ok_or(StatusCode::NOT_FOUND)?;
    let Shown {
        title,
        author,
        topic,
        ..
    } = post.shown();
    let title = escaped(title);
    Ok(Html(format!(
        "<!doctype html>\n<h1>{title}</h1>\n\
         <p>by <a href=\"/authors/{author}\">{author}</a> about <a href=\"/topics/{topic}\">{topic}</a>\n\
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

async fn create<P: Posts>(State(posts): State<P>, Form(post): Form<NewPost>) -> Answer<StatusCode> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let is_name = |text: &String| !text.is_empty() && text.chars().all(is_plain);
    if ![&post.slug, &post.author, &post.topic]
        .into_iter()
        .all(is_name)
    {
        return Err(StatusCode::UNPROCESSABLE_ENTITY);
    }
    match answered(posts.create(post).await)? {
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
