//! The response side: a tower layer, for axum and other frameworks built on tower services, that knows what each page
//! shows.
//!
//! It makes lists, searches and other pages purgeable by tags, also on nginx, which does not know tags. It keeps pages out
//! of the caches that were rendered from an old row. And it writes what each cache reads into the head of an answer. The
//! guide has a [page](crate::guide::web) about it.
//!
//! ```no_run
//! use axum::{Router, extract::Path, response::Html, routing::get};
//! use roan::web::{CachePolicy, Web};
//! use roan::{Nginx, Roan, purge_on};
//!
//! #[purge_on(save, delete, tag = "posts", tag = "post-{slug}")]
//! struct Post { slug: String, title: String }
//! # fn all() -> Vec<Post> { Vec::new() }
//! # fn find(slug: String) -> Post { Post { slug, title: String::new() } }
//!
//! async fn list() -> Html<String> {
//!     let posts = all();
//!     roan::web::show_all::<Post>(); // a new post changes this page
//!     Html(posts.iter().map(|post| format!("<li>{}", post.title)).collect())
//! }
//!
//! async fn post(Path(slug): Path<String>) -> Html<String> {
//!     let post = find(slug);
//!     roan::web::show(&post); // so does a change of this post
//!     Html(format!("<h1>{}</h1>", post.title))
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let roan = Roan::builder()
//!     .cache(Nginx::at("http://localhost/purge")?)
//!     .site("https://www.example.org")
//!     .web(Web::new().policy(CachePolicy::until_purged()))
//!     .install()?;
//! let app = Router::new()
//!     .route("/posts", get(list))
//!     .route("/posts/{slug}", get(post))
//!     .layer(roan.web()?);
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! # axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```

mod answer;
mod body;
mod headers;
mod index_error;
mod late;
mod layer;
mod page;
mod policy;
mod reason;
mod sent;
mod settings;
mod tag_set;
mod tags;
mod visit;
mod write;

pub use self::body::WebBody;
pub use self::index_error::IndexError;
pub use self::layer::{WebLayer, WebService};
pub use self::page::{Page, cache, complete, content_location, page, show, show_all, tag};
pub use self::policy::CachePolicy;
pub use self::settings::Web;

pub(crate) use self::layer::ReadHeaders;
