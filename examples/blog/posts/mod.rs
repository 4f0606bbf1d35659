//! The posts, in SQLite, and the purges that wait in the same file: with each library.

pub(crate) mod diesel;
pub(crate) mod sea_orm;
pub(crate) mod sqlx;

use std::error::Error;
use std::future::Future;
use std::str::FromStr;

/// The errors of a library differ, and the blog only tells of them.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What the pages ask of a library. Clones share the database.
pub(crate) trait Posts: Clone + Send + Sync + 'static {
    /// The slug and the title of each post.
    fn all(&self) -> impl Future<Output = Outcome<Vec<(String, String)>>> + Send;

    /// The title of a post, if there is such a post.
    fn title(&self, slug: &str) -> impl Future<Output = Outcome<Option<String>>> + Send;

    /// Whether it is new: there may be a post with this slug already.
    fn create(&self, slug: String, title: String) -> impl Future<Output = Outcome<bool>> + Send;

    /// Whether there was such a post.
    fn rename(&self, slug: String, title: String) -> impl Future<Output = Outcome<bool>> + Send;

    /// Whether there was such a post.
    fn delete(&self, slug: String) -> impl Future<Output = Outcome<bool>> + Send;
}

/// The table, and a first post. In WAL mode the readers, the writer and the relay of the outbox do
/// not shut each other out.
///
/// The first post goes past the hooks: no cache has seen a page yet, and no purge but those of the
/// writes that are shown shall make one fresh.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS posts (slug TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL);
    INSERT INTO posts SELECT 'hello', 'Hello, cache' WHERE NOT EXISTS (SELECT 1 FROM posts);
";

/// Which library the posts are stored with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Library {
    #[default]
    Sqlx,
    SeaOrm,
    Diesel,
}

impl Library {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlx => "sqlx",
            Self::SeaOrm => "sea-orm",
            Self::Diesel => "diesel",
        }
    }
}

impl FromStr for Library {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Sqlx, Self::SeaOrm, Self::Diesel];
        let found = all.into_iter().find(|library| library.name() == name);
        found.ok_or_else(|| {
            let known = all.map(Self::name).join(", ");
            format!("unknown library `{name}`; there are {known}")
        })
    }
}
