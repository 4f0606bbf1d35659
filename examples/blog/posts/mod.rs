//! The posts, in SQLite, and the purges that wait in the same file: with each library.

#[cfg(feature = "diesel")]
pub(crate) mod diesel;
#[cfg(feature = "sea-orm")]
pub(crate) mod sea_orm;
pub(crate) mod sqlx;

use std::error::Error;
use std::future::Future;
use std::str::FromStr;

use serde::Deserialize;

/// Each library has its own errors, and the blog only shows them.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What the pages ask of a library. Clones share the database.
pub(crate) trait Posts: Clone + Send + Sync + 'static {
    /// A row of the table. Each library has its own type, which has the rules.
    type Post: Row;

    fn list(&self, list: List) -> impl Future<Output = Outcome<Vec<Self::Post>>> + Send;

    fn find(&self, slug: String) -> impl Future<Output = Outcome<Option<Self::Post>>> + Send;

    /// Whether it is new: there may be a post with this slug already.
    fn create(&self, post: NewPost) -> impl Future<Output = Outcome<bool>> + Send;

    /// Whether there was such a post.
    fn rename(&self, slug: String, title: String) -> impl Future<Output = Outcome<bool>> + Send;

    /// Whether there was such a post.
    fn delete(&self, slug: String) -> impl Future<Output = Outcome<bool>> + Send;
}

/// Which posts a page lists.
pub(crate) enum List {
    All,
    By(String),
    About(String),
}

/// A post with its rules. [`roan::Model`] is what `#[purge_on]` makes of a type.
pub(crate) trait Row: roan::Model + Send {
    fn shown(&self) -> Shown<'_>;
}

/// What the pages show of a post.
pub(crate) struct Shown<'post> {
    pub(crate) slug: &'post str,
    pub(crate) title: &'post str,
    pub(crate) author: &'post str,
    pub(crate) topic: &'post str,
}

#[derive(Deserialize)]
pub(crate) struct NewPost {
    pub(crate) slug: String,
    pub(crate) title: String,
    pub(crate) author: String,
    pub(crate) topic: String,
}

/// The table, and the first posts. In WAL mode the readers, the writer and the relay of the outbox do
/// not shut each other out.
///
/// The first posts go past the hooks: no cache has seen a page yet, and no purge but those of the
/// writes that are shown shall make one fresh.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS posts (
        slug TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL, author TEXT NOT NULL, topic TEXT NOT NULL
    );
    INSERT INTO posts SELECT * FROM (VALUES
        ('hello', 'Hello, cache', 'ann', 'caching'), ('soup', 'Soup of the day', 'bob', 'cooking')
    ) WHERE NOT EXISTS (SELECT 1 FROM posts);
";

/// Which library the posts are stored with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    Sqlx,
    #[cfg(feature = "sea-orm")]
    SeaOrm,
    #[cfg(feature = "diesel")]
    Diesel,
}

/// Those that are built in.
const BUILT_IN: &[Library] = &[
    Library::Sqlx,
    #[cfg(feature = "sea-orm")]
    Library::SeaOrm,
    #[cfg(feature = "diesel")]
    Library::Diesel,
];

impl Library {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlx => "sqlx",
            #[cfg(feature = "sea-orm")]
            Self::SeaOrm => "sea-orm",
            #[cfg(feature = "diesel")]
            Self::Diesel => "diesel",
        }
    }
}

/// The one of the feature, where there is one.
impl Default for Library {
    fn default() -> Self {
        BUILT_IN.last().copied().unwrap_or(Self::Sqlx)
    }
}

impl FromStr for Library {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = BUILT_IN.iter().find(|library| library.name() == name);
        found.copied().ok_or_else(|| match name {
            "sea-orm" | "diesel" => {
                format!("{name} is not built in: cargo run -p roan-blog --features {name}")
            }
            _ => format!("unknown library `{name}`: use sqlx, sea-orm or diesel"),
        })
    }
}
