//! The blog: posts in memory, a page that lists them, a page for each, and a form to change it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;

use crate::{Post, save};

/// The database. Clones share the posts.
#[derive(Clone, Default)]
pub(crate) struct Blog {
    posts: Arc<Mutex<BTreeMap<String, Post>>>,
}

impl Blog {
    pub(crate) fn with_posts<const N: usize>(posts: [(&str, &str); N]) -> Self {
        let blog = Self::default();
        for (slug, title) in posts {
            let [slug, title] = [slug, title].map(str::to_owned);
            blog.write(&Post { slug, title });
        }
        blog
    }

    pub(crate) fn write(&self, post: &Post) {
        let mut posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
        posts.insert(post.slug.clone(), post.clone());
    }

    fn posts(&self) -> Vec<Post> {
        let posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
        posts.values().cloned().collect()
    }

    fn post(&self, slug: &str) -> Result<Post, StatusCode> {
        let posts = self.posts.lock().unwrap_or_else(PoisonError::into_inner);
        posts.get(slug).cloned().ok_or(StatusCode::NOT_FOUND)
    }
}

pub(crate) fn app(blog: Blog) -> Router {
    Router::new()
        .route("/posts", get(list))
        .route("/posts/{slug}", get(page).post(change))
        .with_state(blog)
}

async fn list(State(blog): State<Blog>) -> Html<String> {
    let line = |post: Post| {
        let title = escaped(&post.title);
        format!("<li><a href=\"/posts/{}\">{title}</a>\n", post.slug)
    };
    let lines: String = blog.posts().into_iter().map(line).collect();
    Html(format!(
        "<!doctype html>\n<h1>Posts</h1>\n<ul>\n{lines}</ul>\n"
    ))
}

async fn page(
    State(blog): State<Blog>,
    Path(slug): Path<String>,
) -> Result<Html<String>, StatusCode> {
    let title = escaped(&blog.post(&slug)?.title);
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
    State(blog): State<Blog>,
    Path(slug): Path<String>,
    Form(change): Form<Change>,
) -> Result<Redirect, StatusCode> {
    let post = blog.post(&slug)?;
    let title = change.title;
    save(&blog, &Post { title, ..post });
    Ok(Redirect::to(&format!("/posts/{slug}")))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
